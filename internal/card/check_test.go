package card_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
)

// checked is the account and the store of an operator whose input is only checked:
// what is accepted ends with errAccepted, at the first thing that is done with it.
type checked struct {
	card.Account
	card.Store
	card card.Card
}

var errAccepted = errors.New("accepted")

func (c checked) operator() *card.Operator { return newOperator(c.Account, c, noLog) }

func (checked) Pictures(context.Context) (map[string]string, error) { return nil, nil }

func (c checked) Load(context.Context, string) (card.Card, time.Duration, error) {
	return c.card, 0, nil
}

func (checked) Lock(context.Context, string, string, time.Duration) (bool, error) {
	return false, errAccepted
}

func (checked) Configure(context.Context, string, func(*card.Settings)) error { return errAccepted }

// does has the calls to WeChat that follow the checks.
type does struct{ card.Account }

func (does) CreateQRCode(context.Context, card.QRCode) (card.QRTicket, error) {
	return card.QRTicket{}, errAccepted
}

func (does) SetActivationForm(context.Context, string, json.RawMessage) error { return errAccepted }

func (does) RawCard(context.Context, string) (card.Card, json.RawMessage, error) {
	return card.Card{}, nil, errAccepted
}

func (does) UploadImage(context.Context, string, []byte) (string, error) { return "", errAccepted }

// wrong returns the paths of the fields that an error names; it fails unless the input
// was either refused or accepted.
func wrong(t *testing.T, err error) string {
	t.Helper()
	var refused *card.InvalidError
	switch {
	case errors.As(err, &refused):
		if len(refused.Fields) == 0 {
			t.Error("refused, and no field is named")
		}
		var paths []string
		for _, f := range refused.Fields {
			paths = append(paths, f.Path)
		}
		slices.Sort(paths)
		return strings.Join(paths, " ")
	case !errors.Is(err, errAccepted):
		t.Errorf("got %v, want a refusal or errAccepted", err)
	}
	return ""
}

type object = map[string]any

