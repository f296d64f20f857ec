package admin_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestAdmin_EverythingNeedsTheToken(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	member, _ := w.Login(s, "ming")
	for _, token := range []string{"", member, apptest.AdminToken[1:], apptest.AdminToken + "x"} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/v1/explain", "/v1/nope"} {
			apptest.Request(t, http.MethodGet, s.Admin+path, token, nil).Problem(t, 401, "admin_token_invalid")
		}
	}
	got := apptest.Request(t, http.MethodGet, s.Admin+"/metrics", apptest.AdminToken, nil)
	for _, name := range []string{"addcard_http_request_seconds", "addcard_wechat_call_seconds", "addcard_ticket_left_seconds",
		"addcard_clock_offset_seconds", "go_goroutines"} {
		if !bytes.Contains(got.Body, []byte(name)) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	if got := apptest.Request(t, http.MethodGet, s.Admin+"/healthz", "", nil); got.Status != 200 {
		t.Errorf("/healthz: %d", got.Status)
	}
}
