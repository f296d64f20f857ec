package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/addcard/addcard/internal/wechatsim"
)

// Regression: a site whose name resolved to 127.0.0.1 reached the operator's API
// with the ADMIN_TOKEN filled in.
func TestSandbox_ServesNoStranger(t *testing.T) {
	t.Parallel()
	sb := &sandbox{sim: wechatsim.New(wechatsim.Options{}), serving: make(chan struct{})}
	t.Cleanup(sb.sim.Close)
	h := sb.wechatHandler(fstest.MapFS{"index.html": {Data: []byte("the phone")}})
	const starting = http.StatusServiceUnavailable // the request was passed on to the server, which is not there
	type headers = map[string]string
	link := headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
	itself := headers{"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"}
	for _, c := range []struct {
		method, path, host string
		want               int
		headers            headers
	}{
		{"GET", "/_phone/", "127.0.0.1:8082", 200, nil},
		{"GET", "/_phone/operator/v1/members", "localhost:8082", starting, nil},
		{"GET", "/_phone/operator/v1/members", "127.0.0.1:8082", starting, headers{"Sec-Fetch-Site": "same-origin"}},
		{"GET", "/_phone/", "evil.example:8082", 403, nil},
		{"GET", "/_phone/operator/v1/members", "evil.example:8082", 403, nil},
		{"POST", "/_phone/operator/v1/cards", "evil.example", 403, itself},
		{"GET", "/_phone/api/v1/me", "evil.example:8082", 403, nil},
		{"GET", "/_sim/accounts", "evil.example:8082", 403, nil},
		{"GET", "/cgi-bin/token", "evil.example:8082", 403, nil},
		{"GET", "/_phone/operator/v1/members", "127.0.0.1:8082", 403, headers{"Sec-Fetch-Site": "cross-site"}},
		{"GET", "/_phone/operator/v1/members", "127.0.0.1:8082", 403, link},
		{"POST", "/_phone/operator/v1/cards", "127.0.0.1:8082", 403, headers{"Sec-Fetch-Site": "same-site"}},
		{"POST", "/_phone/", "127.0.0.1:8082", 403, link},
		{"GET", "/_phone/", "127.0.0.1:8082", 403, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}},
		{"GET", "/_phone/", "127.0.0.1:8082", 200, link},
		{"GET", "/_phone/", "evil.example", 403, link},
		{"POST", "/_console", "127.0.0.1:8082", 403, link},
		{"POST", "/_console", "evil.example:8082", 403, itself},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		for name, value := range c.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s of %s with %v: got %d, want %d", c.method, c.path, c.host, c.headers, w.Code, c.want)
		}
		if w.Code == 200 && w.Header().Get("Content-Security-Policy") != "frame-ancestors 'self'" {
			t.Errorf("%s: another site may frame the page", c.path)
		}
	}
}

// The mini-program opens in WeChat's DevTools without an edit: it offers the demo card.
func TestDemoCard_IsTheOneOfTheMiniProgram(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../../miniprogram/src/config.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(config), "develop: { baseUrl: 'http://127.0.0.1:8080', cardId: '"+demoCardID+"' }") {
		t.Errorf("miniprogram/src/config.ts does not offer %s", demoCardID)
	}
}
