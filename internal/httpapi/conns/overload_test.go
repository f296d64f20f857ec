package conns_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

const refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nfull"

// gated is an http.Server behind a gate. Its handler answers with the path and the
// body, and with 500 if it should refuse the request.
type gated struct {
	*conns.Gate
	addr    string
	handled atomic.Int32
	refused chan string // the methods of those that the gate answered
	conns   chan *conns.Conn
}

func serveGated(t *testing.T) *gated {
	t.Helper()
	s := &gated{refused: make(chan string, 100), conns: make(chan *conns.Conn, 100)}
	s.Gate = conns.NewGate(conns.GateOptions{
		Refusal: []byte(refusal), Urgent: []string{"GET /healthz"}, RestTime: time.Minute,
		Refused: func(method string) { s.refused <- method },
	})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ConnState: s.ConnState, ReadHeaderTimeout: 20 * time.Second}
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		s.conns <- c.(*conns.Conn)
		return s.ConnContext(ctx, c)
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := conns.Of(r.Context())
		c.Work()
		defer c.Rest()
		s.handled.Add(1)
		if c.Refused() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		if r.URL.Path == "/unread" {
			return
		}
		fmt.Fprint(w, r.URL.Path, " ")
		_, _ = io.Copy(w, r.Body)
	})
	s.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(conns.Limit(l, conns.Options{})) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// dialed is a connection to a server.
type dialed struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (s *gated) dial(t *testing.T) *dialed {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &dialed{t, c, bufio.NewReader(c)}
}

func (d *dialed) send(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.Conn, text); err != nil {
		d.t.Fatal(err)
	}
}

// want reads an answer.
func (d *dialed) want(status int, body string) {
	d.t.Helper()
	resp, err := http.ReadResponse(d.r, nil)
	if err != nil {
		d.t.Fatalf("no answer, want %d %q: %v", status, body, err)
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != status || string(got) != body {
		d.t.Errorf("got %d %q (%v), want %d %q", resp.StatusCode, got, err, status, body)
	}
}

// A plain request that is too many does not reach the server. The connection stays
// open, and is served as soon as there is room.
func TestGate_AnswersWhatIsTooMany(t *testing.T) {
	t.Parallel()
	s := serveGated(t)
	fresh, kept := s.dial(t), s.dial(t)
	kept.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	kept.want(200, "/a ")
	empty := s.Fill()
	for _, c := range []*dialed{fresh, kept} {
		for range 3 {
			c.send("GET /b HTTP/1.1\r\nHost: x\r\nconnection: Keep-Alive\r\n\r\n")
			c.want(503, "full")
			c.send("POST /b HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\nabc")
			c.want(503, "full")
		}
		c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want(200, "/healthz ")
	}
	for i := range 12 {
		if method, want := <-s.refused, []string{"GET", "POST"}[i%2]; method != want {
			t.Errorf("a refusal of %s is counted, want %s", method, want)
		}
	}
	if n := s.handled.Load(); n != 3 {
		t.Errorf("%d requests reached the handler, want 3", n)
	}
	empty()
	for _, c := range []*dialed{fresh, kept} {
		c.send("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		c.want(200, "/c abc")
	}
}

// What is not plain goes to the handler, which has to refuse it.
func TestGate_HandsOnWhatIsNotPlain(t *testing.T) {
	t.Parallel()
	s := serveGated(t)
	defer s.Fill()()
	for name, text := range map[string]string{
		"HTTP/1.0":        "GET /a HTTP/1.0\r\n\r\n",
		"it is the last":  "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"in chunks":       "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"to be continued": "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
		"line feeds":      "GET /a HTTP/1.1\nHost: x\n\n",
	} {
		c := s.dial(t)
		c.send(text)
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: got %d", name, resp.StatusCode)
		}
	}
}

// A request that comes in parts is admitted by its first.
func TestGate_AdmitsARequestOnce(t *testing.T) {
	t.Parallel()
	s := serveGated(t)
	c := s.dial(t)
	c.send("GET /a HTTP/1.1\r\n")
	conn := <-s.conns
	waitFor(t, func() bool { return !conn.Between() })
	defer s.Fill()()
	c.send("Host: x\r\n\r\n")
	c.want(200, "/a ")
}

// A header that does not come takes no place.
func TestGate_HasNoPlaceForAnIncompleteHeader(t *testing.T) {
	t.Parallel()
	s := serveGated(t)
	for range 2 * conns.MaxBegun * runtime.GOMAXPROCS(0) {
		s.dial(t).send("GET /a HTTP/1.1\r\n")
		conn := <-s.conns
		waitFor(t, func() bool { return !conn.Between() })
		if n := s.Begun(); n > 0 {
			t.Fatalf("%d places are taken", n)
		}
	}
	c := s.dial(t)
	c.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want(200, "/b ")
}

// A body is never taken for a request, or the answer to it would be taken for that
// to another.
func TestGate_LeavesBodiesAlone(t *testing.T) {
	t.Parallel()
	const inner = "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, test := range []struct {
		path, before string
		requests     int32
		body         string
	}{
		{"/read", "", 1, "/read " + inner + inner},
		{"/unread", "", 1, ""},
		{"/read", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 2, "/read " + inner + inner},
		{"/unread", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 2, ""},
	} {
		s := serveGated(t)
		c := s.dial(t)
		c.send(test.before + fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", test.path, 2*len(inner)))
		if test.before != "" {
			c.want(200, "/a ")
		}
		waitFor(t, func() bool { return s.handled.Load() == test.requests })
		empty := s.Fill()
		c.send(inner)
		c.send(inner)
		c.want(200, test.body)
		empty()
		c.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want(200, "/next ")
		if n := len(s.refused); n > 0 {
			t.Errorf("%s behind %q: %d answers to a body", test.path, test.before, n)
		}
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// A place is given back when the request ends, and when it takes long: then it waits
// for something else.
func TestGate_FewRequestsBeginAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := conns.NewGate(conns.GateOptions{})
		most := conns.MaxBegun * runtime.GOMAXPROCS(0)
		var ends []func()
		for range most {
			ends = append(ends, g.Begin())
		}
		begun := make(chan func(), 2*most)
		for range most + 1 {
			go func() { begun <- g.Begin() }()
		}
		synctest.Wait()
		if n := len(begun); n != 0 {
			t.Errorf("%d more begin", n)
		}
		ends[0]()
		ends[0]()
		synctest.Wait()
		if n := len(begun); n != 1 {
			t.Errorf("one has ended: %d more begin, want 1", n)
		}
		time.Sleep(conns.BeginTime)
		synctest.Wait()
		if n := len(begun); n != most+1 {
			t.Errorf("after a while %d more have begun, want %d", n, most+1)
		}
		ends[1]() // its place was given back
		time.Sleep(conns.BeginTime)
		for range most {
			g.Begin()
		}
	})
}

