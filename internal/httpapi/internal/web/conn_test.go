package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// A connection is closed for others while it waits for its client, and not while the
// server works on its request.
func TestServer_ClosesNoConnectionThatItWorksFor(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	l := newListener(web.Public, func(context.Context) error { begun <- struct{}{}; <-release; return nil })
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
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	works, answer := dial(get)
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
		if _, err := io.WriteString(works, get); err != nil {
			t.Fatal(err)
		}
		<-begun
	}
}
