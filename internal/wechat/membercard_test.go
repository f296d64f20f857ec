package wechat_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

// The golden bodies distinguish 0 from a missing field: a bonus of 0 makes WeChat clear
// the bonus.
func TestClient_SendsTheseBodies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, body string
		do               func(ctx context.Context, c *wechat.Client) error
	}{
		{"decrypt", "/card/code/decrypt", `{"encrypt_code":"XXIzTtMqCxwOaawoE91+VJdsFmv7b8g0VZIZkqf4GWA60Fzpc8ksZ/5ZZ0DVkXdE="}`,
			func(ctx context.Context, c *wechat.Client) error {
				_, err := c.DecryptCode(ctx, "XXIzTtMqCxwOaawoE91+VJdsFmv7b8g0VZIZkqf4GWA60Fzpc8ksZ/5ZZ0DVkXdE=")
				return err
			}},
		{"code", "/card/code/get", `{"card_id":"p1","code":"1","check_consume":false}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.Code(ctx, "p1", "1"); return err }},
		{"code alone", "/card/code/get", `{"code":"1","check_consume":false}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.Code(ctx, "", "1"); return err }},
		{"card list", "/card/user/getcardlist", `{"openid":"o1","card_id":"p1"}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.CardList(ctx, "o1", "p1"); return err }},
		{"all cards", "/card/user/getcardlist", `{"openid":"o1"}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.CardList(ctx, "o1", ""); return err }},
		{"user info", "/card/membercard/userinfo/get", `{"card_id":"p1","code":"1"}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.UserInfo(ctx, "p1", "1"); return err }},

		{"activate", "/card/membercard/activate", `{"membership_number":"1","code":"1","card_id":"p1"}`,
			activate(wechat.Activation{CardID: "p1", Code: "1", MembershipNumber: "1"})},
		{"activate with nothing to begin with", "/card/membercard/activate",
			`{"membership_number":"1","code":"1","init_bonus":0,"init_balance":0}`,
			activate(wechat.Activation{Code: "1", MembershipNumber: "1", InitBonus: new(int64(0)), InitBalance: new(int64(0))})},
		{"activate with everything", "/card/membercard/activate",
			`{"membership_number":"A1","code":"1","card_id":"p1","init_bonus":100,"init_bonus_record":"开卡送积分","init_balance":-1,` +
				`"init_custom_field_value1":"白银","init_custom_field_value2":"b","init_custom_field_value3":"c",` +
				`"activate_begin_time":1397577600,"activate_end_time":1422724261,"background_pic_url":"https://mmbiz.qlogo.cn/1?a&b"}`,
			activate(wechat.Activation{CardID: "p1", Code: "1", MembershipNumber: "A1", InitBonus: new(int64(100)), InitBonusRecord: "开卡送积分",
				InitBalance: new(int64(-1)), CustomFields: [3]string{"白银", "b", "c"}, Begin: time.Unix(1397577600, 0), End: time.Unix(1422724261, 0),
				BackgroundPicURL: "https://mmbiz.qlogo.cn/1?a&b"})},

		{"bonus", "/card/membercard/updateuser",
			`{"code":"1","card_id":"p1","record_bonus":"消费30元","bonus":3000,"add_bonus":30,` +
				`"notify_optional":{"is_notify_bonus":true,"is_notify_balance":false}}`,
			update(wechat.Update{CardID: "p1", Code: "1", Bonus: &wechat.Change{Total: 3000, Add: 30, Record: "消费30元", Notify: true}})},
		{"cleared and spent", "/card/membercard/updateuser",
			`{"code":"1","card_id":"p1","bonus":0,"balance":0,"add_balance":-30,"record_balance":"购买一杯",` +
				`"notify_optional":{"is_notify_bonus":false,"is_notify_balance":true}}`,
			update(wechat.Update{CardID: "p1", Code: "1", Bonus: &wechat.Change{},
				Balance: &wechat.Change{Add: -30, Record: "购买一杯", Notify: true}})},
		{"fields", "/card/membercard/updateuser",
			`{"code":"1","background_pic_url":"u","custom_field_value1":"","custom_field_value3":"100",` +
				`"notify_optional":{"is_notify_bonus":false,"is_notify_balance":false,"is_notify_custom_field3":true}}`,
			update(wechat.Update{Code: "1", BackgroundPicURL: "u",
				CustomFields: [3]*wechat.Field{{}, nil, {Value: "100", Notify: true}}})},
	} {
		u := says(t, `{"errcode":0,"errmsg":"ok","code":"1","card":{"card_id":"p1"}}`)
		if err := tt.do(t.Context(), u.client(t, twoTokens())); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := u.seen()[0]; got.Method != "POST" || got.Path != tt.path || got.Body != tt.body {
			t.Errorf("%s: %s\n got %s\nwant %s", tt.name, got.Path, got.Body, tt.body)
		}
	}
}

func activate(a wechat.Activation) func(context.Context, *wechat.Client) error {
	return func(ctx context.Context, c *wechat.Client) error { return c.Activate(ctx, a) }
}

func update(u wechat.Update) func(context.Context, *wechat.Client) error {
	return func(ctx context.Context, c *wechat.Client) error { _, err := c.UpdateUser(ctx, u); return err }
}

func TestClient_Code_SaysWhoseItIs(t *testing.T) {
	t.Parallel()
	u := says(t, `{"errcode":0,"errmsg":"ok","openid":"o1","can_consume":true,"user_card_status":"NORMAL","outer_str":"12b",
		"nickname":"\u0007","card":{"card_id":"p1","begin_time":1404205036,"end_time":1404205036}}`)
	got, err := u.client(t, twoTokens()).Code(t.Context(), "p1", "1")
	if want := (wechat.CodeState{CardID: "p1", OpenID: "o1", Status: "NORMAL", CanConsume: true, OuterStr: "12b"}); got != want || err != nil {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
}

func TestClient_UserInfo_Keeps0AndAbsentApart(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]wechat.UserInfo{
		`{"openid":"o1","nickname":"` + "Fo\xffx" + `","sex":"MALE","membership_number":"A1","bonus":995,"balance":0,"has_active":true,
		  "user_card_status":"NORMAL","user_info":{"common_field_list":[{"name":"USER_FORM_INFO_FLAG_MOBILE","value":"15"}],
		  "custom_field_list":[{"name":"兴趣","value":"","value_list":["足球","a"]}]}}`: {
			OpenID: "o1", Nickname: "Fo\uFFFDx", Sex: "MALE", MembershipNumber: "A1", Bonus: new(int64(995)), Balance: new(int64(0)),
			Status: "NORMAL", HasActive: true,
			Common: []wechat.FormField{{Name: "USER_FORM_INFO_FLAG_MOBILE", Value: "15"}},
			Custom: []wechat.FormField{{Name: "兴趣", Values: []string{"足球", "a"}}},
		},
		`{"errcode":0,"bonus":100.00,"balance":null}`: {Bonus: new(int64(100))},
	} {
		got, err := says(t, answer).client(t, twoTokens()).UserInfo(t.Context(), "p1", "1")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", answer, err, got, want)
		}
	}
}

// An update that WeChat has carried out is not an error, whatever its figures look like.
func TestClient_UpdateUser_NeedsNoTotals(t *testing.T) {
	t.Parallel()
	for _, figure := range []string{`""`, `null`, `"x"`, `1.5`, `{}`, `[]`, `true`} {
		got, err := says(t, `{"errcode":0,"result_bonus":`+figure+`,"result_balance":"7.0"}`).client(t, twoTokens()).
			UpdateUser(t.Context(), wechat.Update{Code: "1"})
		if err != nil || got.Bonus != nil || got.Balance == nil || *got.Balance != 7 {
			t.Errorf("%s: %+v, %v", figure, got, err)
		}
	}
}

func TestClient_UpdateUser_ReturnsTheTotals(t *testing.T) {
	t.Parallel()
	got, err := says(t, `{"errcode":0,"result_bonus":100,"openid":"o1"}`).client(t, twoTokens()).
		UpdateUser(t.Context(), wechat.Update{Code: "1"})
	if err != nil || got.Bonus == nil || *got.Bonus != 100 || got.Balance != nil {
		t.Errorf("%+v %v", got, err)
	}
}

func TestClient_CardList(t *testing.T) {
	t.Parallel()
	got, err := says(t, `{"errcode":0,"card_list":[{"code":"1","card_id":"p1"},{"code":"2","card_id":"p1"}],"has_share_card":false}`).
		client(t, twoTokens()).CardList(t.Context(), "o1", "p1")
	if want := []wechat.WalletCard{{CardID: "p1", Code: "1"}, {CardID: "p1", Code: "2"}}; !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("%v %v", got, err)
	}
}

func TestClient_TakesNoAnswerAboutACodeThatIsNone(t *testing.T) {
	t.Parallel()
	for answer, do := range map[string]func(*wechat.Client) error{
		`{"code":""}`:                     func(c *wechat.Client) error { _, err := c.DecryptCode(t.Context(), "x"); return err },
		`{"code":"1\n2"}`:                 func(c *wechat.Client) error { _, err := c.DecryptCode(t.Context(), "x"); return err },
		`{"code":1234}`:                   func(c *wechat.Client) error { _, err := c.DecryptCode(t.Context(), "x"); return err },
		`{"openid":"o1"}`:                 func(c *wechat.Client) error { _, err := c.Code(t.Context(), "p1", "1"); return err },
		`{"card":{"card_id":"p 1"}}`:      func(c *wechat.Client) error { _, err := c.Code(t.Context(), "p1", "1"); return err },
		`{"card_list":[{"card_id":"p"}]}`: func(c *wechat.Client) error { _, err := c.CardList(t.Context(), "o1", ""); return err },
		`{"bonus":1.5}`:                   func(c *wechat.Client) error { _, err := c.UserInfo(t.Context(), "p1", "1"); return err },
		`{"bonus":1e400}`:                 func(c *wechat.Client) error { _, err := c.UserInfo(t.Context(), "p1", "1"); return err },
	} {
		err := do(says(t, answer).client(t, twoTokens()))
		if e := (*wechat.Error)(nil); !errors.As(err, &e) || e.Code != 0 || !e.Ambiguous() {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
