//go:build linux

package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The manners of attackers.
const (
	drips   = "drips"   // sends Head bytes of a request at once, then one byte a second
	silent  = "silent"  // sends nothing
	idles   = "idles"   // sends a request, reads the answer and keeps the connection
	sips    = "sips"    // sends requests for large answers and reads a few bytes a second
	repeats = "repeats" // sends requests: at the arrival times of Rate, or as fast as answers come
	visits  = "visits"  // the same on a new connection for each request
	leaves  = "leaves"  // the same, but closes the connection soon after
	floods  = "floods"  // sends a request again and again without waiting for the answers
)

// order is what one process of clients does until its time is over.
type order struct {
	Manner   string
	Target   string   // HOST:PORT
	From     []string // local addresses, used in turn
	Conns    int
	Requests [][]byte // sent in turn; "#########" becomes a number that is not used twice
	Head     int      // bytes of a request that drips sends at once
	Rate     float64  // requests a second in all; 0: no fixed arrival times
	For      time.Duration
}

// outcome is what these clients got.
type outcome struct {
	Connected, Lost int // connections that were opened; those that the server closed or did not accept
	Seconds         []second
	Processor       time.Duration // of the clients
	Statuses        map[int]int
	NoRetryAfter    int // refusals, 429 and 503, without Retry-After
	// Of the time from the planned arrival to the answer, and of that from sending to
	// a refusal: a client of which all connections are in use sends late.
	Served, Refused quantiles
	Took            time.Duration // of it all
}

// second is what was planned for one second and what became of it.
type second struct {
	Planned, Good, Refused, Failed int // Good: 2xx within goodTime
	P50                            time.Duration
	took                           []time.Duration
}

// goodTime is how soon an answer must come to be of use.
const goodTime = time.Second

type quantiles struct {
	N                   int
	P50, P90, P99, Most time.Duration
}

