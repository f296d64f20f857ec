package wechatsim_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

// member is a rig with one custom-code card in ann's wallet.
func memberRig(t *testing.T, g wechatsim.Assumptions) (*rig, string, string) {
	t.Helper()
	r := newRig(t, wechatsim.Options{Assumptions: g})
	id := r.create(nil, tree{"custom_field1": tree{"name_type": "FIELD_NAME_TYPE_LEVEL"},
		"custom_field2": tree{"name_type": "FIELD_NAME_TYPE_COUPON"}})
	got := r.mustAdd("ann", id, tree{"code": "A1", "outer_str": "door"})
	return r, id, reply(got["cardList"].([]any)[0].(tree)).text("code")
}

func TestDecryptCode(t *testing.T) {
	t.Parallel()
	r, _, sealed := memberRig(t, wechatsim.Assumptions{})
	if got := r.card("/card/code/decrypt", tree{"encrypt_code": sealed}); got.text("code") != "A1" {
		t.Errorf("got %v", got)
	}
	stranger := newRig(t, wechatsim.Options{})
	wantCode(t, stranger.card("/card/code/decrypt", tree{"encrypt_code": sealed}), 40075)
	for _, bad := range []string{"A1", "", sealed[:40], url.QueryEscape(sealed), "!"} {
		wantCode(t, r.card("/card/code/decrypt", tree{"encrypt_code": bad}), 40075)
	}
	wantCode(t, r.card("/card/code/decrypt", "encrypt_code="+sealed), 47001)
	wantCode(t, r.card("/card/code/decrypt", tree{"encrypt_code": 1}), 47001)
}

func TestGetCode_AndItsRefusals(t *testing.T) {
	t.Parallel()
	r, id, sealed := memberRig(t, wechatsim.Assumptions{})
	ann, _ := r.sim.Person("ann")
	got := r.card("/card/code/get", tree{"card_id": id, "code": "A1"})
	if got.text("openid") != ann.OpenID || got.text("user_card_status") != "NORMAL" || got["can_consume"] != true ||
		got.object("card").text("card_id") != id || got.text("outer_str") != "door" {
		t.Errorf("got %v", got)
	}
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": "A2"}), 40056)
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": sealed}), 40056)
	wantCode(t, r.card("/card/code/get", tree{"card_id": id}), 41013)
	wantCode(t, r.card("/card/code/get", tree{"code": "A1"}), 41012)
	wantCode(t, r.card("/card/code/get", tree{"card_id": "pNone", "code": "A1"}), 40073)
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": 1}), 47001)

	r.post("/_sim/phones/ann/delete-card", tree{"card_id": id, "code": "A1"})
	wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": "A1"}), 40127)
	if got := r.card("/card/code/get", tree{"card_id": id, "code": "A1",
		"check_consume": false}); got.text("user_card_status") != "DELETE" || got["can_consume"] != false {
		t.Errorf("deleted: %v", got)
	}
}

func TestGetCode_SystemCodesNeedNoCardID(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(tree{"use_custom_code": false, "date_info": tree{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 1, "fixed_begin_term": 0}},
		nil)
	r.mustAdd("ann", id, nil)
	code := r.faces("ann")[0].text("code")
	got := r.card("/card/code/get", tree{"code": code})
	if c := got.object("card"); c.text("card_id") != id || c.whole("end_time")-c.whole("begin_time") != 86400 {
		t.Errorf("got %v", got)
	}
	r.sim.Advance(25 * time.Hour)
	if got := r.card("/card/code/get", tree{"code": code, "check_consume": false}); got.text("user_card_status") != "EXPIRE" {
		t.Errorf("expired: %v", got)
	}
}

