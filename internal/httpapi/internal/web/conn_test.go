package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// A body that is not read is awaited for a moment only, whatever it is refused for:
// otherwise a client that sends none keeps the connection busy.
func TestListener_WaitsAMomentForABodyThatItRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path string
		full         bool
	}{
		"no route": {http.MethodPost, "/nope", false}, "no such method": {http.MethodPost, "/", false},
		"the query": {http.MethodGet, "/?a=1&a=2", false}, "a body of GET": {http.MethodGet, "/", false}, "no slot": {http.MethodGet, "/", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newListener(web.Public, func(context.Context) error { return nil })
			if c.full {
				l.inFlight <- struct{}{}
			}
			w := &connection{ResponseRecorder: httptest.NewRecorder()}
			l.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader("{}")))
			if n := len(w.deadlines); n == 0 || time.Until(w.deadlines[n-1]) <= 0 || time.Until(w.deadlines[n-1]) > time.Second {
				t.Errorf("%s: got %d; it is awaited until %v", name, w.Code, w.deadlines)
			}
		})
	}
}

// A route has the bounds of its listener and no others, such as a megabyte, or five
// seconds after which net/http would end the request.
func TestRoute_HasNoBoundsOfItsOwn(t *testing.T) {
	t.Parallel()
	if w := newList(web.Admin).post(`{"codes":["` + strings.Repeat("x", 2<<20) + `"]}`); w.Code != http.StatusNoContent {
		t.Errorf("a body of two megabytes: got %d %s", w.Code, w.Body)
	}
	w := &connection{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"text":"a"}`))
	r.Header.Set("Content-Type", "application/json")
	newTaker().ServeHTTP(w, r)
	if n := len(w.deadlines); w.Code != http.StatusNoContent || n == 0 || !w.deadlines[n-1].IsZero() {
		t.Errorf("got %d, deadlines %v, want none in the end", w.Code, w.deadlines)
	}
}

// A connection is closed for others while it waits for its client, and not while the
// server works on its request.
func TestServer_ClosesNoConnectionThatItWorksFor(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"without a body": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"with a body":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testWorks(t, text)
		})
	}
}

// testWorks sends a request, and others connect while the server works on it.
func testWorks(t *testing.T, request string) {
	t.Helper()
	begun, release := make(chan struct{}), make(chan struct{})
	handle := func(context.Context) error { begun <- struct{}{}; <-release; return nil }
	l := newListener(web.Public, handle)
	web.Route(l.Listener, huma.Operation{OperationID: "two", Method: http.MethodPost, Path: "/"},
		func(ctx context.Context, _ *struct{ Body struct{} }) (*web.Nothing, error) { return nil, handle(ctx) })
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 10)
	server := l.Server()
	go func() {
		_ = server.Serve(conns.Limit(inner, conns.Options{Most: 1, Closed: func() { closed <- struct{}{} }}))
	}()
	t.Cleanup(func() { _ = server.Close() })
	dial := func(text string) (net.Conn, *bufio.Reader) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, text)
		return conn, bufio.NewReader(conn)
	}
	works, answer := dial(request)
	<-begun
	dial("")
	dial("")
	<-closed // one of those that say nothing
	close(release)
	for range 2 { // it is open after its answer, too
		resp, err := http.ReadResponse(answer, nil)
		if err != nil || resp.StatusCode != http.StatusNoContent {
			t.Fatalf("the one that is worked for: %v, %v", resp, err)
		}
		_ = resp.Body.Close()
		if _, err := io.WriteString(works, request); err != nil {
			t.Fatal(err)
		}
		<-begun
	}
}
