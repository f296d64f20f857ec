package web

import (
	"bytes"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// Admission is what a listener asks of the requests for a route before it works
// on them. A request is proved before its body is read, and its body is read
// before it takes a slot, so that none of this can be used up by clients that
// prove nothing or are slow.
type Admission struct {
	// Prove refuses a request, by Fail or Abort, that does not prove what the route
	// asks for. It must be cheap, and must not read the body; nil refuses none.
	Prove gin.HandlerFunc
	// Read reads the body into memory and leaves it in the request; nil reads JSON.
	Read gin.HandlerFunc
	// Slots bounds by its capacity the requests for the routes that share it; nil is
	// Options.InFlight or Options.Reads.
	Slots chan struct{}
	// Streams says that answers are too long to be kept in memory. Such a request
	// keeps its slot until its client has read the answer.
	Streams bool
	// Free says that requests need no slot: they are answered at once from memory.
	Free bool
	// Refuse answers a request that is not served, instead of Fail.
	Refuse func(*gin.Context, *Problem)
	// Urgent says that requests are not refused because too many of others come.
	Urgent bool
}

type routeKey struct{ method, path string }

// Admit says what is asked of a route. The path has the form of gin or of huma.
// Other routes ask for a slot of Options.InFlight or Options.Reads.
func (l *Listener) Admit(method, path string, a Admission) {
	path = strings.NewReplacer("{", ":", "}", "").Replace(path)
	if a.Slots == nil {
		a.Slots = l.slots(method)
	}
	l.admissions[routeKey{method, path}] = a
}

func (l *Listener) admission(c *gin.Context) Admission {
	path := c.FullPath()
	if a, ok := l.admissions[routeKey{c.Request.Method, path}]; ok {
		return a
	}
	return Admission{Slots: l.slots(c.Request.Method), Free: path == ""}
}

// slots returns the slots for a route without its own.
func (l *Listener) slots(method string) chan struct{} {
	if method == http.MethodGet && l.options.Reads != nil {
		return l.options.Reads
	}
	return l.options.InFlight
}

// Prove refuses a request that does not prove what its route asks for.
func (l *Listener) Prove(c *gin.Context) {
	if prove := l.admission(c).Prove; prove != nil {
		prove(c)
	}
}

// takeSlot refuses a request at once when there is no slot: it would only wait
// for the CPU and the database, and hold memory. It returns the slot before the
// answer is sent, so that a client that does not read keeps none.
func (l *Listener) takeSlot(c *gin.Context) {
	a := l.admission(c)
	slots := a.Slots
	if a.Free {
		c.Next()
		return
	}
	select {
	case slots <- struct{}{}:
	default:
		l.Fail(c, Unavailable.Err())
		return
	}
	if a.Streams {
		defer func() { <-slots }()
		c.Next()
		return
	}
	answer := holdAnswer(c)
	func() {
		defer func() {
			c.Writer = answer.ResponseWriter
			<-slots
		}()
		c.Next()
	}()
	answer.send(c)
}

// heldAnswer keeps the body of an answer in memory until it is complete.
type heldAnswer struct {
	gin.ResponseWriter
	body    *bytes.Buffer
	written bool
}

var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func holdAnswer(c *gin.Context) *heldAnswer {
	body, _ := answers.Get().(*bytes.Buffer)
	h := &heldAnswer{ResponseWriter: c.Writer, body: body}
	c.Writer = h
	return h
}

// send sends the answer. The connection waits for its client meanwhile.
func (h *heldAnswer) send(c *gin.Context) {
	conn := conns.Of(c.Request.Context())
	conn.Wait()
	defer conn.Work()
	if h.written {
		h.ResponseWriter.WriteHeaderNow()
	}
	if h.body.Len() > 0 {
		_, _ = h.ResponseWriter.Write(h.body.Bytes()) // fails only if the client has gone
	}
	const most = 64 << 10
	if h.body.Cap() <= most {
		h.body.Reset()
		answers.Put(h.body)
	}
}

// Write implements http.ResponseWriter.
func (h *heldAnswer) Write(b []byte) (int, error) {
	h.written = true
	return h.body.Write(b)
}

// WriteString implements io.StringWriter.
func (h *heldAnswer) WriteString(s string) (int, error) {
	h.written = true
	return h.body.WriteString(s)
}

// Written implements gin.ResponseWriter.
func (h *heldAnswer) Written() bool { return h.written || h.ResponseWriter.Written() }

// Size implements gin.ResponseWriter.
func (h *heldAnswer) Size() int { return h.body.Len() }

// Flush implements http.Flusher: the answer is sent when it is complete.
func (h *heldAnswer) Flush() { h.written = true }

// WriteHeaderNow implements gin.ResponseWriter.
func (h *heldAnswer) WriteHeaderNow() { h.written = true }

// Unwrap is for http.ResponseController.
func (h *heldAnswer) Unwrap() http.ResponseWriter { return h.ResponseWriter }
