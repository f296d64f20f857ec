package wechatsim_test

import (
	"slices"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func (r *rig) holders(cardID string) []reply {
	r.t.Helper()
	return holdersOf(r.get("/_sim/cards/" + cardID + "/holders"))
}

func holdersOf(got reply) (list []reply) {
	for _, one := range got["holders"].([]any) {
		list = append(list, one.(tree))
	}
	return list
}

// Codes of every kind may be in wallets before.
func TestHolders_AreThereWithoutAnEvent(t *testing.T) {
	t.Parallel()
	for kind, base := range map[string]tree{
		"custom": nil, "system": systemCodes(),
		"deposit": {"use_custom_code": true, "get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT", "sku": tree{"quantity": 0}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, wechatsim.Options{})
			cardID := r.create(base, nil)
			if kind == "deposit" {
				wantCode(t, r.card("/card/code/deposit", tree{"card_id": cardID, "code": []string{"D1", "D2"}}), 0)
				wantCode(t, r.card("/card/modifystock", tree{"card_id": cardID, "increase_stock_value": 2}), 0)
			}
			before := r.get("/_sim/events")
			got := holdersOf(r.post("/_sim/cards/"+cardID+"/holders", tree{"holders": []tree{
				{"user": "ann", "code": "D1", "bonus": 500, "balance": 70, "membership_number": "VIP1", "custom_fields": tree{"custom_field1": "金卡"}},
				{"user": "bob", "has_active": false},
				{"user": "eve", "status": "DELETE", "bonus": 3},
			}}))
			if after := r.get("/_sim/events"); encode(after) != encode(before) {
				t.Errorf("events %v", after)
			}
			if len(got) != 3 || encode(r.holders(cardID)) == encode([]reply{}) || got[0].text("openid") == "" || got[0].text("unionid") == "" {
				t.Fatalf("got %v", got)
			}
			for i, want := range []tree{
				{"membership_number": "VIP1", "bonus": 500.0, "balance": 70.0, "user_card_status": "NORMAL", "has_active": true},
				{"membership_number": "", "bonus": 0.0, "balance": 0.0, "user_card_status": "NORMAL", "has_active": false},
				{"membership_number": "", "bonus": 3.0, "balance": 0.0, "user_card_status": "DELETE", "has_active": true},
			} {
				info := r.card("/card/membercard/userinfo/get", tree{"card_id": cardID, "code": got[i].text("code")})
				wantCode(t, info, 0)
				for name, value := range want {
					if info[name] != value {
						t.Errorf("holder %d: %s is %v, want %v", i+1, name, info[name], value)
					}
				}
				if info.text("openid") != got[i].text("openid") {
					t.Errorf("openid %v in %v", info, got[i])
				}
			}
			if kind == "deposit" { // D1 is in a wallet
				r.mustAdd("dan", cardID, nil)
				if code := r.faces("dan")[0].text("code"); code != "D2" {
					t.Errorf("the next code is %s", code)
				}
				says(t, r.add("fay", cardID, r.ext(r.ticket("wx_card"), cardID, nil)), "已领完", "out_of_stock")
			}
		})
	}
}

func TestHolders_CountMessagesAndWrites(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	cardID := r.create(nil, nil)
	r.post("/_sim/cards/"+cardID+"/holders", tree{"holders": []tree{
		{"user": "ann", "code": "A", "bonus": 5}, {"user": "bob", "code": "B", "has_active": false},
	}})
	r.card("/card/membercard/userinfo/get", tree{"card_id": cardID, "code": "A"})
	r.card("/card/membercard/updateuser", tree{"card_id": cardID, "code": "A", "bonus": 5})
	r.card("/card/membercard/updateuser", tree{"card_id": cardID, "code": "A", "add_bonus": 1})
	r.card("/card/membercard/activate", tree{"card_id": cardID, "code": "B", "membership_number": "1"})
	got := r.holders(cardID)
	want := [][2]int{{1, 2}, {1, 1}}
	for i, h := range got {
		if h.whole("messages") != want[i][0] || h.whole("writes") != want[i][1] {
			t.Errorf("%v, want %v", h, want[i])
		}
	}
}

func TestHolders_RandomOnesRepeatThemselves(t *testing.T) {
	t.Parallel()
	shape := func() (figures []string, inactive, deleted int) {
		r := newRig(t, wechatsim.Options{})
		cardID := r.create(nil, nil)
		list := holdersOf(r.post("/_sim/cards/"+cardID+"/holders", tree{"count": 400, "seed": 7}))
		for _, h := range list {
			figures = append(figures, encode([]any{h["user"], h["status"], h["has_active"], h["bonus"], h["balance"]}))
			if h["has_active"] == false {
				inactive++
			}
			if h["status"] == "DELETE" {
				deleted++
			}
		}
		again := r.post("/_sim/cards/"+cardID+"/holders", tree{"count": 400, "seed": 8})
		if len(holdersOf(again)) != 400 || len(r.holders(cardID)) != 800 {
			t.Error("a second call adds others")
		}
		return figures, inactive, deleted
	}
	one, inactive, deleted := shape()
	if two, _, _ := shape(); !slices.Equal(one, two) || inactive < 20 || inactive > 70 || deleted < 5 || deleted > 45 {
		t.Errorf("%d inactive, %d deleted", inactive, deleted)
	}
}

func TestHolders_RefusalsNameTheFieldAndAddNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	cardID := r.create(nil, nil)
	r.mustAdd("old", cardID, tree{"code": "OLD"})
	good := tree{"user": "ann", "code": "A"}
	for field, body := range map[string]tree{
		"count":                    {},
		"seed":                     {"count": 1, "seed": -1},
		"holders[1].code":          {"holders": []tree{good, {"user": "bob", "code": "A"}}},
		"holders[0].code":          {"holders": []tree{{"user": "bob", "code": "OLD"}}},
		"holders[1].user":          {"holders": []tree{good, {"user": "小明"}}},
		"holders[0].bonus":         {"holders": []tree{{"user": "bob", "bonus": -1}}},
		"holders[0].balance":       {"holders": []tree{{"user": "bob", "balance": -1}}},
		"holders[0].has_active":    {"holders": []tree{{"user": "bob", "has_active": false, "bonus": 1}}},
		"holders[0].status":        {"holders": []tree{{"user": "bob", "status": "GIFTING"}}},
		"holders[0].openid":        {"holders": []tree{{"user": "bob", "openid": "o"}}},
		"holders[0].messages":      {"holders": []tree{{"user": "bob", "writes": 1}}},
		"holders[0].custom_fields": {"holders": []tree{{"user": "bob", "custom_fields": tree{"custom_field4": "x"}}}},
	} {
		if got := r.post("/_sim/cards/"+cardID+"/holders", body); got.text("field") != field || got.text("error") == "" {
			t.Errorf("got %v, want %s", got, field)
		}
	}
	for _, body := range []tree{{"count": 10_001}, {"count": -1}, {"count": 1, "holders": []tree{good}}} {
		if got := r.post("/_sim/cards/"+cardID+"/holders", body); got.text("field") != "count" {
			t.Errorf("%v: got %v", body, got)
		}
	}
	if got := r.post("/_sim/cards/pNone/holders", tree{"count": 1}); got.text("field") != "card_id" {
		t.Errorf("got %v", got)
	}
	if got := r.get("/_sim/cards/pNone/holders"); got.text("field") != "card_id" {
		t.Errorf("got %v", got)
	}
	if n := len(r.holders(cardID)); n != 1 {
		t.Errorf("%d holders", n)
	}
}