func (q quantiles) String() string {
	return fmt.Sprintf("%d (p50 %.1f, p90 %.1f, p99 %.1f, most %.1f ms)", q.N, ms(q.P50), ms(q.P90), ms(q.P99), ms(q.Most))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantilesOf(list []time.Duration) (q quantiles) {
	if q.N = len(list); q.N == 0 {
		return q
	}
	slices.Sort(list)
	at := func(f float64) time.Duration { return list[int(f*float64(len(list)-1))] }
	q.P50, q.P90, q.P99, q.Most = at(0.5), at(0.9), at(0.99), list[len(list)-1]
	return q
}

// client is the state of a process of clients.
type client struct {
	order
	began           time.Time
	arrivals        atomic.Int64 // of requests, in their order
	connected, lost atomic.Int64

	mu              sync.Mutex
	statuses        map[int]int
	noRetryAfter    int
	served, refused []time.Duration
	seconds         []second
}

// playClient is the role of a process of clients. It prints a word when the
// connections were opened, as far as the server accepts them, and its outcome
// when its time is over or its input ends.
func playClient() error {
	c := &client{began: time.Now(), statuses: map[int]int{}}
	ended, err := orders(&c.order)
	if err != nil {
		return err
	}
	c.seconds = make([]second, int(c.For/time.Second)+1)
	var wg sync.WaitGroup
	for i := range c.Conns {
		wg.Go(func() { c.connect(i) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	if !c.comes() {
		c.waitForConnections(ended)
	}
	if err := printJSON("connected"); err != nil {
		return err
	}
	select {
	case <-done:
	case <-ended:
	case <-time.After(time.Until(c.began.Add(c.For)) + 15*time.Second): // an answer that does not come
	}
	return printJSON(c.outcome())
}

func (c *client) waitForConnections(ended <-chan struct{}) {
	for c.connected.Load()+c.lost.Load() < int64(c.Conns) && !c.over() {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *client) outcome() outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.seconds {
		c.seconds[i].P50 = quantilesOf(c.seconds[i].took).P50
	}
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return outcome{
		Connected: int(c.connected.Load()), Lost: int(c.lost.Load()), Seconds: c.seconds, Statuses: c.statuses, NoRetryAfter: c.noRetryAfter,
		Served: quantilesOf(c.served), Refused: quantilesOf(c.refused), Took: time.Since(c.began),
		Processor: time.Duration(use.Utime.Nano() + use.Stime.Nano()),
	}
}

// comes reports whether each request opens a connection.
func (c *client) comes() bool { return c.Manner == visits || c.Manner == leaves }

// over reports whether the time of the order is over.
func (c *client) over() bool { return time.Since(c.began) >= c.For }

// connect opens a connection and uses it, again and again until the time is
// over.
func (c *client) connect(i int) {
	local := &net.TCPAddr{IP: net.ParseIP(c.From[i%len(c.From)])}
	dialer := &net.Dialer{LocalAddr: local, Timeout: 5 * time.Second, Control: c.control}
	for !c.over() {
		var n int64
		if c.comes() {
			if n = c.arrivals.Add(1) - 1; !c.await(n) {
				return
			}
		}
		conn, err := dialer.Dial("tcp", c.Target)
		if err == nil {
			c.connected.Add(1)
			_ = conn.SetDeadline(c.began.Add(c.For + 10*time.Second))
			err = c.use(conn, n)
			_ = conn.Close()
		}
		if err == nil && !c.comes() {
			return // the time is over, or there is nothing to send any more
		}
		if err != nil {
			c.lost.Add(1)
			<-time.After(500 * time.Millisecond) // comes back
		}
	}
}

// control makes the receive buffer small where the client reads slowly.
func (c *client) control(_, _ string, raw syscall.RawConn) (err error) {
	if c.Manner != sips {
		return nil
	}
	set := func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }
	return errors.Join(raw.Control(set), err)
}

// use uses a connection until the time is over. It returns an error if the
// server ended it.
func (c *client) use(conn net.Conn, n int64) error {
	switch c.Manner {
	case drips:
		return c.drip(conn)
	case silent:
		return c.hold(conn)
	case idles:
		if _, err := conn.Write(c.request(nil, c.arrivals.Add(1))); err != nil {
			return err
		}
		return c.hold(conn)
	case sips:
		return c.sip(conn)
	case floods:
		return c.flood(conn)
	case visits:
		_, err := c.exchange(conn, bufio.NewReader(conn), nil, n)
		return err
	case leaves:
		if _, err := conn.Write(c.request(nil, n)); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond)
		return nil
	default:
		return c.repeat(conn)
	}
}

// request appends the request with this number to buf.
func (c *client) request(buf []byte, n int64) []byte {
	if len(c.Requests) == 0 {
		return buf
	}
	buf = append(buf, c.Requests[int(n)%len(c.Requests)]...)
	const mark = "#########"
	for i := bytes.Index(buf, []byte(mark)); i >= 0; i = bytes.Index(buf, []byte(mark)) {
		copy(buf[i:], fmt.Sprintf("%09d", n))
	}
	return buf
}

// drip sends the head of a request and then one byte a second, and reads what
// the server says meanwhile.
func (c *client) drip(conn net.Conn) error {
	request := c.request(nil, c.arrivals.Add(1))
	if _, err := conn.Write(request[:c.Head]); err != nil {
		return err
	}
	closed := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, conn); closed <- err }()
	for _, b := range request[c.Head:] {
		select {
		case <-closed:
			return io.ErrUnexpectedEOF
		case <-time.After(time.Second):
		}
		if c.over() {
			return nil
		}
		if _, err := conn.Write([]byte{b}); err != nil {
			return err
		}
	}
	return c.hold(conn)
}

// hold reads until the server ends the connection or the time is over.
func (c *client) hold(conn net.Conn) error {
	_ = conn.SetReadDeadline(c.began.Add(c.For))
	_, err := io.Copy(io.Discard, conn)
	if c.over() {
		return nil
	}
	return cmpErr(err)
}

// cmpErr returns err, or that the server ended the connection.
func cmpErr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func (c *client) sip(conn net.Conn) error {
	go func() {
		for range 20 {
			if _, err := conn.Write(c.request(nil, c.arrivals.Add(1))); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 16)
	for !c.over() {
		if _, err := conn.Read(buf); err != nil {
			return err
		}
		<-time.After(time.Second)
	}
	return nil
}

// flood reads the answers, so that the server goes on.
func (c *client) flood(conn net.Conn) error {
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	for many := bytes.Repeat(c.Requests[0], 2000); !c.over(); {
		if _, err := conn.Write(many); err != nil {
			return err
		}
	}
	return nil
}

// due returns the planned arrival of a request.
func (c *client) due(n int64) time.Time {
	if c.Rate == 0 {
		return time.Now()
	}
	return c.began.Add(time.Duration(float64(n) / c.Rate * float64(time.Second)))
}

// await waits for the planned arrival of a request. It returns false if it is
// after the end.
func (c *client) await(n int64) bool {
	due := c.due(n)
	if due.Sub(c.began) >= c.For {
		return false
	}
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
	}
	return true
}

