package public_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestLimits_PerMemberAndPerAddress(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_MEMBER"] = "2"
	w.Env["RATE_LIMIT_PER_IP"] = "10" // a busy machine sends 400 requests in more than ten seconds
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	limited := func(token string, n int) (refused int) {
		for i := range n {
			got := apptest.Request(t, http.MethodGet, s.Public+"/v1/me", token, nil, func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", i/256, i%256)) // no proxy is trusted
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

// A subscriber has a /64 network of IPv6 addresses and counts as one. A trusted
// proxy says which address a request comes from.
func TestLimits_PerIPv6Network(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_IP"] = "1"
	w.Env["TRUSTED_PROXIES"] = "127.0.0.0/8"
	s := w.Serve()
	from := func(address string) int {
		return apptest.Request(t, http.MethodGet, s.Public+"/healthz", "", nil,
			func(r *http.Request) { r.Header.Set("X-Forwarded-For", address) }).Status
	}
	refused := 0
	for i := range 60 {
		if from(fmt.Sprintf("2001:db8:0:1::%x", i)) == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("one network: %d of 60 refused", refused)
	}
	for _, address := range []string{"2001:db8:0:2::1", "192.0.2.1", "192.0.2.2"} {
		if got := from(address); got != http.StatusOK {
			t.Errorf("%s: got %d", address, got)
		}
	}
}