func TestActivate(t *testing.T) {
	t.Parallel()
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	activate := func(patch tree) reply {
		body := tree{"card_id": id, "code": "A1", "membership_number": "M1", "init_bonus": 100, "init_balance": 5,
			"init_bonus_record": "开卡送积分", "init_custom_field_value1": "白银"}
		overlay(body, patch)
		return r.card("/card/membercard/activate", body)
	}
	for name, c := range map[string]struct {
		patch tree
		want  int
	}{
		"no number":         {tree{"membership_number": nil}, 41011},
		"no code":           {tree{"code": nil}, 41013},
		"undelivered":       {tree{"code": "A2"}, 40056},
		"bonus below 0":     {tree{"init_bonus": -1}, 45022},
		"balance below 0":   {tree{"init_balance": -1}, 45023},
		"bonus a string":    {tree{"init_bonus": "1"}, 47001},
		"custom 5 汉字":       {tree{"init_custom_field_value1": "一二三四五"}, 45021},
		"picture elsewhere": {tree{"background_pic_url": "https://shop.example/a"}, 40141},
	} {
		if got := activate(c.patch); got.code() != c.want {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
	info := func() reply {
		return r.card("/card/membercard/userinfo/get", tree{"card_id": id, "code": "A1"})
	}
	if got := info(); got["has_active"] != false || got.text("membership_number") != "" {
		t.Errorf("before: %v", got)
	}
	r.fault(tree{"path": "/card/membercard/activate", "errcode": 45061})
	wantCode(t, activate(nil), 45061)
	wantCode(t, activate(nil), 0)
	if got := info(); got["has_active"] != true || got.text("membership_number") != "M1" || got.whole("bonus") != 100 ||
		got.whole("balance") != 5 {
		t.Errorf("after: %v", got)
	}
	face := r.faces("ann")[0]
	if face.text("code_type") != "CODE_TYPE_TEXT" {
		t.Errorf("code_type %v", face["code_type"])
	}
	if face.object("custom_fields").text("custom_field1") != "白银" || reply(face["messages"].([]any)[0].(tree)).text("text") != "开卡送积分" {
		t.Errorf("face %v", face)
	}
	wantCode(t, activate(tree{"membership_number": "M2", "init_bonus": 900}), 0)
	if got := info(); got.text("membership_number") != "M2" || got.whole("bonus") != 100 {
		t.Errorf("again: %v", got)
	}
	r.do("PUT", "/_sim/guesses", tree{"repeat_activate": "all"})
	activate(tree{"init_bonus": 900})
	if got := info(); got.whole("bonus") != 900 {
		t.Errorf("again, the other reading: %v", got)
	}
}

func TestUpdateUser_AbsoluteWinsAndDeltaAloneAdds(t *testing.T) {
	t.Parallel()
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	update := func(patch tree) reply {
		body := tree{"card_id": id, "code": "A1"}
		overlay(body, patch)
		return r.card("/card/membercard/updateuser", body)
	}
	wantCode(t, update(tree{"bonus": 1}), 40127) // not active yet
	wantCode(t, r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "M1", "init_bonus": 10}), 0)
	for i, c := range []struct {
		patch          tree
		code           int
		bonus, balance int
	}{
		{tree{"bonus": 40, "add_bonus": 30, "record_bonus": "消费"}, 0, 40, 0},
		{tree{"bonus": 40, "add_bonus": 30, "record_bonus": "消费"}, 0, 40, 0}, // a repeat does no harm
		{tree{"add_bonus": 5}, 0, 45, 0},
		{tree{"add_bonus": 5}, 0, 50, 0}, // a repeat counts double
		{tree{"balance": 300, "add_balance": -30}, 0, 50, 300},
		{tree{"bonus": 0, "notify_optional": tree{"is_notify_bonus": false}}, 0, 0, 300},
		{tree{"add_bonus": -1}, 45022, 0, 300},
		{tree{"balance": -1}, 45023, 0, 300},
		{tree{"bonus": "1"}, 47001, 0, 300},
		{tree{"bonus": 9, "notify_optional": 1}, 47001, 0, 300},
		{tree{"record_bonus": strings.Repeat("一", 15)}, 45021, 0, 300},
		{tree{"membership_number": "M9"}, 0, 0, 300},
	} {
		got := update(c.patch)
		wantCode(t, got, c.code)
		if c.code == 0 && (got.whole("result_bonus") != c.bonus || got.whole("result_balance") != c.balance) {
			t.Errorf("step %d: %v", i, got)
		}
		if face := r.faces("ann")[0]; face.whole("bonus") != c.bonus || face.whole("balance") != c.balance {
			t.Errorf("step %d: the face says %v", i, face)
		}
	}
	if got := r.faces("ann")[0].text("membership_number"); got != "M9" {
		t.Errorf("number %s", got)
	}
	messages := r.faces("ann")[0]["messages"].([]any)[1:] // the first is the activation
	if first := reply(messages[0].(tree)); len(messages) != 5 || first.text("text") != "消费" || first.whole("add") != 30 ||
		first.whole("total") != 40 {
		t.Errorf("messages %v", messages)
	}
}

