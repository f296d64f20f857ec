package public_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/httpapi/public"
)

// from sends requests of one client and returns how many are served.
func from(h http.Handler, n int, token, peer string, forwarded func(i int) string) (served int) {
	for i := range n {
		w := do(h, "GET", "/v1/me", token, "", func(r *http.Request) {
			r.RemoteAddr = peer
			if forwarded != nil {
				r.Header.Set("X-Forwarded-For", forwarded(i))
			}
		})
		if w.Code != http.StatusTooManyRequests {
			served++
		}
	}
	return served
}

// At a rate of 2 a second, ten requests may come at once, and then two a second.
func TestLimits_OfAnAddressAreExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := (&shop{}).serve(public.Options{RatePerAddress: 2})
		if got := from(h, 40, "", "192.0.2.1:1000", nil); got != 10 {
			t.Errorf("%d served at once, want 10", got)
		}
		time.Sleep(2 * time.Second)
		if got := from(h, 40, "ming", "192.0.2.1:2000", nil); got != 4 {
			t.Errorf("%d served after two seconds, want 4", got)
		}
		if got := from(h, 1, "", "192.0.2.2:1000", nil); got != 1 {
			t.Error("another address is refused")
		}
		time.Sleep(3 * time.Minute)
		if got := from(h, 40, "", "192.0.2.1:1000", nil); got != 10 {
			t.Errorf("%d served after a pause, want 10", got)
		}
	})
}

// A tenth of a small number is not nothing, which would be no limit.
func TestLimits_OfLoginsAreAtLeastOneASecond(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]int{3: 10, 10: 10, 11: 20} {
		synctest.Test(t, func(t *testing.T) {
			h := (&shop{}).serve(public.Options{RatePerAddress: rate})
			served := 0
			for range 100 {
				if w := do(h, "POST", "/v1/session", "", `{"code":"ming"}`); w.Code == http.StatusOK {
					served++
				}
			}
			if served != want {
				t.Errorf("%d requests a second: %d logins at once, want %d", rate, served, want)
			}
		})
	}
}

// Each kind of address is limited by what one subscriber has of it.
func TestLimits_TakeASubscriberForOneClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer func(i int) string
		one  bool
	}{
		"ports":                       {func(i int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+i) }, true},
		"IPv4 addresses":              {func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i) }, false},
		"addresses of a /64":          {func(i int) string { return fmt.Sprintf("[2001:db8:1:2:%x::1]:1", i) }, true},
		"zones":                       {func(i int) string { return fmt.Sprintf("[fe80::1%%eth%d]:1", i) }, true},
		"networks":                    {func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i) }, false},
		"IPv4 addresses, mapped":      {func(i int) string { return fmt.Sprintf("[::ffff:192.0.2.%d]:1", i) }, false},
		"one address in two families": {func(i int) string { return []string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}[i%2] }, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := (&shop{}).serve(public.Options{RatePerAddress: 1})
			served := 0
			for i := range 40 {
				served += from(h, 1, "", c.peer(i), nil)
			}
			if one := served == 5; one != c.one {
				t.Errorf("%s: %d of 40 served", name, served)
			}
		})
	}
}

// What a client writes counts only if a proxy of the shop passed it on.
func TestLimits_BelieveOnlyTheShopsProxies(t *testing.T) {
	t.Parallel()
	another := func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }
	for name, c := range map[string]struct {
		peer      string
		forwarded func(int) string
		one       bool
	}{
		"no proxy":                    {"192.0.2.1:1", another, true},
		"a proxy":                     {"10.0.0.1:1", another, false},
		"a client that writes more":   {"10.0.0.1:1", func(i int) string { return another(i) + ", 198.51.100.1" }, true},
		"a client with a forged peer": {"10.0.0.1:1", func(i int) string { return another(i) + ", 198.51.100.1, 10.0.0.2" }, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := (&shop{}).serve(public.Options{RatePerAddress: 1, TrustedProxies: []string{"10.0.0.0/8"}})
			served := from(h, 40, "", c.peer, c.forwarded)
			if one := served == 5; one != c.one {
				t.Errorf("%s: %d of 40 served", name, served)
			}
		})
	}
}

// A member has one allowance wherever the requests come from, and a token that is
// none has none.
func TestLimits_OfAMember(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := (&shop{}).serve(public.Options{RatePerMember: 3})
		served := 0
		for i := range 40 {
			served += from(h, 1, "ming", fmt.Sprintf("192.0.2.%d:1", i), nil)
		}
		if served != 15 {
			t.Errorf("%d served at once, want 15", served)
		}
		w := do(h, "GET", "/v1/me", "ming", "")
		refused(t, w, 429, "rate_limited", "")
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if got := from(h, 1, "hong", "192.0.2.1:1", nil); got != 1 {
			t.Error("another member is refused")
		}
		if got := from(h, 40, "stranger", "192.0.2.1:1", nil); got != 40 {
			t.Errorf("of requests without a session %d are limited as a member's", 40-got)
		}
	})
}

func TestLimits_NoneIsNone(t *testing.T) {
	t.Parallel()
	h := (&shop{}).serve(public.Options{})
	if got := from(h, 300, "ming", "192.0.2.1:1", nil); got != 300 {
		t.Errorf("%d of 300 served", got)
	}
}

// A client that does not stop is refused for as long as it goes on.
func TestLimits_ARefusedClientStaysRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := (&shop{}).serve(public.Options{RatePerAddress: 1})
		from(h, 5, "", "192.0.2.1:1", nil)
		for range 600 { // for ten minutes twice as many as allowed
			time.Sleep(time.Second)
			if got := from(h, 2, "", "192.0.2.1:1", nil); got != 1 {
				t.Fatalf("%d served in a second, want 1", got)
			}
		}
	})
}

// A client that comes back has what it has saved up meanwhile, and not a new burst
// because others have come.
func TestLimits_OthersDoNotRenewABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := (&shop{}).serve(public.Options{RatePerAddress: 10})
		from(h, 50, "", "192.0.2.1:1", nil)
		for i := range 3 {
			time.Sleep(1500 * time.Millisecond)
			from(h, 1, "", fmt.Sprintf("192.0.2.%d:1", i+2), nil)
		}
		if got := from(h, 50, "", "192.0.2.1:1", nil); got != 45 {
			t.Errorf("%d served after 4.5 seconds, want 45", got)
		}
	})
}