// Each rule of WeChat's about a card is held to the last value that it allows.
func TestCreate_HoldsEachRuleToItsEdge(t *testing.T) {
	t.Parallel()
	const member, base = "card.member_card", "card.member_card.base_info"
	set := func(name string, value any) func(b, m object) { return func(b, _ object) { b[name] = value } }
	setMember := func(name string, value any) func(b, m object) { return func(_, m object) { m[name] = value } }
	unset := func(name string) func(b, m object) { return func(b, _ object) { delete(b, name) } }
	unsetMember := func(name string) func(b, m object) { return func(_, m object) { delete(m, name) } }
	quantity := func(n any) func(b, m object) { return set("sku", object{"quantity": n}) }
	dates := func(fields object) func(b, m object) { return set("date_info", fields) }
	codes := func(mode any, custom bool, stock int) func(b, m object) {
		return func(b, _ object) {
			b["get_custom_code_mode"], b["use_custom_code"], b["sku"] = mode, custom, object{"quantity": stock}
		}
	}
	ways := func(fields object) func(b, m object) {
		return func(_, m object) {
			delete(m, "auto_activate")
			for name, value := range fields {
				m[name] = value
			}
		}
	}
	url := func(length int) string {
		const start = "http://mmbiz.qpic.cn/"
		return start + strings.Repeat("a", length-len(start))
	}
	for _, c := range []struct {
		edit func(b, m object)
		want string // "" if it is accepted
	}{
		{func(b, m object) {}, ""},
		{set("title", strings.Repeat("卡", 9)), ""},
		{set("title", strings.Repeat("卡", 9)+"a"), base + ".title"},
		{set("title", "a\x01"), base + ".title"},
		{set("title", "a\tb\r\n"), ""},
		{set("title", ""), base + ".title"},
		{set("title", 5), base + ".title"},
		{unset("title"), base + ".title"},
		{set("brand_name", strings.Repeat("a", 36)), ""},
		{set("brand_name", strings.Repeat("a", 37)), base + ".brand_name"},
		{set("notice", strings.Repeat("a", 48)), ""},
		{set("notice", strings.Repeat("a", 49)), base + ".notice"},
		{unset("notice"), base + ".notice"},
		{set("service_phone", strings.Repeat("1", 24)), ""},
		{set("service_phone", strings.Repeat("1", 25)), base + ".service_phone"},
		{set("description", strings.Repeat("卡", 1024)), ""},
		{set("description", strings.Repeat("卡", 1024)+"a"), base + ".description"},
		{unset("description"), base + ".description"},
		{unset("color"), base + ".color"},
		{unset("code_type"), base + ".code_type"},
		{unset("logo_url"), base + ".logo_url"},
		{unset("sku"), base + ".sku"},
		{unset("date_info"), base + ".date_info"},
		{unsetMember("prerogative"), member + ".prerogative"},
		{unsetMember("supply_bonus"), member + ".supply_bonus"},
		{unsetMember("supply_balance"), member + ".supply_balance"},
		{unsetMember("base_info"), strings.Join([]string{base, base + ".brand_name", base + ".code_type", base + ".color", base + ".date_info",
			base + ".description", base + ".logo_url", base + ".notice", base + ".sku", base + ".title"}, " ")},
		{setMember("prerogative", strings.Repeat("卡", 1024)), ""},
		{setMember("prerogative", strings.Repeat("卡", 1024)+"a"), member + ".prerogative"},
		{set("color", "Color102"), ""},
		{set("color", "Color103"), base + ".color"},
		{set("color", "Color083"), base + ".color"},
		{set("color", "xColor010"), base + ".color"},
		{set("logo_url", url(128)), ""},
		{set("logo_url", url(129)), base + ".logo_url"},
		{set("logo_url", "ftp://mmbiz.qpic.cn/a"), base + ".logo_url"},
		{set("logo_url", "http://evilqpic.cn/a"), base + ".logo_url"},
		{setMember("background_pic_url", "http://shop.example/a"), member + ".background_pic_url"},
		{set("get_limit", 0), base + ".get_limit"},
		{set("get_limit", 1), ""},
		{set("get_limit", 1.5), base + ".get_limit"},
		{set("get_limit", 50), ""},
		{set("get_limit", 51), base + ".get_limit"},
		{quantity(-1), base + ".sku.quantity"},
		{quantity(0), ""},
		{quantity(1.5), base + ".sku.quantity"},
		{quantity(100_000_000), ""},
		{quantity(100_000_001), base + ".sku.quantity"},
		{set("sku", object{}), base + ".sku.quantity"},
		{dates(object{"type": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": 1, "end_timestamp": 2}), ""},
		{dates(object{"type": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": 0, "end_timestamp": 2}), base + ".date_info"},
		{dates(object{"type": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": 2, "end_timestamp": 2}), base + ".date_info"},
		{dates(object{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 1, "fixed_begin_term": 0}), ""},
		{dates(object{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 0}), base + ".date_info.fixed_term"},
		{dates(object{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 1, "fixed_begin_term": "0"}), base + ".date_info.fixed_begin_term"},
		{setMember("discount", -1), member + ".discount"},
		{setMember("discount", 0), ""},
		{setMember("discount", 100), ""},
		{setMember("discount", 101), member + ".discount"},
		{set("can_share", "true"), base + ".can_share"},
		{set("can_give_friend", "true"), base + ".can_give_friend"},
		{set("bind_openid", "true"), base + ".bind_openid"},
		{set("need_push_on_view", "true"), base + ".need_push_on_view"},
		{setMember("supply_bonus", "true"), member + ".supply_bonus"},
		{setMember("supply_balance", "true"), member + ".supply_balance"},
		{setMember("custom_field1", "x"), member + ".custom_field1"},
		{setMember("custom_field2", "x"), member + ".custom_field2"},
		{setMember("custom_field3", "x"), member + ".custom_field3"},
		{setMember("custom_cell1", "x"), member + ".custom_cell1"},
		{set("id", "p1"), base + ".id"},
		{set("status", "x"), base + ".status"},
		{set("create_time", 1), base + ".create_time"},
		{set("update_time", 1), base + ".update_time"},
		{codes(card.DepositMode, true, 0), ""},
		{codes(card.DepositMode, true, 1), base + ".sku.quantity"},
		{codes(card.DepositMode, false, 0), base + ".get_custom_code_mode"},
		{codes("x", true, 0), base + ".get_custom_code_mode"},
		{ways(nil), member},
		{ways(object{"auto_activate": true, "wx_activate": true}), member},
		{ways(object{"wx_activate": true, "activate_url": "http://shop.example"}), member},
		{ways(object{"auto_activate": true, "activate_url": "http://shop.example"}), ""},
		{ways(object{"activate_url": "http://shop.example"}), ""},
		{ways(object{"activate_app_brand_user_name": "gh_a@app"}), ""},
		{ways(object{"wx_activate": true}), ""},
		{ways(object{"wx_activate": true, "wx_activate_after_submit": true}), member + ".wx_activate_after_submit_url"},
		{ways(object{"wx_activate": true, "wx_activate_after_submit": true, "wx_activate_after_submit_url": "x"}), ""},
		{ways(object{"auto_activate": true, "wx_activate_after_submit": true, "wx_activate_after_submit_url": "x"}),
			member + ".wx_activate_after_submit"},
		{setMember("wx_activate", 1), member + ".wx_activate"},
	} {
		var doc object
		if err := json.Unmarshal(definition("a"), &doc); err != nil {
			t.Fatal(err)
		}
		m, _ := doc["member_card"].(object)
		b, _ := m["base_info"].(object)
		b["logo_url"] = "http://mmbiz.qpic.cn/a"
		c.edit(b, m)
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = checked{}.operator().Create(t.Context(), card.Document{JSON: text})
		if got := wrong(t, err); got != c.want {
			t.Errorf("%s: refused %q, want %q", text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		`{"card":` + string(definition("a")) + `,"cards":1}`:                          "cards",
		strings.Replace(string(definition("a")), "MEMBER_CARD", "GROUPON", 1):         "card.card_type",
		strings.Replace(string(definition("a")), `"card_type":"MEMBER_CARD",`, "", 1): "card.card_type",
	} {
		text = strings.Replace(text, "logo.png", "http://mmbiz.qpic.cn/a", 1)
		_, err := checked{}.operator().Create(t.Context(), card.Document{JSON: []byte(text)})
		if got := wrong(t, err); got != want {
			t.Errorf("%s: refused %q, want %q", text, got, want)
		}
	}
}

// What WeChat does not change in a card is refused.
func TestUpdate_HoldsEachRuleToItsEdge(t *testing.T) {
	t.Parallel()
	const base = "member_card.base_info"
	for change, want := range map[string]string{
		`{"prerogative":"a"}`:                                    "",
		`{"base_info":{"title":"a"}}`:                            "",
		`{"base_info":{"title":"一二三四五六七八九十"}}`:                   base + ".title",
		`{"base_info":{"id":"p1","title":"a"}}`:                  "",
		`{"base_info":{"id":"p2","title":"a"}}`:                  base + ".id",
		`{"base_info":{"status":"a"}}`:                           base + ".status",
		`{"base_info":{"use_custom_code":true}}`:                 base + ".use_custom_code",
		`{"base_info":{"bind_openid":true}}`:                     base + ".bind_openid",
		`{"base_info":{"get_custom_code_mode":""}}`:              base + ".get_custom_code_mode",
		`{"base_info":{"sku":{"quantity":1}}}`:                   base + ".sku",
		`{"base_info":{"date_info":{"type":"x"}}}`:               base + ".date_info.type",
		`{"discount":101}`:                                       "member_card.discount",
		`{"base_info":{}}`:                                       "member_card",
		`{}`:                                                     "member_card",
		`{"card_id":"p1","member_card":{"prerogative":"a"}}`:     "",
		`{"card_id":"p2","member_card":{"prerogative":"a"}}`:     "card_id",
		`{"card_type":"COUPON","member_card":{"discount":1}}`:    "card_type",
		`{"member_card":{"discount":1},"members":1}`:             "members",
		`{"card":{"card_id":"p2","member_card":{"discount":1}}}`: "card_id",
	} {
		_, err := checked{Account: does{}}.operator().Update(t.Context(), "p1", card.Document{JSON: []byte(change)})
		if got := wrong(t, err); got != want {
			t.Errorf("%s: refused %q, want %q", change, got, want)
		}
	}
}

func TestSettings_HoldEachRuleToItsEdge(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	number := func(n int64) *int64 { return &n }
	text := func(s string) *string { return &s }
	ordinary, auto := card.Card{}, card.Card{AutoActivate: true}
	term, stored := card.Card{DateType: card.DateFixTerm}, card.Card{SupplyBalance: true}
	for _, c := range []struct {
		card   card.Card
		change card.SettingsChange
		want   string
	}{
		{stored, card.SettingsChange{InitBonus: number(1_000_000_000), InitBalance: number(1_000_000_000)}, ""},
		{ordinary, card.SettingsChange{InitBalance: number(1)}, "init_balance"},
		{ordinary, card.SettingsChange{InitBonus: number(0), InitBalance: number(0)}, ""},
		{ordinary, card.SettingsChange{InitBonus: number(1_000_000_001)}, "init_bonus"},
		{ordinary, card.SettingsChange{InitBonus: number(-1)}, "init_bonus"},
		{stored, card.SettingsChange{InitBalance: number(1_000_000_001)}, "init_balance"},
		{ordinary, card.SettingsChange{InitBalance: number(-1)}, "init_balance"},
		{ordinary, card.SettingsChange{InitBonusRecord: text(strings.Repeat("卡", 14))}, ""},
		{ordinary, card.SettingsChange{InitBonusRecord: text(strings.Repeat("卡", 14) + "a")}, "init_bonus_record"},
		{ordinary, card.SettingsChange{InitBonusRecord: text("a\nb")}, "init_bonus_record"},
		{ordinary, card.SettingsChange{FixedBeginTimestamp: &yes}, "fixed_begintimestamp"},
		{ordinary, card.SettingsChange{FixedBeginTimestamp: &no}, ""},
		{term, card.SettingsChange{FixedBeginTimestamp: &yes}, ""},
		{ordinary, card.SettingsChange{ActivateOnClaim: &yes}, ""},
		{auto, card.SettingsChange{ActivateOnClaim: &yes}, "activate_on_claim"},
		{auto, card.SettingsChange{ActivateOnClaim: &no}, ""},
	} {
		_, err := checked{card: c.card}.operator().Settings(t.Context(), "p1", c.change)
		if got := wrong(t, err); got != c.want {
			t.Errorf("%+v: refused %q, want %q", c, got, c.want)
		}
	}
}

func TestQR_HoldsEachRuleToItsEdge(t *testing.T) {
	t.Parallel()
	system, ours := card.Card{}, card.Card{UseCustomCode: true}
	deposit, bound := card.Card{UseCustomCode: true, Deposit: true}, card.Card{BindOpenID: true}
	for _, c := range []struct {
		card card.Card
		q    card.QRCode
		want string
	}{
		{system, card.QRCode{}, ""},
		{system, card.QRCode{Code: "1"}, "code"},
		{deposit, card.QRCode{}, ""},
		{deposit, card.QRCode{Code: "1"}, "code"},
		{ours, card.QRCode{}, "code"},
		{ours, card.QRCode{Code: strings.Repeat("1", 20)}, ""},
		{ours, card.QRCode{Code: strings.Repeat("1", 21)}, "code"},
		{ours, card.QRCode{Code: "azAZ09"}, ""},
		{ours, card.QRCode{Code: "a-b"}, "code"},
		{bound, card.QRCode{}, "openid"},
		{bound, card.QRCode{OpenID: "o"}, ""},
		{system, card.QRCode{ExpireSeconds: 59}, "expire_seconds"},
		{system, card.QRCode{ExpireSeconds: 60}, ""},
		{system, card.QRCode{ExpireSeconds: 1800}, ""},
		{system, card.QRCode{ExpireSeconds: 1801}, "expire_seconds"},
	} {
		_, err := checked{Account: does{}, card: c.card}.operator().QR(t.Context(), c.q)
		if got := wrong(t, err); got != c.want {
			t.Errorf("%+v: refused %q, want %q", c, got, c.want)
		}
	}
}

func TestOperator_HoldsEachRuleToItsEdge(t *testing.T) {
	t.Parallel()
	o := checked{Account: does{}, card: card.Card{WxActivate: true}}.operator()
	for delta, want := range map[int64]string{0: "delta", 1: "", 100_000_000: "", 100_000_001: "delta"} {
		for _, delta := range []int64{delta, -delta} {
			if got := wrong(t, o.Stock(t.Context(), "p1", delta)); got != want {
				t.Errorf("stock %d: refused %q, want %q", delta, got, want)
			}
		}
	}
	for form, want := range map[string]string{
		`{}`: "required_form", `{"required_form":{}}`: "", `{"optional_form":{}}`: "", `{"card_id":"p1","required_form":{}}`: "",
		`{"card_id":"p2","required_form":{}}`: "card_id", `{"requiredForm":{}}`: "requiredForm required_form",
		`{"required_form":{"common_field_id_list":["USER_FORM_INFO_FLAG_MOBILE","USER_FORM_INFO_FLAG_EDUCATION_BACKGROUND"]}}`: "",
		`{"required_form":{"common_field_id_list":["USER_FORM_INFO_FLAG_PHONE"]}}`:                                             "required_form.common_field_id_list[0]",
		`{"optional_form":{"common_field_id_list":["USER_FORM_INFO_FLAG_SEX",7]}}`:                                             "optional_form.common_field_id_list[1]",
		`{"required_form":{"common_field_id_list":"USER_FORM_INFO_FLAG_SEX"}}`:                                                 "required_form.common_field_id_list",
		`{"required_form":{"wallpaper":1}}`:                                                                                    "required_form.wallpaper",
		`{"required_form":{"can_modify":"no"}}`:                                                                                "required_form.can_modify",
		`{"required_form":{"rich_field_list":[{"type":"FORM_FIELD_RADIO","name":"a","values":["b"]}]}}`:                        "",
		`{"required_form":{"rich_field_list":[{"type":"FORM_FIELD_TEXT","name":"a"},1]}}`:                                      "required_form.rich_field_list[0].type required_form.rich_field_list[1]",
		`{"required_form":[]}`: "required_form",
	} {
		if got := wrong(t, o.ActivationForm(t.Context(), "p1", card.Document{JSON: []byte(form)})); got != want {
			t.Errorf("%s: refused %q, want %q", form, got, want)
		}
	}
	shelf := card.Document{JSON: []byte(`{"card_list":[{"card_id":"p1"},{"thumb_url":"a"}]}`)}
	_, _, err := o.Shelf(t.Context(), shelf)
	if got := wrong(t, err); got != "banner card_list[0].thumb_url card_list[1].card_id page_title scene" {
		t.Errorf("a shelf: refused %q", got)
	}
	for size, accepted := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		_, err := o.Image(t.Context(), append(png[:len(png):len(png)], make([]byte, size-len(png))...))
		if errors.Is(err, errAccepted) != accepted {
			t.Errorf("a picture of %d bytes: %v", size, err)
		}
	}
}
