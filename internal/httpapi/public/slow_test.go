package public_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// withLimits starts a server with the limits of a deployment.
func withLimits(t *testing.T, edit ...func(*apptest.World)) (*apptest.World, *apptest.Server) {
	t.Helper()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_IP"], w.Env["RATE_LIMIT_PER_MEMBER"] = "100", "20"
	for _, f := range edit {
		f(w)
	}
	return w, w.Serve()
}

// dial sends raw bytes from an address of the loopback network over a connection
// of its own, which ends with the test.
func dial(t *testing.T, from, url, raw string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(conn, raw) // the server may have closed it
	return conn
}

// pushTo returns the status of an authentic push.
func pushTo(t *testing.T, w *apptest.World, s *apptest.Server, edit ...func(*http.Request)) int {
	t.Helper()
	e := push.Trigger{Event: "user_view_card", Callback: push.Callback{URL: s.Public + "/wechat/callback", Token: apptest.CallbackToken,
		EncodingAESKey: w.Env["CALLBACK_AES_KEY"], AppID: w.Sim.Accounts().Official.AppID}}
	req, err := e.Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range edit {
		f(req)
	}
	resp, err := apptest.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

// wantService fails unless probes, the operator, members and WeChat are served.
func wantService(t *testing.T, w *apptest.World, s *apptest.Server, token string) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		s.Get(path, "").Is(t, http.StatusOK)
		s.Operate(http.MethodGet, path, nil).Is(t, http.StatusOK)
	}
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, http.StatusOK)
	s.Operate(http.MethodGet, "/metrics", nil).Is(t, http.StatusOK)
	s.Get("/v1/me", token).Is(t, http.StatusOK)
	if got := pushTo(t, w, s); got != http.StatusOK {
		t.Errorf("an authentic push: got %d", got)
	}
}

// Symptom: 1,100 connections that sent a byte a second, 1 kB/s in all, got every
// other client 503, on both listeners.
func TestSlowClients_LeaveTheOthersServed(t *testing.T) {
	t.Parallel()
	const head = " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n"
	for name, raw := range map[string]string{
		"a push without a query":       "POST /wechat/callback" + head + "\r\n<",
		"a push with a forged query":   "POST /wechat/callback?timestamp=1&nonce=2&signature=" + strings.Repeat("a", 40) + head + "\r\n<",
		"a push in safe mode":          fmt.Sprintf("POST /wechat/callback?timestamp=%d&nonce=2&encrypt_type=aes&msg_signature=%s", time.Now().Unix(), strings.Repeat("a", 40)) + head + "\r\n<",
		"a login":                      "POST /v1/session" + head + "\r\n{",
		"a claim without a session":    "POST /v1/claims" + head + "\r\n{",
		"a request with a session":     "POST /v1/card-ext" + head + "Authorization: Bearer TOKEN\r\n\r\n{",
		"a body in chunks":             "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{",
		"half a header":                "GET /healthz HTTP/1.1\r\nHost:",
		"nothing":                      "",
		"an idle client":               "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
		"an unknown route":             "POST /nope" + head + "\r\n{",
		"a method that does not fit":   "POST /v1/me" + head + "\r\n{",
		"a probe with a body":          "GET /readyz" + head + "\r\n{",
		"the answer is not read":       strings.Repeat("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n", 4),
		"an expectation is not met":    "POST /v1/session" + head + "Expect: 100-continue\r\n\r\n",
		"the operator's without token": "ADMIN POST /v1/cards" + head + "\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			w, s := withLimits(t, func(w *apptest.World) { w.Env["CALLBACK_AES_KEY"] = apptest.AESKey })
			token, _ := w.Login(s, "ming")
			url := s.Public
			if text, admin := strings.CutPrefix(raw, "ADMIN "); admin {
				raw, url = text, s.Admin
			}
			slow, _ := w.Login(s, "hong")
			raw = strings.ReplaceAll(raw, "TOKEN", slow)
			var conns []net.Conn
			for range 1100 {
				conns = append(conns, dial(t, "127.0.0.2", url, raw))
			}
			if name == "an idle client" || name == "a probe with a body" { // as many at once may be refused, until they are answered
				for _, conn := range conns {
					_, _ = conn.Read(make([]byte, 1))
				}
			}
			wantService(t, w, s, token)
		})
	}
}

// Connections that say nothing do not use up the descriptors through the operator's
// listener.
func TestConnections_OfTheOperatorAreBounded(t *testing.T) {
	t.Parallel()
	_, s := withLimits(t)
	for range 600 {
		dial(t, "127.0.0.2", s.Admin, "")
	}
	apptest.Eventually(t, "some are closed because there are too many", func() bool {
		metrics := string(s.Operate(http.MethodGet, "/metrics", nil).Is(t, http.StatusOK).Body)
		_, closed, _ := strings.Cut(metrics, `addcard_http_connections_closed_total{listener="admin"} `)
		return closed != "" && closed[0] != '0'
	})
}