func TestUpdateUser_CustomFieldsAndTheirMessages(t *testing.T) {
	t.Parallel()
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "M1"})
	r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "custom_field_value1": "金", "custom_field_value2": "9",
		"notify_optional": tree{"is_notify_custom_field1": true, "is_notify_custom_field2": true}})
	r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "custom_field_value1": "银"})
	face := r.faces("ann")[0]
	if f := face.object("custom_fields"); f.text("custom_field1") != "银" || f.text("custom_field2") != "9" {
		t.Errorf("face %v", face)
	}
	if n := len(face["messages"].([]any)); n != 2 { // activation, custom_field1 once; coupons are silent
		t.Errorf("messages %v", face["messages"])
	}
}

func TestUpdateUser_PushesUpdateMemberCardAsAssumed(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string]int{"sent": 1, "silent": 0} {
		r, id, _ := memberRig(t, wechatsim.Assumptions{MemberUpdate: assumed})
		r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "M1"})
		r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "add_bonus": 3})
		r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "bonus": 3})
		if got := r.get("/_sim/events?event=update_member_card")["events"].([]any); len(got) != want {
			t.Errorf("%s: %v", assumed, got)
		}
	}
}

func TestUnavailable_IsForEver(t *testing.T) {
	t.Parallel()
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	body := tree{"card_id": id, "code": "A1", "reason": "退卡"}
	wantCode(t, r.card("/card/code/unavailable", tree{"card_id": id, "code": "A9"}), 40056)
	wantCode(t, r.card("/card/code/unavailable", body), 0)
	wantCode(t, r.card("/card/code/unavailable", body), 40127)
	wantCode(t, r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "M1"}), 40127)
	if got := r.faces("ann")[0].text("status"); got != "UNAVAILABLE" {
		t.Errorf("status %s", got)
	}
}

func TestCardsOf_WantsTheOfficialOpenID(t *testing.T) {
	t.Parallel()
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	ann, _ := r.sim.Person("ann")
	for _, body := range []tree{{"openid": ann.OpenID}, {"openid": ann.OpenID, "card_id": id}} {
		got := r.card("/card/user/getcardlist", body)
		if list := got["card_list"].([]any); len(list) != 1 || reply(list[0].(tree)).text("code") != "A1" {
			t.Errorf("%v: got %v", body, got)
		}
	}
	if got := r.card("/card/user/getcardlist", tree{"openid": ann.OpenID, "card_id": "pOther"}); len(got["card_list"].([]any)) != 0 {
		t.Errorf("another card: %v", got)
	}
	wantCode(t, r.card("/card/user/getcardlist", tree{"openid": ann.MiniOpenID}), 40003)
	wantCode(t, r.card("/card/user/getcardlist", tree{}), 40003)
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": id, "code": "A1"})
	if got := r.card("/card/user/getcardlist", tree{"openid": ann.OpenID}); len(got["card_list"].([]any)) != 0 {
		t.Errorf("after a deletion: %v", got)
	}
}

func TestDeletedCard_CopiesAsAssumed(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string]int{"keeps": 0, "ends": 40127} {
		r, id, _ := memberRig(t, wechatsim.Assumptions{DeletedCard: assumed})
		r.card("/card/delete", tree{"card_id": id})
		wantCode(t, r.card("/card/code/get", tree{"card_id": id, "code": "A1"}), want)
	}
}

