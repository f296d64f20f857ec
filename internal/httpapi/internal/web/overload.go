package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// refuseExcess refuses a request at once when the gate says so, or when its route has
// no slots left. It comes before everything else, because a refusal must cost a
// small part of what serving costs.
func (l *Listener) refuseExcess(c *gin.Context) {
	a := l.admission(c)
	if conns.Of(c.Request.Context()).Refused() || !a.Urgent && !a.Free && len(a.Slots) == cap(a.Slots) {
		l.refuse(c)
	}
}

// gate refuses requests when more come than the processor can serve.
func (l *Listener) gate() *conns.Gate {
	o := conns.GateOptions{Refusal: refusal.message(), Burst: cap(l.options.InFlight), RestTime: idleTime}
	for route, a := range l.admissions {
		if a.Urgent {
			path, _, _ := strings.Cut(route.path, ":")
			o.Urgent = append(o.Urgent, route.method+" "+path)
		}
	}
	o.Refused = func(method string) {
		l.options.Observe("refused", method, http.StatusServiceUnavailable, 0)
		l.refused.count(l.options.Log)
	}
	return conns.NewGate(o)
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

// message returns the whole answer, as package conns sends it.
func (a answerBytes) message() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable))
	for _, field := range a.header {
		fmt.Fprintf(&b, "%s: %s\r\n", field.name, field.values[0])
	}
	b.WriteString("\r\n")
	b.Write(a.body)
	return b.Bytes()
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
