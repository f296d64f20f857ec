package wechatsim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestEvents_OfACardsLife(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	id := r.create(tree{"sku": tree{"quantity": 1}, "need_push_on_view": true}, nil)
	other := r.create(nil, nil)
	r.post("/_sim/cards/"+other+"/reject", tree{"reason": "blurred"})
	r.waitEvents()
	if l := in.pushes(); l[2].text("Event") != "card_not_pass_check" || l[2].text("RefuseReason") != "blurred" {
		t.Errorf("review: %v", in.events())
	}
	r.mustAdd("ann", id, tree{"code": "A1", "outer_str": "door"})
	r.post("/_sim/phones/ann/open-card", tree{"cardList": []any{tree{"cardId": id, "code": "A1"}}})
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": id, "code": "A1"})
	r.mustAdd("ann", id, tree{"code": "A1", "outer_str": "window"})
	r.waitEvents()
	ann, _ := r.sim.Person("ann")
	var mine []received
	for _, l := range in.pushes() {
		if l.text("FromUserName") == ann.OpenID {
			mine = append(mine, l)
		}
	}
	var names []string
	for _, l := range mine {
		names = append(names, l.text("Event"))
	}
	if want := []string{"user_get_card", "user_view_card", "user_del_card", "user_get_card"}; !slices.Equal(names, want) {
		t.Fatalf("got %v, want %v", names, want)
	}
	if mine[1].text("OuterStr") != "door" {
		t.Errorf("view: %s", mine[1].body)
	}
	if _, there := mine[3].element("OuterStr"); there || mine[3].text("IsRestoreMemberCard") != "1" {
		t.Errorf("restore: %s", mine[3].body)
	}
	if got := r.get("/_sim/events?event=card_sku_remind")["events"].([]any); len(got) != 1 {
		t.Errorf("card_sku_remind: %v", got)
	}
}

func TestEvents_GiftChangesTheCodeAndLinksTheOld(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	id := r.create(tree{"can_give_friend": true}, nil)
	r.mustAdd("ann", id, tree{"code": "A1"})
	r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "A1", "init_bonus": 7})
	gift := func(body tree) reply {
		overlay(body, tree{"card_id": id, "code": "A1"})
		return r.post("/_sim/phones/ann/gift-card", body)
	}
	if got := gift(tree{"to": "bob", "then": "wait"}); got.text("status") != "GIFTING" {
		t.Fatal(got)
	}
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": "A1"}), 40127)
	wantCode(t, r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "add_bonus": 1}), 40127)
	if got := gift(tree{"then": "return"}); got.text("status") != "NORMAL" {
		t.Fatal(got)
	}
	if got := gift(tree{"to": "bob"}); got.text("status") != "GIFT_SUCC" {
		t.Fatal(got)
	}
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": "A1", "check_consume": false}), 40056)
	face := r.faces("bob")[0]
	if face.text("code") == "A1" || face["has_active"] != true || face.whole("bonus") != 7 {
		t.Errorf("bob's card %v", face)
	}
	r.waitEvents()
	ann, _ := r.sim.Person("ann")
	bob, _ := r.sim.Person("bob")
	var backs []string
	for _, l := range in.pushes() {
		switch {
		case l.text("Event") == "user_gifting_card":
			backs = append(backs, l.text("IsReturnBack"))
			if l.text("FriendUserName") != bob.OpenID || l.text("FromUserName") != ann.OpenID {
				t.Errorf("gifting: %s", l.body)
			}
		case l.text("FromUserName") == bob.OpenID:
			if l.text("IsGiveByFriend") != "1" || l.text("OldUserCardCode") != "A1" || l.text("FriendUserName") != ann.OpenID ||
				l.text("UserCardCode") != face.text("code") {
				t.Errorf("get: %s", l.body)
			}
		}
	}
	if !slices.Equal(backs, []string{"0", "1", "0"}) {
		t.Errorf("IsReturnBack %v", backs)
	}
	if got := r.post("/_sim/phones/ann/gift-card", tree{"card_id": id, "code": "A1", "to": "bob"}); got.text("field") != "code" {
		t.Errorf("given twice: %v", got)
	}
}