func TestSubmitForm_ActivatesUnlessTheCardJumps(t *testing.T) {
	t.Parallel()
	for jump, active := range map[bool]bool{false: true, true: false} {
		r := newRig(t, wechatsim.Options{})
		id := r.create(systemCodes(), tree{"activate_url": nil, "wx_activate": true, "wx_activate_after_submit": jump,
			"wx_activate_after_submit_url": "https://shop.example/"})
		r.mustAdd("ann", id, nil)
		code := r.faces("ann")[0].text("code")
		got := r.post("/_sim/phones/ann/submit-form", tree{"card_id": id, "code": code,
			"form": tree{"USER_FORM_INFO_FLAG_MOBILE": "13700000000"}})
		if got["has_active"] != active {
			t.Errorf("jump %v: %v", jump, got)
		}
		info := r.card("/card/membercard/userinfo/get", tree{"code": code})
		list := info.object("user_info")["common_field_list"].([]any)
		if len(list) != 1 || reply(list[0].(tree)).text("value") != "13700000000" || info["has_active"] != active {
			t.Errorf("info %v", info)
		}
		if got := r.get("/_sim/events?event=submit_membercard_user_info")["events"].([]any); len(got) != 1 {
			t.Errorf("events %v", got)
		}
	}
	r, id, _ := memberRig(t, wechatsim.Assumptions{})
	if got := r.post("/_sim/phones/ann/submit-form", tree{"card_id": id, "code": "A1"}); got.text("field") != "card_id" {
		t.Errorf("not one-click: %v", got)
	}
}

func TestUserInfo_SaysTheGiversFormAsAssumed(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string]int{"carries": 1, "empty": 0} {
		r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{GiftedForm: assumed}})
		base := systemCodes()
		base["can_give_friend"] = true
		id := r.create(base, tree{"activate_url": nil, "wx_activate": true})
		r.mustAdd("ann", id, nil)
		code := r.faces("ann")[0].text("code")
		r.post("/_sim/phones/ann/submit-form", tree{"card_id": id, "code": code,
			"form": tree{"USER_FORM_INFO_FLAG_MOBILE": "13700000000", "口味": "辣"}})
		r.post("/_sim/phones/ann/gift-card", tree{"card_id": id, "code": code, "to": "bob"})
		code = r.faces("bob")[0].text("code")
		answers := func(kind string) []any {
			return r.card("/card/membercard/userinfo/get", tree{"code": code}).object("user_info")[kind].([]any)
		}
		for _, kind := range []string{"common_field_list", "custom_field_list"} {
			if got := answers(kind); len(got) != want {
				t.Errorf("%s: %s: %v", assumed, kind, got)
			}
		}
		r.post("/_sim/phones/bob/submit-form", tree{"card_id": id, "code": code, "form": tree{"USER_FORM_INFO_FLAG_MOBILE": "13900000000"}})
		if got := answers("common_field_list"); len(got) != 1 || reply(got[0].(tree)).text("value") != "13900000000" {
			t.Errorf("%s: the friend's own: %v", assumed, got)
		}
	}
}

func TestAutoActivate_IsActiveAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, tree{"activate_url": nil, "auto_activate": true})
	r.mustAdd("ann", id, tree{"code": "A1"})
	if got := r.faces("ann")[0]; got["has_active"] != true {
		t.Errorf("face %v", got)
	}
}

func TestOpenCard_WantsThePlainCode(t *testing.T) {
	t.Parallel()
	r, id, sealed := memberRig(t, wechatsim.Assumptions{})
	open := func(code string) reply {
		return r.post("/_sim/phones/ann/open-card", tree{"cardList": []any{tree{"cardId": id, "code": code}}})
	}
	if got := open("A1"); got.text("errMsg") != "openCard:ok" {
		t.Errorf("plain: %v", got)
	}
	if got := open(sealed); got.text("field") != "code" {
		t.Errorf("encrypted: %v", got)
	}
}
