package public_test

import (
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
