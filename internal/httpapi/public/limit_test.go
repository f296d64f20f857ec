package public_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestLimits_per_member_and_per_address(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_MEMBER"] = "2"
	w.Env["RATE_LIMIT_PER_IP"] = "40"
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	limited := func(token string, n int) (refused int) {
		for range n {
			got := apptest.Request(t, http.MethodGet, s.Public+"/v1/me", token, nil, func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n)) // nobody said that a proxy is trusted
			})
			if got.Status == 429 {
				refused++
				got.Problem(t, 429, "rate_limited")
				if got.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		}
		return refused
	}
	if got := limited(token, 40); got < 10 {
		t.Errorf("one member: %d of 40 refused", got)
	}
	if got := limited("", 400); got < 100 {
		t.Errorf("one address: %d of 400 refused", got)
	}
}