// repeat sends requests on a connection. All connections share the arrivals; a
// request whose time has come waits for a connection.
func (c *client) repeat(conn net.Conn) error {
	var buf []byte
	in := bufio.NewReaderSize(conn, 4096)
	for !c.over() {
		n := c.arrivals.Add(1) - 1
		if !c.await(n) {
			return nil
		}
		got, err := c.exchange(conn, in, &buf, n)
		if err != nil {
			return err
		}
		if got.last {
			return io.EOF
		}
	}
	return nil
}

// exchange sends a request and counts what came of it. buf may be nil.
func (c *client) exchange(conn net.Conn, in *bufio.Reader, buf *[]byte, n int64) (got answer, err error) {
	due := c.due(n)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = c.request((*buf)[:0], n)
	sent := time.Now()
	if _, err = conn.Write(*buf); err == nil {
		got, err = readAnswer(in)
	}
	c.count(due, sent, got, err)
	return got, err
}

func (c *client) count(due, sent time.Time, got answer, err error) {
	took := time.Since(due)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.seconds[min(int(due.Sub(c.began)/time.Second), len(c.seconds)-1)]
	s.Planned++
	if err != nil {
		s.Failed++
		return
	}
	c.statuses[got.status]++
	switch {
	case got.status/100 == 2:
		c.served = append(c.served, took)
		s.took = append(s.took, took)
		if took <= goodTime {
			s.Good++
		}
	case got.status == 429 || got.status == 503:
		c.refused = append(c.refused, time.Since(sent))
		s.Refused++
		if !got.retryAfter {
			c.noRetryAfter++
		}
	default:
		s.Failed++
	}
}

// answer is what a client sees of an answer.
type answer struct {
	status     int
	retryAfter bool
	last       bool // the server ends the connection after it
}

// readAnswer reads one answer. It costs less than net/http's client.
func readAnswer(in *bufio.Reader) (a answer, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if len(line) < 12 {
		return a, fmt.Errorf("status line %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	length, chunked := 0, false
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return a, err
		}
		name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(": "))
		if !ok {
			break
		}
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return a, err
			}
		case "Retry-After":
			a.retryAfter = true
		case "Transfer-Encoding":
			chunked = true
		case "Connection":
			a.last = string(value) == "close"
		}
	}
	if chunked {
		return a, skipChunks(in)
	}
	_, err = in.Discard(length)
	return a, err
}

func skipChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return err
		}
		if _, err := in.Discard(int(n) + len("\r\n")); n == 0 || err != nil {
			return err
		}
	}
}

// addresses returns n addresses of attackers.
func addresses(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("127.1.%d.%d", i/250, 1+i%250))
	}
	return list
}

// http11 returns the bytes of a request. Headers are lines without their ends.
func http11(method, path, body string, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: shop.example\r\n", method, path)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return []byte(b.String() + "\r\n" + body)
}

// clients starts a process of clients and returns when they are connected. If
// the order has no end, the caller ends it with stop.
func (s *stage) clients(o order, prefix ...string) *child {
	s.t.Helper()
	if o.For == 0 {
		o.For = 10 * time.Minute
	}
	c := spawn(s.t, "client", o, prefix...)
	var connected string
	c.read(&connected)
	return c
}

// stop ends clients and returns what they got.
func (c *child) stop() outcome {
	c.t.Helper()
	_ = c.in.Close()
	return c.outcome()
}

// outcome waits until the time of clients is over and returns what they got.
func (c *child) outcome() (o outcome) {
	c.t.Helper()
	c.read(&o)
	c.end()
	return o
}

func (o outcome) String() string {
	return fmt.Sprintf("%d connections, %d ended by the server; answers %v; served %v; refused %v", o.Connected, o.Lost, o.Statuses,
		o.Served, o.Refused)
}
