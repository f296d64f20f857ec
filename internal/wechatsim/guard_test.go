package wechatsim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// ask sends the simulator a request with the given Host and headers in turn.
func ask(t *testing.T, h http.Handler, method, path, host string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler(t *testing.T) http.Handler {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{})
	t.Cleanup(sim.Close)
	return sim.Handler()
}

// Regression: a page whose name resolved to 127.0.0.1 read the secrets of both apps.
func TestHandler_ServesOnlyNamesOfThisMachine(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8082": 200, "127.9.9.9:1": 200, "localhost": 200, "LOCALHOST:8082": 200, "localhost.:80": 200,
		"shop.localhost:8082": 200, "[::1]": 200, "[::1]:8082": 200, "[::ffff:127.0.0.1]:80": 200,
		"evil.example": 403, "evil.example:8082": 403, "127.0.0.1.evil.example:8082": 403, "localhost.evil.example": 403,
		"evillocalhost": 403, "": 403, "0.0.0.0:8082": 403, "[::]:8082": 403, "192.168.1.2:8082": 403, "127.0.0.1:80:90": 403,
		"127.0.0.1@evil.example": 403, "evil.example#localhost": 403, "127.0.0.1:x.localhost": 403, "2130706433": 403, "127.1": 403,
		"[::1].evil.example": 403, "localhost:8082.evil.example": 403,
	} {
		w := ask(t, h, http.MethodGet, "/_sim/accounts", host)
		if w.Code != want || want == 403 && strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%q: got %d, want %d", host, w.Code, want)
		}
	}
}

func TestHandler_ServesNoPageOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	const host = "127.0.0.1:8082"
	for _, request := range []struct{ method, path string }{
		{http.MethodGet, "/_sim/calls"}, {http.MethodGet, "/_sim/accounts"}, {http.MethodDelete, "/_sim/calls"},
		{http.MethodPost, "/_sim/phones/ming/login"}, {http.MethodGet, "/cgi-bin/token"},
	} {
		for _, from := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"},
			{"Sec-Fetch-Site", "invented"}, {"Sec-Fetch-Site", "cross-site", "Origin", "http://" + host},
		} {
			if w := ask(t, h, request.method, request.path, host, from...); w.Code != http.StatusForbidden {
				t.Errorf("%s %s from %q: got %d", request.method, request.path, from, w.Code)
			}
		}
		for _, from := range [][]string{nil, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://" + host}} {
			if w := ask(t, h, request.method, request.path, host, from...); w.Code == http.StatusForbidden {
				t.Errorf("%s %s from %q: got %d %s", request.method, request.path, from, w.Code, w.Body)
			}
		}
	}
	w := ask(t, h, http.MethodGet, "/_sim/accounts", host)
	if policy := w.Header().Get("Content-Security-Policy"); policy != "frame-ancestors 'self'" { // a frame under another page's buttons
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	for _, origin := range []string{"http://evil.example", "null", "http://127.0.0.1:9000"} { // a browser without Sec-Fetch-Site
		if w := ask(t, h, http.MethodPost, "/_sim/phones/ming/login", host, "Origin", origin); w.Code != http.StatusForbidden {
			t.Errorf("a POST from %s: got %d", origin, w.Code)
		}
		if w := ask(t, h, http.MethodGet, "/_sim/accounts", host, "Origin", origin); w.Code != http.StatusForbidden {
			t.Errorf("a GET from %s: got %d", origin, w.Code)
		}
	}
}
