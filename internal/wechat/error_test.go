package wechat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

const (
	tokenAPI  = "/cgi-bin/stable_token"
	loginAPI  = "/sns/jscode2session"
	pageAPI   = "/sns/oauth2/access_token"
	ticketAPI = "/cgi-bin/ticket/getticket"
	cardAPI   = "/card/get"
)

func TestError_IsClassedByCallAndErrcode(t *testing.T) {
	t.Parallel()
	classes := func(e *wechat.Error) (are []string) {
		_, quota := e.RetryAfter()
		for name, is := range map[string]bool{
			"quota": quota, "permanent": e.Permanent(), "rejected": e.TokenRejected(), "temporary": e.Temporary(),
			"ambiguous": e.Ambiguous(), "unknown card": e.UnknownCard(), "code refused": e.LoginCodeRefused(),
			"blocked": e.UserBlocked(), "too often": e.LoginTooOften(),
			"unknown code": e.UnknownCode(), "unusable": e.CodeUnusable(), "not delivered": e.NotDelivered(), "sealed": e.EncryptedCodeRefused(),
		} {
			if is {
				are = append(are, name)
			}
		}
		slices.Sort(are)
		return are
	}
	for _, tt := range []struct {
		api  string
		code int
		want string
	}{
		{tokenAPI, 40001, "permanent"}, {loginAPI, 40001, "permanent"},
		{ticketAPI, 40001, "rejected,temporary"}, {cardAPI, 40001, "rejected,temporary"}, {cardAPI, 40014, "rejected,temporary"},
		{cardAPI, 42001, "rejected,temporary"},
		{tokenAPI, 42001, ""},
		{tokenAPI, 40013, "permanent"}, {tokenAPI, 40125, "permanent"}, {tokenAPI, 40164, "permanent"}, {cardAPI, 40164, "permanent"},
		{tokenAPI, 61004, "permanent"}, {tokenAPI, 40243, "permanent"}, {cardAPI, 48001, "permanent"}, {cardAPI, 50002, "permanent"},
		{tokenAPI, 40002, "permanent"}, {tokenAPI, 41002, "permanent"}, {tokenAPI, 41004, "permanent"}, {tokenAPI, 89501, "permanent"},
		{tokenAPI, 89503, "permanent"}, {tokenAPI, 89506, "permanent"}, {tokenAPI, 89507, "permanent"}, {cardAPI, 48004, "permanent"},
		{cardAPI, 50001, "permanent"}, {cardAPI, 50004, "permanent"}, {tokenAPI, 50007, "permanent"},
		{ticketAPI, 45009, "quota"}, {cardAPI, 45011, "quota"}, {loginAPI, 45011, "quota,too often"},
		{cardAPI, -1, "ambiguous,temporary"}, {cardAPI, -1000, "ambiguous,temporary"}, {loginAPI, -2, "ambiguous,temporary"},
		{tokenAPI, -40029, "ambiguous,temporary"}, {ticketAPI, -45009, "ambiguous,temporary"}, {cardAPI, 45061, "temporary"},
		{cardAPI, 40073, "unknown card"}, {cardAPI, 72001, "unknown card"},
		{loginAPI, 40029, "code refused"}, {loginAPI, 40163, "code refused"}, {cardAPI, 40029, ""},
		{loginAPI, 40226, "blocked"}, {pageAPI, 40001, "permanent"}, {pageAPI, 40029, "code refused"}, {pageAPI, 40163, "code refused"},
		{pageAPI, 40226, "blocked"}, {pageAPI, 45011, "quota,too often"}, {cardAPI, 41001, ""}, {cardAPI, 40056, "not delivered,unknown code"},
		{cardAPI, 40127, "not delivered,unusable"}, {cardAPI, 40075, "sealed"}, {cardAPI, 45031, ""},
	} {
		if got := strings.Join(classes(&wechat.Error{API: tt.api, Code: tt.code}), ","); got != tt.want {
			t.Errorf("%s %d: %q, want %q", tt.api, tt.code, got, tt.want)
		}
	}
}

func TestError_RetryAfter_WaitsForMidnightInBeijing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00 UTC: 08:00 in Beijing
		daily, minute := &wechat.Error{Code: 45009}, &wechat.Error{Code: 45011}
		if d, ok := daily.RetryAfter(); d != 16*time.Hour+2*time.Minute || !ok {
			t.Errorf("%v %v, want 16h2m", d, ok)
		}
		if d, ok := minute.RetryAfter(); d != time.Minute || !ok {
			t.Errorf("%v %v, want 1m", d, ok)
		}
		time.Sleep(16*time.Hour - time.Second)
		if d, _ := daily.RetryAfter(); d != 2*time.Minute+time.Second {
			t.Errorf("a second before midnight: %v", d)
		}
		time.Sleep(time.Second)
		if d, _ := daily.RetryAfter(); d != 24*time.Hour+2*time.Minute {
			t.Errorf("at midnight: %v", d)
		}
	})
}

func TestError_KeepsTheTraceApart(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string][2]string{
		"invalid code, rid: 654df33c-64386a2f-29857782": {"invalid code", "rid: 654df33c-64386a2f-29857782"},
		"api unauthorized hint: [ExMZWa07745146]":       {"api unauthorized", "hint: [ExMZWa07745146]"},
		"code been used, hints: [ req_id: xxx ]":        {"code been used", "hints: [ req_id: xxx ]"},
		"invalid ip 1.2.3.4, not in whitelist rid: 1-2": {"invalid ip 1.2.3.4, not in whitelist", "rid: 1-2"},
		"system error":           {"system error", ""},
		"会员卡已经迁移\nline two":      {"会员卡已经迁移 line two", ""},
		strings.Repeat("会", 200): {strings.Repeat("会", 85), ""},
		"":                       {"", ""},
	} {
		u := newUpstreamRaw(t, jsonAnswer(map[string]any{"errcode": 40073, "errmsg": sent}))
		_, _, err := wechat.NewClient(twoTokens(), wechat.Options{BaseURL: u.URL}).Card(t.Context(), "p1")
		e := (*wechat.Error)(nil)
		if !errors.As(err, &e) || e.Msg != want[0] || e.Trace != want[1] {
			t.Errorf("%q: %q %q, want %q", sent, e.Msg, e.Trace, want)
			continue
		}
		if got := err.Error(); got != "wechat: /card/get: 40073 "+want[0] {
			t.Errorf("error text %q", got)
		}
	}
}
