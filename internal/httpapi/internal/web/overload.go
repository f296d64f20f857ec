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

// refuseExcess refuses a request at once when its route has no slots left, or when
// more come than the processor can serve. It comes before everything else, because a
// refusal must cost a small part of what serving costs.
func (l *Listener) refuseExcess(c *gin.Context) {
	a := l.admission(c)
	if !a.Urgent && (!a.Free && len(a.Slots) == cap(a.Slots) || l.gate.full()) {
		l.refuse(c)
	}
}

// waitForTurn blocks until the processor has time for a request. It comes when the
// request is proved and its body is read, so that a slow client holds nothing up.
func (l *Listener) waitForTurn(c *gin.Context) {
	if l.admission(c).Urgent {
		return
	}
	defer l.gate.begin()()
	c.Next()
}

const (
	// maxBegun bounds for each processor the requests that have begun less than
	// beginTime ago and have not ended. What takes longer waits for WeChat, for a
	// commit or for its client, which is no work.
	maxBegun  = 16
	beginTime = 5 * time.Millisecond
)

// gate makes requests wait for the processor where they are counted. Few begin at
// once, so that a request that comes is seen soon although the processor is busy. It
// is safe for concurrent use.
type gate struct {
	begun   chan struct{} // a place for each request that has begun, but not for long
	waiting atomic.Int32  // requests that wait for a place
	most    int           // of them
}

// newGate returns a gate where so many requests wait for each processor. A long queue
// serves more: refusing costs a third of what serving costs, and the clients that wait
// send nothing meanwhile. A short one keeps fewer connections open.
func newGate(queue int) *gate {
	n := runtime.GOMAXPROCS(0)
	return &gate{begun: make(chan struct{}, maxBegun*n), most: queue * n}
}

// full reports whether no more requests may wait.
func (g *gate) full() bool { return int(g.waiting.Load()) >= g.most }

// begin waits until a request may begin. The caller must call end when the request
// has ended. When it takes long, its place is given back before.
func (g *gate) begin() (end func()) {
	select {
	case g.begun <- struct{}{}:
	default:
		g.waiting.Add(1)
		g.begun <- struct{}{}
		g.waiting.Add(-1)
	}
	late := time.AfterFunc(beginTime, func() {
		runtime.Gosched() // if it has waited for a processor, it runs first: a busy server does not begin ever more
		<-g.begun
	})
	// Requests that have come meanwhile are seen first: otherwise connections whose
	// clients are quick would be served again and again.
	runtime.Gosched()
	return func() {
		if late.Stop() {
			<-g.begun
		}
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
	l.refused.count(l.options.Log, "requests refused: more come than can be served")
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

// tally counts requests without a line of the log of their own. The log gets at most
// one line a second about them. It is safe for concurrent use.
type tally struct {
	n    atomic.Int64
	next atomic.Int64 // when the next line may be written, as UnixNano
}

func (t *tally) count(log *slog.Logger, line string) {
	t.n.Add(1)
	now, next := time.Now().UnixNano(), t.next.Load()
	if now >= next && t.next.CompareAndSwap(next, now+int64(time.Second)) {
		log.Warn(line, "requests", t.n.Swap(0))
	}
}
