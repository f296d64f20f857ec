package push

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"sync"
	"time"
)

const (
	maxTries       = 3               // "Message push": three tries in all
	defaultTimeout = 5 * time.Second // and five seconds for each
	reorderWait    = time.Second     // how long a reordered event waits for another to overtake it
	maxDeliveries  = 5000            // how many the log keeps
)

// Sender delivers events to a callback: the events of one person in order, those
// of different persons at the same time. It is safe for concurrent use.
type Sender struct {
	client  *http.Client
	timeout time.Duration
	closed  chan struct{}
	work    sync.WaitGroup

	mu       sync.Mutex
	callback Callback
	style    Style
	closing  bool
	queues   map[string]*queue // by openid
	log      []*Delivery
	lastID   int
	pending  int
	waiters  []chan struct{} // closed when pending falls to 0
	faults   []*QueuedFault
}

// Style is how a [Sender] writes events where WeChat's documents are uncertain.
type Style struct {
	SpacedXML     bool // white space around the CDATA, as in WeChat's own samples
	ResignRetries bool // a retry has a new timestamp, nonce and signature
}

// job is one event on its way to the callback.
type job struct {
	message
	delivery   *Delivery
	duplicates int  // further deliveries of the same event
	reorder    bool // let the person's next event pass first
	delay      time.Duration
	resign     bool
	done       chan struct{} // closed when nothing more happens
}

// queue holds the jobs of one person.
type queue struct {
	jobs    []*job
	arrived chan struct{}
}

// NewSender returns a Sender without a callback; Close ends it. timeout bounds one
// try; 0 is WeChat's 5 s.
func NewSender(timeout time.Duration) *Sender {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{client: &http.Client{Transport: transport, CheckRedirect: noRedirect},
		timeout: cmp.Or(timeout, defaultTimeout), closed: make(chan struct{}), queues: map[string]*queue{}}
}

// SetCallback changes where later events go; a Callback without a URL ends the
// deliveries. The error names the field that is wrong, and then nothing changes.
func (s *Sender) SetCallback(c Callback) error {
	if c.URL == "" {
		c = Callback{}
	} else if err := c.normalize(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callback = c
	return nil
}

// Callback returns where events go.
func (s *Sender) Callback() Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.callback
}

// SetStyle changes how later events are written.
func (s *Sender) SetStyle(style Style) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.style = style
}

// Send logs the event and starts its delivery, changed by the first fault that
// matches it. It does not block.
func (s *Sender) Send(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.newJob(message{event: e, callback: s.callback})
	if s.callback.URL == "" {
		j.delivery.State = "unsent"
	}
	s.applyFault(j)
	s.start(j)
}

// SendTrigger sends the event of t after the delay, with so many duplicates and
// without faults. It returns at once with a delay; otherwise it blocks until the
// event is delivered or given up, or ctx is done. The error names the field that
// is wrong.
func (s *Sender) SendTrigger(ctx context.Context, t Trigger, duplicates int, delay time.Duration) (Delivery, error) {
	m, err := t.message()
	if err != nil {
		return Delivery{}, err
	}
	s.mu.Lock()
	j := s.newJob(m)
	j.duplicates, j.delay = duplicates, delay
	s.start(j)
	s.mu.Unlock()
	if delay == 0 {
		select {
		case <-j.done:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.delivery.copy(), nil
}

// newJob makes a job of the present style. It needs s.mu.
func (s *Sender) newJob(m message) *job {
	m.spaced = s.style.SpacedXML
	e := m.event
	d := &Delivery{Event: e.Name, OpenID: e.FromUserName, CreateTime: e.CreateTime,
		Fields: maps.Clone(e.Fields), State: "waiting", Tries: []Try{}}
	return &job{message: m, delivery: d, resign: s.style.ResignRetries, done: make(chan struct{})}
}

// start logs the job and queues it, at once or after its delay. It needs s.mu.
func (s *Sender) start(j *job) {
	s.logDelivery(j.delivery)
	if s.closing {
		j.delivery.State = "unsent"
	}
	if j.delivery.State != "waiting" {
		close(j.done)
		return
	}
	s.pending++
	if j.delay == 0 {
		s.enqueue(j)
		return
	}
	s.work.Go(func() {
		s.pause(j.delay)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.enqueue(j)
	})
}

func (s *Sender) logDelivery(d *Delivery) {
	s.lastID++
	d.ID = s.lastID
	if len(s.log) == maxDeliveries {
		s.log = append(s.log[:0], s.log[maxDeliveries/2:]...)
	}
	s.log = append(s.log, d)
}

// enqueue needs s.mu.
func (s *Sender) enqueue(j *job) {
	openID := j.event.FromUserName
	q := s.queues[openID]
	if q == nil {
		q = &queue{jobs: []*job{j}, arrived: make(chan struct{}, 1)}
		s.queues[openID] = q
		s.work.Go(func() { s.drain(openID, q) })
		return
	}
	q.jobs = append(q.jobs, j)
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// drain delivers the jobs of a queue, one after the other, until it is empty.
func (s *Sender) drain(openID string, q *queue) {
	for {
		s.awaitSuccessor(q)
		j := s.next(openID, q)
		if j == nil {
			return
		}
		for range j.duplicates + 1 {
			s.deliver(j)
		}
		s.finish(j)
	}
}

// awaitSuccessor blocks while the only job of the queue is one to be overtaken,
// at most for reorderWait.
func (s *Sender) awaitSuccessor(q *queue) {
	timer := time.NewTimer(reorderWait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		alone := len(q.jobs) == 1 && q.jobs[0].reorder
		s.mu.Unlock()
		if !alone {
			return
		}
		select {
		case <-q.arrived:
		case <-timer.C:
			return
		case <-s.closed:
			return
		}
	}
}

// next removes the job to deliver from the queue. It removes an empty queue and
// returns nil.
func (s *Sender) next(openID string, q *queue) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(q.jobs) == 0 {
		delete(s.queues, openID)
		return nil
	}
	if q.jobs[0].reorder && len(q.jobs) > 1 {
		q.jobs[0].reorder = false
		q.jobs[0], q.jobs[1] = q.jobs[1], q.jobs[0]
	}
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j
}

func (s *Sender) finish(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(j.done)
	s.pending--
	if s.pending == 0 {
		for _, waiter := range s.waiters {
			close(waiter)
		}
		s.waiters = nil
	}
}

// pause blocks for d, or until the Sender closes.
func (s *Sender) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closed:
	}
}

// Wait blocks until every event is delivered or given up, delayed ones included,
// or ctx is done. The error is that of ctx.
func (s *Sender) Wait(ctx context.Context) error {
	s.mu.Lock()
	if s.pending == 0 {
		s.mu.Unlock()
		return nil
	}
	waiter := make(chan struct{})
	s.waiters = append(s.waiters, waiter)
	s.mu.Unlock()
	select {
	case <-waiter:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deliveries returns the log of the latest events, oldest first.
func (s *Sender) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Delivery, 0, len(s.log))
	for _, d := range s.log {
		out = append(out, d.copy())
	}
	return out
}

// Close gives up the tries under way and blocks until they have ended. Later
// events are logged as unsent; later calls of Close do nothing.
func (s *Sender) Close() {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.closed)
	}
	s.mu.Unlock()
	s.work.Wait()
	s.client.CloseIdleConnections()
}
