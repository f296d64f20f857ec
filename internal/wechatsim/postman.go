package wechatsim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	pushTries      = 3               // "Message push": three tries in all
	pushTimeout    = 5 * time.Second // and five seconds for each
	reorderWait    = time.Second     // how long a reordered event waits for one to follow it
	keptDeliveries = 5000
)

// Delivery is one event as it was pushed, or not. State is waiting, delivered,
// failed (three tries were in vain), dropped (by a fault) or unsent (no callback
// is set).
type Delivery struct {
	ID         int               `json:"id"`
	Event      string            `json:"event"`
	OpenID     string            `json:"openid"`
	CreateTime int64             `json:"create_time"` // by WeChat's clock
	Fields     map[string]string `json:"fields"`
	State      string            `json:"state"`
	Tries      []Try             `json:"tries"`
}

// Try is one attempt to deliver. Outcome is success, timeout, unreachable,
// status (not 200) or answer (neither "success" nor empty).
type Try struct {
	At      time.Time `json:"at"` // real time
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	Millis  int64     `json:"ms"`
}

// parcel is one delivery on its way.
type parcel struct {
	push
	delivery *Delivery
	again    int  // further deliveries of the same event
	swap     bool // let the next event of the lane pass first
	late     time.Duration
	refresh  bool // a new timestamp and nonce for each try
	done     chan struct{}
}

// postman delivers events: one person's in order, different persons' side by
// side. It has its own lock, which is taken after that of the Sim.
type postman struct {
	client  *http.Client
	timeout time.Duration
	closed  chan struct{}
	work    sync.WaitGroup

	mu      sync.Mutex
	shut    bool // nothing is taken any more
	lanes   map[string]*lane
	log     []*Delivery
	nextID  int
	pending int
	idle    []chan struct{}
	rules   []*queuedEventFault
}

type lane struct {
	queue   []*parcel
	arrived chan struct{}
}

func newPostman(timeout time.Duration, closed chan struct{}) *postman {
	if timeout == 0 {
		timeout = pushTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &postman{client: client, timeout: timeout, closed: closed, lanes: map[string]*lane{}}
}

// post takes a parcel, logs it and sees to its delivery without blocking.
func (p *postman) post(it *parcel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(it)
	if p.shut {
		it.delivery.State = "unsent"
	}
	if it.delivery.State != "waiting" {
		close(it.done)
		return
	}
	p.pending++
	if it.late == 0 {
		p.enqueue(it)
		return
	}
	p.work.Go(func() {
		p.pause(it.late)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.enqueue(it)
	})
}

func (p *postman) enter(it *parcel) {
	p.nextID++
	it.delivery.ID = p.nextID
	if len(p.log) == keptDeliveries {
		p.log = append(p.log[:0], p.log[keptDeliveries/2:]...)
	}
	p.log = append(p.log, it.delivery)
}

// enqueue needs p.mu.
func (p *postman) enqueue(it *parcel) {
	l := p.lanes[it.from]
	if l == nil {
		l = &lane{arrived: make(chan struct{}, 1)}
		p.lanes[it.from] = l
		l.queue = append(l.queue, it)
		p.work.Go(func() { p.run(it.from, l) })
		return
	}
	l.queue = append(l.queue, it)
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// run delivers what is in a lane and ends with it.
func (p *postman) run(name string, l *lane) {
	for {
		p.awaitSuccessor(l)
		it := p.next(name, l)
		if it == nil {
			return
		}
		for range it.again + 1 {
			p.deliver(it)
		}
		p.finish(it)
	}
}

// awaitSuccessor gives a reordered event the time to be overtaken.
func (p *postman) awaitSuccessor(l *lane) {
	timer := time.NewTimer(reorderWait)
	defer timer.Stop()
	for {
		p.mu.Lock()
		alone := len(l.queue) == 1 && l.queue[0].swap
		p.mu.Unlock()
		if !alone {
			return
		}
		select {
		case <-l.arrived:
		case <-timer.C:
			return
		case <-p.closed:
			return
		}
	}
}

func (p *postman) next(name string, l *lane) *parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.queue) == 0 {
		delete(p.lanes, name)
		return nil
	}
	if l.queue[0].swap && len(l.queue) > 1 {
		l.queue[0].swap = false
		l.queue[0], l.queue[1] = l.queue[1], l.queue[0]
	}
	it := l.queue[0]
	l.queue = l.queue[1:]
	return it
}

func (p *postman) finish(it *parcel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(it.done)
	p.pending--
	if p.pending == 0 {
		for _, waiter := range p.idle {
			close(waiter)
		}
		p.idle = nil
	}
}

// deliver tries up to three times.
func (p *postman) deliver(it *parcel) {
	sealed, err := it.seal(time.Now().Unix())
	for try := range pushTries {
		if try > 0 && it.refresh {
			sealed, err = it.seal(time.Now().Unix())
		}
		if err != nil {
			break
		}
		outcome := p.send(sealed)
		p.record(it, outcome)
		if outcome.Outcome == "success" {
			return
		}
		if outcome.Outcome != "timeout" && try < pushTries-1 {
			p.pause(p.timeout / 5)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	it.delivery.State = "failed"
}

func (p *postman) record(it *parcel, t Try) {
	p.mu.Lock()
	defer p.mu.Unlock()
	it.delivery.Tries = append(it.delivery.Tries, t)
	if t.Outcome == "success" {
		it.delivery.State = "delivered"
	}
}

// send is one try. The query timestamp is real time, whatever WeChat's clock says.
func (p *postman) send(l letter) Try {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	p.work.Go(func() {
		select {
		case <-p.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	start := time.Now()
	t := Try{At: start.UTC()}
	t.Outcome, t.Status = p.exchange(ctx, l)
	t.Millis = time.Since(start).Milliseconds()
	return t
}

func (p *postman) exchange(ctx context.Context, l letter) (outcome string, status int) {
	req, err := l.request(ctx)
	if err != nil {
		return "unreachable", 0
	}
	res, err := p.client.Do(req)
	if err != nil {
		return failure(err), 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	switch {
	case err != nil:
		return failure(err), res.StatusCode
	case res.StatusCode != http.StatusOK:
		return "status", res.StatusCode
	case len(body) > 0 && !bytes.Equal(body, []byte("success")):
		return "answer", res.StatusCode
	}
	return "success", res.StatusCode
}

func failure(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "unreachable"
}

func (p *postman) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closed:
	}
}

// close waits for everything under way; p.closed is closed already, so that is
// not long.
func (p *postman) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.work.Wait()
	p.client.CloseIdleConnections()
}

// wait blocks until nothing is under way.
func (p *postman) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.pending == 0 {
		p.mu.Unlock()
		return nil
	}
	waiter := make(chan struct{})
	p.idle = append(p.idle, waiter)
	p.mu.Unlock()
	select {
	case <-waiter:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *postman) deliveries() []Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Delivery, 0, len(p.log))
	for _, d := range p.log {
		one := *d
		one.Tries = append([]Try{}, d.Tries...)
		out = append(out, one)
	}
	return out
}
