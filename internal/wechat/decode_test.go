package wechat_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/addcard/addcard/internal/wechat"
)

// Symptom: a nickname with U+0008 in it, and claims, activations and pushes failed.
func TestClient_ReadsTheNamesThatPeopleHave(t *testing.T) {
	t.Parallel()
	var control strings.Builder
	for c := range byte(' ') {
		control.WriteByte(c)
	}
	for name, want := range map[string]string{
		control.String(): "\t\n\r", "a\bb\vc\x1b[0m": "abc[0m", "小\xe6\x98": "小\ufffd\ufffd", `it\'s`: "it's", `¯\_(ツ)_/¯`: `¯\_(ツ)_/¯`,
		`x\ud83d`: "x\ufffd", "\xed\xa0\xbd": "\ufffd\ufffd\ufffd", `\u0000x\u0008`: "x\b", "\ufeff": "\ufeff",
	} {
		for shell, open := range map[string]string{"": "{", "BOM": "\ufeff{", "NULs": "\x00\r\n{"} {
			answer := open + `"openid":"oO","nickname":"` + name + `","membership_number":"1","bonus":7,"has_active":true,"user_info":{"common_field_list":[` +
				`{"name":"USER_FORM_INFO_FLAG_NAME","value":"` + name + `"},` +
				`{"name":"USER_FORM_INFO_FLAG_SEX","value_list":["` + name + `"]}]}}` + "\x00\n\x00"
			got, err := says(t, answer).client(t, twoTokens()).UserInfo(t.Context(), "p1", "1")
			if err != nil || got.Nickname != want || got.Common[0].Value != want ||
				got.Common[1].Values[0] != want || *got.Bonus != 7 || !got.HasActive {
				t.Errorf("%s %q: %+v, %v", shell, name, got, err)
			}
			common, _, err := says(t, strings.Replace(answer, "user_info", "info", 1)).client(t, twoTokens()).Form(t.Context(), "ticket")
			if err != nil || common[0].Value != want {
				t.Errorf("%s %q: form %+v, %v", shell, name, common, err)
			}
			refusal := open + `"errcode":40029,"errmsg":"invalid code ` + name + `, rid: 1-2-3"}` + "\x00"
			_, _, err = says(t, refusal).app().Code2Session(t.Context(), loginCode)
			e := (*wechat.Error)(nil)
			if !errors.As(err, &e) || !e.LoginCodeRefused() || e.Trace != "rid: 1-2-3" ||
				strings.ContainsAny(e.Msg, "\x00\b\x1b\n") || !utf8.ValidString(e.Msg) {
				t.Errorf("%s %q: %v", shell, name, err)
			}
		}
	}
}

func TestClient_ReadsNumbersInEachForm(t *testing.T) {
	t.Parallel()
	for _, n := range []string{`7200`, `"7200"`, `7200.0`, `"7200.00"`, `7.2e3`, `" 7200 "`} {
		if _, life, err := says(t, `{"access_token":"t","expires_in":`+n+`}`).app().StableToken(t.Context()); life != 2*time.Hour || err != nil {
			t.Errorf("expires_in %s: %v, %v", n, life, err)
		}
		c := says(t, `{"errcode":"0","ticket":"t","expires_in":`+n+`}`).client(t, twoTokens())
		if _, life, err := c.Ticket(t.Context(), "wx_card"); life != 2*time.Hour || err != nil {
			t.Errorf("expires_in %s: %v, %v", n, life, err)
		}
		info := `{"membership_number":` + n + `,"nickname":null,"bonus":` + n + `,"balance":` + n + `}`
		got, err := says(t, info).client(t, twoTokens()).UserInfo(t.Context(), "p1", "1")
		if err != nil || *got.Bonus != 7200 || *got.Balance != 7200 || strings.Trim(n, `"`) != got.MembershipNumber {
			t.Errorf("figures %s: %+v, %v", n, got, err)
		}
		card := `{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"status":"S","get_limit":` + n + `,"sku":{"quantity":` + n + `}}}}}`
		if got, _, err := says(t, card).client(t, twoTokens()).Card(t.Context(), "p1"); err != nil ||
			got.Quantity != 7200 || got.GetLimit != 7200 {
			t.Errorf("stock %s: %+v, %v", n, got, err)
		}
		if _, total, err := says(t, `{"card_id_list":null,"total_num":`+n+`}`).client(t, twoTokens()).Cards(t.Context(), 0, 50); total != 7200 || err != nil {
			t.Errorf("total_num %s: %d, %v", n, total, err)
		}
		if got, err := says(t, `{"quota":{"daily_limit":`+n+`}}`).client(t, twoTokens()).Quota(t.Context(), "/card/get"); got.DailyLimit != 7200 || err != nil {
			t.Errorf("quota %s: %+v, %v", n, got, err)
		}
	}
	for _, n := range []string{`40029`, `"40029"`, `40029.0`, `4.0029e4`} {
		_, _, err := says(t, `{"errcode":`+n+`,"errmsg":7}`).app().Code2Session(t.Context(), loginCode)
		if e := (*wechat.Error)(nil); !errors.As(err, &e) || e.Code != 40029 {
			t.Errorf("errcode %s: %v", n, err)
		}
	}
	got, err := says(t, `{"openid":"o","bonus":null,"membership_number":12345678901234567890}`).client(t, twoTokens()).UserInfo(t.Context(), "p1", "1")
	if err != nil || got.Bonus != nil || got.Balance != nil || got.MembershipNumber != "12345678901234567890" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, n := range []string{`""`, `"x"`, `1.5`, `"1.5"`, `1e400`, `true`, `[]`, `{}`, `9223372036854775808`} {
		if got, err := says(t, `{"bonus":`+n+`}`).client(t, twoTokens()).UserInfo(t.Context(), "p1", "1"); err == nil {
			t.Errorf("bonus %s: %d", n, *got.Bonus)
		}
	}
}
