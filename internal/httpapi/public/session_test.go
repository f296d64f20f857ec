package public_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestUpstream_LoginRefusals(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for _, c := range []struct {
		errcode, status int
		code            string
	}{
		{40029, 401, "login_code_invalid"}, {40163, 401, "login_code_invalid"}, {40226, 403, "user_blocked"},
		{45011, 429, "rate_limited"}, {45009, 503, "wechat_unavailable"}, {40125, 503, "wechat_unavailable"}, {41002, 503, "wechat_unavailable"},
	} {
		if err := w.Sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", ErrCode: c.errcode}); err != nil {
			t.Fatal(err)
		}
		code, err := w.Sim.Login("ming")
		if err != nil {
			t.Fatal(err)
		}
		s.Post("/v1/session", "", map[string]string{"code": code}).Problem(t, c.status, c.code)
	}
}

// The tourist mode of DevTools has no codes of WeChat.
func TestLogin_TheMockCodeIsRefusedLikeAnyOther(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	var login struct{ Code string }
	w.Control("phones/ming/login", map[string]string{"app_id": "touristappid"}).Is(t, 200).JSON(t, &login)
	if login.Code != "the code is a mock one" {
		t.Errorf("the phone gives %q", login.Code)
	}
	for _, code := range []string{login.Code, "The code is a mock one."} {
		got := s.Post("/v1/session", "", map[string]string{"code": code})
		if p := got.Problem(t, 401, "login_code_invalid"); !strings.Contains(p.Detail, "AppID") || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %v %s", code, got.Status, got.Header, got.Body)
		}
	}
	if calls := w.Sim.Calls()["/sns/jscode2session"]; calls.Total != 0 {
		t.Errorf("WeChat was asked: %+v", calls)
	}
	p := s.Post("/v1/session", "", map[string]string{"code": "another code"}).Problem(t, 422, "invalid_input")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.code" {
		t.Errorf("errors: %+v", p.Errors)
	}
}
