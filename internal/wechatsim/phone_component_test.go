package wechatsim_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func oneClick(jump bool) tree {
	member := tree{"activate_url": nil, "wx_activate": true}
	if jump {
		member["wx_activate_after_submit"], member["wx_activate_after_submit_url"] = true, "https://shop.example/after"
	}
	return member
}

// extraData reads the parameters as WeChat's engineers describe.
func (r *rig) extraData(cardID, outerStr string) tree {
	r.t.Helper()
	got := r.card("/card/membercard/activate/geturl", tree{"card_id": cardID, "outer_str": outerStr})
	address, fragment, _ := strings.Cut(got.text("url"), "#")
	_, query, _ := strings.Cut(address, "?")
	if got.code() != 0 || fragment != "wechat_redirect" || !strings.Contains(query, "&&") {
		r.t.Fatalf("geturl: %v", got)
	}
	out := tree{}
	for _, piece := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(piece, "=")
		plain, err := url.PathUnescape(value)
		if err != nil {
			r.t.Fatal(err)
		}
		if name != "" && name != "action" {
			out[name] = plain
		}
	}
	return out
}

func TestComponent_JumpCard(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	card := r.create(systemCodes(), oneClick(true))
	wantCode(t, r.card("/card/membercard/activateuserform/set",
		tree{"card_id": card, "required_form": tree{"common_field_id_list": []string{"USER_FORM_INFO_FLAG_MOBILE"}}}), 0)
	const outerStr = "a&b=c+d 店"
	extra := r.extraData(card, outerStr)
	if extra["outer_str"] != outerStr || !strings.Contains(extra["encrypt_card_id"].(string), "+") {
		t.Fatalf("extraData %v", extra)
	}
	back := r.post("/_sim/phones/ann/open-card-component", tree{"extraData": extra, "form": tree{"USER_FORM_INFO_FLAG_MOBILE": "13700000000"}})
	if back.text("card_id") != card || back.text("code") == "" || back.text("activate_ticket") == "" {
		t.Fatalf("back: %v", back)
	}
	face := r.faces("ann")[0]
	if face.text("outer_str") != outerStr || face["has_active"] != false {
		t.Errorf("face %v", face)
	}
	info := r.card("/card/membercard/activatetempinfo/get", tree{"activate_ticket": back["activate_ticket"]})
	list, _ := info.object("info")["common_field_list"].([]any)
	if len(list) != 1 || reply(list[0].(tree)).text("value") != "13700000000" {
		t.Errorf("info %v", info)
	}
	wantCode(t, r.card("/card/membercard/activatetempinfo/get", tree{"activate_ticket": url.QueryEscape(back.text("activate_ticket"))}), 72011)
	r.post("/_sim/clock/advance", tree{"seconds": 601})
	wantCode(t, r.card("/card/membercard/activatetempinfo/get", tree{"activate_ticket": back["activate_ticket"]}), 72012)

	wantCode(t, r.card("/card/membercard/activate", tree{"card_id": card, "code": back["code"], "membership_number": "1"}), 0)
	if again := r.post("/_sim/phones/ann/open-card-component", tree{"extraData": extra}); len(again) != 0 {
		t.Errorf("an active card: %v", again)
	}
}

func TestComponent_NonJumpCardIsActiveAndBringsNothingBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	card := r.create(systemCodes(), oneClick(false))
	if back := r.post("/_sim/phones/ann/open-card-component", tree{"extraData": r.extraData(card, "")}); len(back) != 0 {
		t.Errorf("back: %v", back)
	}
	if face := r.faces("ann")[0]; face["has_active"] != true {
		t.Errorf("face %v", face)
	}
}

func TestComponent_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	plain, custom, jump := r.create(systemCodes(), nil), r.create(nil, oneClick(true)), r.create(systemCodes(), oneClick(true))
	geturl := func(card string) reply {
		return r.card("/card/membercard/activate/geturl", tree{"card_id": card, "outer_str": "x"})
	}
	wantCode(t, geturl(plain), 72026)
	wantCode(t, geturl(custom), 40158)
	wantCode(t, geturl("p"), 40073)
	wantCode(t, r.card("/card/membercard/activateuserform/set", tree{"card_id": plain, "required_form": tree{}}), 72026)
	wantCode(t, r.card("/card/membercard/activateuserform/set", tree{"card_id": jump}), 41011)
	wantCode(t, r.card("/card/membercard/activateuserform/set", tree{"card_id": jump, "optional_form": tree{"can_modify": "no"}}), 47001)
	extra := r.extraData(jump, "")
	for name, change := range map[string]tree{
		"encoded":   {"encrypt_card_id": url.QueryEscape(extra["encrypt_card_id"].(string))},
		"decoded":   {"encrypt_card_id": strings.ReplaceAll(extra["encrypt_card_id"].(string), "+", " ")},
		"no biz":    {"biz": "MTIz"},
		"no secret": {"encrypt_card_id": ""},
	} {
		wrong := tree{}
		overlay(wrong, extra)
		overlay(wrong, change)
		if got := r.post("/_sim/phones/ann/open-card-component", tree{"extraData": wrong}); got.text("field") != "extraData" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := r.post("/_sim/phones/ann/open-card-component", tree{"appId": "wx", "extraData": extra}); got.text("field") != "appId" {
		t.Errorf("another appId: %v", got)
	}
}

// A card from a QR code in the shop is activated from the wallet. No form was
// submitted in the component, so there is no activate_ticket.
func TestActivate_FromTheWalletHasNoTicket(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	card := r.create(systemCodes(), oneClick(true))
	code := r.post("/_sim/phones/ann/scan-qr", tree{"card_id": card, "outer_str": "door"}).text("code")
	query := r.post("/_sim/phones/ann/activate", tree{"card_id": card, "code": code}).object("query")
	if query.text("card_id") != card || query.text("outer_str") != "door" || query["activate_ticket"] != nil || query["code"] != nil {
		t.Errorf("query %v", query)
	}
	if got := r.card("/card/code/decrypt", tree{"encrypt_code": query.text("encrypt_code")}); got.text("code") != code {
		t.Errorf("decrypt: %v, want %s", got, code)
	}
	r.do("PUT", "/_sim/guesses", tree{"wallet_activation": "card_id"})
	if query := r.post("/_sim/phones/ann/activate", tree{"card_id": card, "code": code}).object("query"); len(query) != 1 {
		t.Errorf("query %v", query)
	}
	wantCode(t, r.card("/card/membercard/activate", tree{"card_id": card, "code": code, "membership_number": "1"}), 0)
	for _, refused := range []tree{{"card_id": card, "code": code}, {"card_id": card, "code": "nope"}} {
		if got := r.post("/_sim/phones/ann/activate", refused); got.text("error") == "" {
			t.Errorf("%v: got %v", refused, got)
		}
	}
}