// Many may come at once, as long as their number falls soon.
func TestGate_ABurstIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const burst = 50
		g := conns.NewGate(conns.GateOptions{Burst: burst})
		processors := runtime.GOMAXPROCS(0)
		var ends []func()
		for range conns.MaxBegun * processors {
			ends = append(ends, g.Begin())
		}
		ctx, leave := context.WithCancel(t.Context())
		more := func(n int) {
			for range n {
				go func() { end := g.Begin(); <-ctx.Done(); end() }()
			}
			synctest.Wait()
		}
		// For this moment the time stands still: nothing that has begun takes long.
		if more(conns.MaxQueue*processors - 1); g.Full() {
			t.Error("full with the usual number")
		}
		if more(1 + burst - 1); g.Full() {
			t.Error("full in a burst")
		}
		if more(1); !g.Full() {
			t.Error("not full with more than a burst")
		}
		leave()
		for _, end := range ends {
			end()
		}
		synctest.Wait()
		if g.Full() {
			t.Error("full when all have ended")
		}
	})
}

// For as long as a queue of more than the usual number does not get shorter, it is an
// overload, however short of a burst.
func TestGate_ALastingQueueIsAnOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := conns.NewGate(conns.GateOptions{Burst: 1 << 30})
		g.Begin()
		defer g.Fill()()
		if g.Full() {
			t.Error("full at once")
		}
		time.Sleep(conns.BurstTime + time.Millisecond)
		if !g.Full() {
			t.Error("not full after a while")
		}
	})
}

// Proxies may understand these otherwise than this server.
func TestPlainRequest_NotWhenInDoubt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "GET", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\n\n", "GET / HTTP/1.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
		"GET /a b HTTP/1.1\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "OPTIONS / HTTP/1.1\r\n\r\n", "get / HTTP/1.1\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nab",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\na",
		"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", "POST / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\na",
		"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 4294967297\r\n\r\na",
		"POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\na", "POST / HTTP/1.1\r\nContent-Length: 1\nA: b\r\n\r\na",
		"POST / HTTP/1.1\r\nA: b\r\n Content-Length: 1\r\n\r\na", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\nCONNECTION: keep-alive, Upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
	} {
		if method, plain := conns.PlainRequest([]byte(text)); plain {
			t.Errorf("%q is taken for a plain %s", text, method)
		}
	}
}

// Whatever is answered without http.Server is what http.Server would take for one
// request with the same method, after which the connection stays open.
func FuzzPlainRequest(f *testing.F) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a?b HTTP/1.1\r\nContent-Length: 3\r\nHost: x\r\n\r\nabc",
		"PUT /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\nHost: x\r\n Content-Length: 1\r\n\r\nx",
		"POST /a HTTP/1.1\r\nHost: x\r\nA: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n",
		"GET /a HTTP/1.1\nHost: x\n\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		method, plain := conns.PlainRequest(b)
		if !plain {
			return
		}
		rest := bufio.NewReader(bytes.NewReader(b))
		r, err := http.ReadRequest(rest)
		if err != nil {
			return // http.Server would answer and close the connection
		}
		body, err := io.ReadAll(r.Body)
		left, _ := io.ReadAll(rest)
		if err != nil || r.Method != method || r.Close || r.ProtoMajor != 1 || r.ProtoMinor != 1 || len(left) > 0 || len(r.TransferEncoding) > 0 {
			t.Errorf("%q: %v, %s %s, close %t, a body of %d bytes and %d bytes left", b, err, r.Method, r.Proto, r.Close, len(body), len(left))
		}
	})
}
