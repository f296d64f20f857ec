package conns

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// GateOptions are the settings of a Gate.
type GateOptions struct {
	// Refusal is the whole answer to a refused request, with its status line and
	// header.
	Refusal []byte
	// Urgent are the beginnings of request lines that are let through in any case,
	// such as "GET /healthz".
	Urgent []string
	// Refused is called with the method of each request that is refused.
	Refused func(method string)
	// Burst is how many more than usual may wait when many come at once:
	// mini-programs that open at the same moment are no overload.
	Burst int
	// RestTime is how long a connection may rest after a refusal.
	RestTime time.Duration
}

// A Gate refuses requests when more come than the processor can serve. Its methods
// ConnContext and ConnState must be the hooks of the http.Server.
//
// Few requests begin at once, so that a request that comes is seen soon although the
// processor is busy. The others wait for their turn, and those that are too many
// are refused. A plain request is then answered by Read of its connection, which
// reads on: for http.Server a refusal costs as much as a small answer. Others, for
// example those that did not come at once, go to the handler, which must refuse
// them if Conn.Refused says so. So no more has to be known of HTTP here.
type Gate struct {
	options GateOptions
	begun   chan struct{} // a place for each request that has begun, but not for long
	waiting atomic.Int32  // requests that wait for a place
	calm    atomic.Int64  // when a request last found a place at once, as UnixNano
}

const (
	// maxBegun bounds for each processor the requests that have begun less than
	// beginTime ago and have not ended. What takes longer waits for WeChat or for a
	// commit, which is no work.
	maxBegun  = 16
	beginTime = 5 * time.Millisecond
	// maxQueue bounds for each processor the requests that wait for their turn. It
	// comes after about forty milliseconds.
	maxQueue = 128
	// burstTime is how long more may wait.
	burstTime = 100 * time.Millisecond
)

// NewGate returns a Gate.
func NewGate(o GateOptions) *Gate {
	return &Gate{options: o, begun: make(chan struct{}, maxBegun*runtime.GOMAXPROCS(0))}
}

// ConnContext is a hook of http.Server. It makes the connection available to Of.
func (g *Gate) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*Conn); ok {
		c.gate = g
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

// ConnState is a hook of http.Server, which says when a connection is between two
// requests: what is read then is not the body of one.
func (g *Gate) ConnState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*Conn); ok && (state == http.StateNew || state == http.StateIdle) {
		c.between.Store(true)
	}
}

// full reports whether a request would be one too many.
func (g *Gate) full() bool {
	usual, n := maxQueue*runtime.GOMAXPROCS(0), int(g.waiting.Load())
	return n >= usual && (n >= usual+g.options.Burst || time.Now().UnixNano()-g.calm.Load() > int64(burstTime))
}

// urgent reports whether b is the beginning of a request that is let through.
func (g *Gate) urgent(b []byte) bool {
	return slices.ContainsFunc(g.options.Urgent, func(line string) bool { return bytes.HasPrefix(b, []byte(line)) })
}

// begin waits until a request may begin.
func (g *Gate) begin() {
	select {
	case g.begun <- struct{}{}:
		g.calm.Store(time.Now().UnixNano())
	default:
		g.waiting.Add(1)
		g.begun <- struct{}{}
		g.waiting.Add(-1)
	}
}

// end gives back the place of a request.
func (g *Gate) end() { <-g.begun }

// endLate gives back the place of a request that has taken long. If it has waited for
// a processor, it runs first, so that a busy server does not begin ever more.
func (g *Gate) endLate() {
	runtime.Gosched()
	g.end()
}

// begins are the beginnings of plain requests. An answer to HEAD has no body.
var begins = []string{"GET /", "POST /", "PUT /", "PATCH /", "DELETE /"}

// plainRequest returns the method of a request, and reports whether b is one whole
// request of HTTP/1.1 after whose answer the connection stays open. It returns
// false when in doubt.
func plainRequest(b []byte) (method string, yes bool) {
	head, body, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	target, current := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	i := slices.IndexFunc(begins, func(begin string) bool { return bytes.HasPrefix(line, []byte(begin)) })
	if !whole || !current || i < 0 || bytes.ContainsAny(target[len(begins[i]):], " \r\n") {
		return "", false
	}
	method, _, _ = strings.Cut(begins[i], " ")
	length, ok := bodyLength(fields)
	return method, ok && length == len(body)
}

// bodyLength returns what the fields of a header say about the length of the body.
// It reports whether they have nothing else that is about the connection.
func bodyLength(fields []byte) (length int, ok bool) {
	given := false
	for len(fields) > 0 {
		var field []byte
		field, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok || bytes.ContainsAny(name, " \t") || bytes.ContainsAny(field, "\r\n") {
			return 0, false
		}
		switch {
		case is(name, "Connection") && is(bytes.TrimSpace(value), "keep-alive"):
		case is(name, "Connection"), is(name, "Expect"), is(name, "Transfer-Encoding"), is(name, "Upgrade"):
			return 0, false
		case is(name, "Content-Length"):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
			if err != nil || given {
				return 0, false
			}
			length, given = int(n), true //nolint:gosec // 31 bits
		}
	}
	return length, true
}

func is(b []byte, s string) bool { return bytes.EqualFold(b, []byte(s)) }
