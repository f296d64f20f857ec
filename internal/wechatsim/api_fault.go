package wechatsim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault makes calls fail. Its effects add up; a Fault without any effect is
// refused. Each call gets the first queued Fault that matches it.
type Fault struct {
	Path   string  `json:"path"`   // the API path, or "*" for all
	Times  int     `json:"times"`  // how many calls it hits; 0 is one, -1 until cleared
	Skip   int     `json:"skip"`   // how many calls it lets pass first
	Rate   float64 `json:"rate"`   // share of the calls that it hits, drawn from the seed; 0 is all
	Reused bool    `json:"reused"` // only calls on a connection that served a call before
	When   string  `json:"when"`   // "before" the effect, so that there is none (default), or "after" it

	ErrCode     int     `json:"errcode"`
	ErrMsg      string  `json:"errmsg"` // WeChat's own text if empty
	HTTPStatus  int     `json:"http_status"`
	Body        *string `json:"body"`         // the whole body; "" is an empty one
	ContentType string  `json:"content_type"` // alone, it relabels the real answer
	LatencyMS   int     `json:"latency_ms"`   // before or after the effect, as When says
	Drop        bool    `json:"drop"`         // the connection ends without an answer
	Truncate    int     `json:"truncate"`     // so many bytes of the real answer, then the connection ends
	Dirt        string  `json:"dirt"`         // what is wrong with the JSON of the answer: see README.md
}

func (f Fault) check() error {
	switch {
	case f.Path == "":
		return fmt.Errorf(`path: which API path, or "*"`)
	case f.When != "" && f.When != "before" && f.When != "after":
		return fmt.Errorf(`when: "before" or "after"`)
	case f.Times < -1 || f.Skip < 0 || f.LatencyMS < 0 || f.Truncate < 0:
		return fmt.Errorf("times, skip, latency_ms, truncate: not negative (times may be -1)")
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("rate: between 0 and 1")
	case f.HTTPStatus != 0 && (f.HTTPStatus < 200 || f.HTTPStatus > 599):
		return fmt.Errorf("http_status: between 200 and 599")
	case !f.replaces() && f.LatencyMS == 0 && f.ContentType == "" && f.Truncate == 0 && f.Dirt == "":
		return fmt.Errorf("errcode, http_status, body, content_type, latency_ms, drop, truncate or dirt: at least one")
	}
	return checkDirt(f.Dirt)
}

// AddFault queues one fault behind the faults that are queued. The error names the
// field that is wrong.
func (s *Sim) AddFault(f Fault) error {
	known := slices.ContainsFunc(endpoints(), func(ep endpoint) bool { return ep.path == f.Path })
	if f.Path != "" && f.Path != "*" && !known {
		return invalidField("path", "path: %s is not imitated; GET /_sim/ lists what is", f.Path)
	}
	if err := f.check(); err != nil {
		return err
	}
	s.faults.add(f)
	return nil
}

// replaces reports whether the real answer is not sent.
func (f *Fault) replaces() bool {
	return f.ErrCode != 0 || f.HTTPStatus != 0 || f.Body != nil || f.Drop
}

// preventsEffect reports whether the call must have no effect. f may be nil.
func (f *Fault) preventsEffect() bool { return f != nil && f.replaces() && f.When != "after" }

// delay returns how long to wait before the effect of the call, or after it. f may
// be nil.
func (f *Fault) delay(after bool) time.Duration {
	if f == nil || (f.When == "after") != after {
		return 0
	}
	return time.Duration(f.LatencyMS) * time.Millisecond
}

// apply returns the answer to send instead of a. f may be nil.
func (f *Fault) apply(a answer, path string, s *Sim) answer {
	switch {
	case f == nil:
		return a
	case f.Drop:
		return answer{outcome: "dropped"}
	case f.replaces():
		a = answer{status: http.StatusOK, contentType: contentTypeOf(path), outcome: "fault"}
	}
	if f.HTTPStatus != 0 {
		a.status = f.HTTPStatus
	}
	if f.Body != nil {
		a.body = []byte(*f.Body)
	}
	if f.ErrCode != 0 {
		a.body, a.outcome = s.faultBody(path, f), "fault:"+strconv.Itoa(f.ErrCode)
	}
	if f.ContentType != "" {
		a.contentType = f.ContentType
	}
	if f.Dirt != "" {
		a.body = s.faults.soil(a.body, f.Dirt)
	}
	return a
}

func (s *Sim) faultBody(path string, f *Fault) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errorBody(path, f.ErrCode, cmp.Or(f.ErrMsg, errText(f.ErrCode)))
}

// write sends the answer, or the first Truncate bytes of it. f may be nil.
func (f *Fault) write(w http.ResponseWriter, a answer, now time.Time) {
	if a.outcome == "dropped" {
		panic(http.ErrAbortHandler) // net/http ends the connection without an answer
	}
	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if f == nil || f.Truncate == 0 || f.Truncate >= len(a.body) {
		w.Write(a.body)
		return
	}
	w.Write(a.body[:f.Truncate])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// faultQueue holds faults in the order in which they were queued.
type faultQueue struct {
	mu          sync.Mutex
	rng         *rand.Rand
	queue       []*queuedFault
	connections boundedMap[bool] // those that served a call
}

type queuedFault struct {
	Fault
	Left int `json:"left"` // -1: until cleared
	Hits int `json:"hits"`
}

func newFaultQueue(rng *rand.Rand) *faultQueue {
	return &faultQueue{rng: rng, connections: newBoundedMap[bool](10_000)}
}

func (q *faultQueue) add(f Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, &queuedFault{Fault: f, Left: cmp.Or(f.Times, 1)})
}

// next returns the first fault that hits this call, or nil.
func (q *faultQueue) next(path, conn string) *Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	reused := q.connections.items[conn]
	if !reused {
		q.connections.put(conn, true)
	}
	for _, f := range q.queue {
		if f.matches(path, reused) && q.hit(f) {
			hit := f.Fault
			return &hit
		}
	}
	return nil
}

func (f *queuedFault) matches(path string, reused bool) bool {
	return f.Left != 0 && (f.Path == "*" || f.Path == path) && (!f.Reused || reused)
}

// hit counts f down and reports whether it hits.
func (q *faultQueue) hit(f *queuedFault) bool {
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Rate > 0 && q.rng.Float64() >= f.Rate {
		return false
	}
	if f.Left > 0 {
		f.Left--
	}
	f.Hits++
	return true
}

func (q *faultQueue) list() []queuedFault {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]queuedFault, 0, len(q.queue))
	for _, f := range q.queue {
		out = append(out, *f)
	}
	return out
}

// clear removes the faults of one path; "" means all.
func (q *faultQueue) clear(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.queue[:0]
	for _, f := range q.queue {
		if path != "" && f.Path != path {
			kept = append(kept, f)
		}
	}
	clear(q.queue[len(kept):])
	q.queue = kept
}