func TestEvents_GiftRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{GiftedCard: "fresh"}})
	fixed, free := r.create(nil, nil), r.create(tree{"can_give_friend": true}, nil)
	r.mustAdd("ann", fixed, tree{"code": "A1"})
	r.mustAdd("ann", free, tree{"code": "A1"})
	for field, body := range map[string]tree{
		"card_id": {"card_id": fixed, "code": "A1", "to": "bob"},
		"to":      {"card_id": free, "code": "A1", "to": "ann"},
		"code":    {"card_id": free, "code": "A9", "to": "bob"},
	} {
		if got := r.post("/_sim/phones/ann/gift-card", body); got.text("field") != field {
			t.Errorf("%s: %v", field, got)
		}
	}
	r.card("/card/membercard/activate", tree{"card_id": free, "code": "A1", "membership_number": "A1", "init_bonus": 7})
	r.post("/_sim/phones/ann/gift-card", tree{"card_id": free, "code": "A1", "to": "bob"})
	if face := r.faces("bob")[0]; face["has_active"] != false || face.whole("bonus") != 0 {
		t.Errorf("a fresh gift %v", face)
	}
}

func TestEventFaults_DuplicateLateReorderDrop(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	id := r.create(tree{"get_limit": 20}, nil)
	ticket := r.ticket("wx_card")
	r.waitEvents()
	fault := func(f tree) {
		if res, body := r.raw("POST", "/_sim/events/faults", encode(f)); res.StatusCode != 200 {
			t.Fatalf("%s", body)
		}
	}
	take := func(codes ...string) []string {
		from := len(in.pushes())
		for _, code := range codes {
			r.add("ann", id, r.ext(ticket, id, tree{"code": code}))
		}
		r.waitEvents()
		return in.events()[from:]
	}
	fault(tree{"event": "user_get_card", "duplicate": 3})
	if got := take("D1"); len(got) != 4 {
		t.Errorf("four deliveries: %v", got)
	}
	fault(tree{"event": "*", "late_seconds": 0.3})
	if got, want := take("L1", "L2"), []string{"user_get_card:L2", "user_get_card:L1"}; !slices.Equal(got, want) {
		t.Errorf("late: %v", got)
	}
	fault(tree{"event": "*", "reorder": true})
	if got, want := take("R1", "R2", "R3"), []string{"user_get_card:R2", "user_get_card:R1", "user_get_card:R3"}; !slices.Equal(got, want) {
		t.Errorf("reorder: %v", got)
	}
	fault(tree{"event": "*", "drop": true, "times": -1, "skip": 1})
	if got := take("X1", "X2", "X3"); len(got) != 1 {
		t.Errorf("drop: %v", got)
	}
	r.do("DELETE", "/_sim/events/faults", nil)
	if got := take("Y1"); len(got) != 1 {
		t.Errorf("after clearing: %v", got)
	}
	for body, field := range map[string]string{`{"event":"nosuch","drop":true}`: "event", `{"event":"*"}`: "duplicate",
		`{"event":"*","drop":true,"times":-2}`: "times", `{"event":"*","late_seconds":-1}`: "late_seconds"} {
		if _, out := r.raw("POST", "/_sim/events/faults", body); !strings.Contains(string(out), `"field":"`+field+`"`) {
			t.Errorf("%s: %s", body, out)
		}
	}
}

func TestEventFault_AReorderedEventAloneComesAnyway(t *testing.T) {
	t.Parallel()
	r, in := pushRig(t, wechatsim.Assumptions{}, nil)
	if err := r.sim.AddEventFault(push.Fault{Event: "card_pass_check", Reorder: true}); err != nil {
		t.Fatal(err)
	}
	r.create(nil, nil)
	r.waitEvents()
	if got := in.events(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
