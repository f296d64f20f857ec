package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// maxQueue bounds for each processor the requests that wait for it. They take
	// about forty milliseconds.
	maxQueue = 128
	// quietTime without more ends a burst.
	quietTime = 100 * time.Millisecond
	// blocked is a number of requests of one pool that cannot all wait for the
	// processor. They wait for the database or WeChat, and the slots bound them.
	blocked = 64
)

// gate refuses requests when more arrive than the processor can serve. It counts
// those that wait for the processor, and no others: to wait for WeChat or for a
// commit is no work.
//
// As many more as its route has slots may come at once: mini-programs that open at the
// same moment are no overload.
type gate struct {
	limit   int32
	waiting atomic.Int32
	more    atomic.Int32 // requests of this burst beyond limit
	last    atomic.Int64 // when the last of them came, as UnixNano
}

func newGate() *gate {
	return &gate{limit: int32(maxQueue * runtime.GOMAXPROCS(0))} //nolint:gosec // few processors
}

// pass reports whether a request may be worked on. It lets other goroutines run
// first, so that all requests that have come are counted before the work on one
// of them begins.
func (g *gate) pass(burst int) bool {
	if g.waiting.Add(1) > g.limit && g.overloaded(time.Now(), burst) {
		g.waiting.Add(-1)
		return false
	}
	runtime.Gosched()
	g.waiting.Add(-1)
	return true
}

func (g *gate) overloaded(now time.Time, burst int) bool {
	if t := now.UnixNano(); t-g.last.Swap(t) > int64(quietTime) {
		g.more.Store(0)
	}
	if int(g.more.Load()) >= burst {
		return true
	}
	g.more.Add(1)
	return false
}

// refuseExcess refuses a request at once when its route has no slots left, or when
// too many requests wait for the processor. It comes before everything else, because
// a refusal must cost a small part of what serving costs.
func (l *Listener) refuseExcess(c *gin.Context) {
	a := l.admission(c)
	used := len(a.Slots)
	switch {
	case a.Urgent:
	case !a.Free && used == cap(a.Slots), used < blocked && !l.gate.pass(cap(a.Slots)):
		l.refuse(c)
	}
}

// refuse is Fail for Unavailable, but it writes no line of the log for each request,
// and the problem has no request_id.
func (l *Listener) refuse(c *gin.Context) {
	RefuseBody(c)
	h := c.Writer.Header()
	for _, field := range refusal.header {
		h[field.name] = field.values
	}
	c.Writer.WriteHeader(http.StatusServiceUnavailable)
	_, _ = c.Writer.Write(refusal.body) // fails only if the client has gone
	c.Abort()
	l.options.Observe(routeOf(c), methodOf(c.Request), http.StatusServiceUnavailable, 0)
	l.refused.count(l.options.Log)
}

// refusal is the answer to all requests that are refused for their number.
var refusal = newRefusal()

type headerField struct {
	name   string
	values []string
}

type answerBytes struct {
	header []headerField
	body   []byte
}

func newRefusal() answerBytes {
	p := newProblem(context.Background(), Unavailable)
	body, err := Marshal(p)
	if err != nil {
		panic(err)
	}
	return answerBytes{body: body, header: []headerField{
		{"Content-Type", []string{p.ContentType("")}},
		{"Content-Length", []string{strconv.Itoa(len(body))}},
		{"Retry-After", p.GetHeaders()["Retry-After"]},
		{"Cache-Control", []string{"no-store"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Content-Security-Policy", []string{"default-src 'none'"}},
	}}
}

// refused counts refusals for the log, which gets at most one line a second.
type refused struct {
	n    atomic.Int64
	next atomic.Int64 // when the next line may be written, as UnixNano
}

func (r *refused) count(log *slog.Logger) {
	r.n.Add(1)
	now, next := time.Now().UnixNano(), r.next.Load()
	if now >= next && r.next.CompareAndSwap(next, now+int64(time.Second)) {
		log.Warn("requests refused: more come than can be served", "requests", r.n.Swap(0))
	}
}
