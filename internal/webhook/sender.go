package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// perEndpoint is how many deliveries, of different queues, a replica sends to one
	// endpoint at once.
	perEndpoint = 8
	// inARow is how many deliveries of a queue are sent before others get the slot.
	inARow = 20
	// leaseTime is longer than an attempt and the time to record its outcome. After a
	// crash the queue waits for the end of the lease.
	leaseTime    = 20 * time.Second
	recordTime   = 4 * time.Second
	pollInterval = 500 * time.Millisecond
	errorPause   = 5 * time.Second
	// drainTime is how long attempts may go on after the end of Run's ctx. One that is
	// cut off is sent again.
	drainTime = 3 * time.Second

	firstWait   = time.Second
	longestWait = 24 * time.Hour
	// maxAttempts is one more than those after which the wait was the longest: in all
	// about two days and a half.
	maxAttempts = 19

	// Delivered events are kept for keepTime, and then purgePage are deleted at once.
	keepTime   = 30 * 24 * time.Hour
	purgeEvery = time.Minute
	purgePage  = 500
)

// PauseAfter is how many attempts in a row an endpoint must not answer to be paused.
const PauseAfter = 3

// Pause returns for how long an endpoint is paused. failures counts the PauseAfter
// attempts that it did not answer and, since then, the probes.
func Pause(failures int64) time.Duration {
	return min((firstWait/2)<<min(failures, 10), time.Minute)
}

// Run sends deliveries and blocks until ctx ends. Then it waits for the attempts in
// progress, for at most 3 s and the time to record their outcomes. Any number of
// replicas may run it.
func (s *Service) Run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := sender{Service: s, busy: map[string]int{}, wake: make(chan struct{}, 1)}
	defer func() {
		defer time.AfterFunc(drainTime, stop).Stop()
		r.running.Wait()
	}()
	r.running.Go(func() { s.purge(ctx) })
	for ctx.Err() == nil {
		wait := pollInterval
		if err := r.start(ctx, work); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "webhooks: read failed; will retry", "error", err)
			wait = errorPause
		}
		pause(ctx, r.wake, wait)
	}
}

// pause blocks until ctx ends, a signal comes, or at most longest has passed.
func pause(ctx context.Context, signal <-chan struct{}, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-signal:
	case <-time.After(longest/2 + rand.N(longest/2)):
	}
}

// sender is one run of Run.
type sender struct {
	*Service
	mu      sync.Mutex
	busy    map[string]int // the slots of each endpoint that are taken
	running sync.WaitGroup
	wake    chan struct{} // signals that a slot is free
}

// start leases what is due, as far as its endpoint has free slots, and sends it in the
// background until work ends.
func (r *sender) start(ctx, work context.Context) error {
	due, err := r.store.Due(ctx)
	if err != nil {
		return err
	}
	for _, id := range due {
		r.mu.Lock()
		free := perEndpoint - r.busy[id]
		r.mu.Unlock()
		if free == 0 {
			continue
		}
		e, err := r.store.Endpoint(ctx, id)
		if errors.Is(err, ErrNotFound) { // removed meanwhile
			continue
		}
		if err != nil {
			return err
		}
		leased, err := r.store.Lease(ctx, id, uuid.NewString(), leaseTime, free)
		if err != nil {
			return err
		}
		for _, d := range leased {
			r.take(id, 1)
			r.running.Go(func() {
				defer r.take(id, -1)
				r.sendQueue(ctx, work, e, d)
			})
		}
	}
	return nil
}

// take takes a slot of an endpoint, or gives it back.
func (r *sender) take(id string, n int) {
	r.mu.Lock()
	r.busy[id] += n
	r.mu.Unlock()
	if n < 0 {
		select {
		case r.wake <- struct{}{}:
		default: // it is signaled already
		}
	}
}

// sendQueue sends the deliveries of a queue, from d on, until one fails, none is left,
// or ctx ends.
func (r *sender) sendQueue(ctx, work context.Context, e Endpoint, d Delivery) {
	for n := 1; ; n++ {
		a := r.try(work, e, d)
		if a.Err != nil {
			r.fail(work, d, a)
			return
		}
		next, err := r.done(work, d)
		r.Observe(outcomeOf(err, "delivered"))
		if err != nil {
			return
		}
		if d = next; n >= inARow || ctx.Err() != nil {
			r.record(work, "released", d, func(ctx context.Context) error { return r.store.Release(ctx, d) })
			return
		}
	}
}

// try is attempt; a panic is an error like others, so that the process goes on.
func (r *sender) try(ctx context.Context, e Endpoint, d Delivery) (a Attempt) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.ErrorContext(ctx, "panic", "type", d.Type, "panic", p, "stack", string(debug.Stack()))
			a.Err = fmt.Errorf("panic: %v", p)
		}
	}()
	return r.attempt(ctx, e, d)
}

// done records a delivery and returns the next one of the queue, or an error.
func (r *sender) done(ctx context.Context, d Delivery) (next Delivery, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	next, err = r.store.Done(ctx, d, leaseTime)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrLeaseLost) {
		r.Log.WarnContext(ctx, "webhooks: outcome not recorded; it will be sent again", "type", d.Type, "error", err)
	}
	return next, err
}

// outcomeOf returns the outcome that was to be recorded, or that it was not.
func outcomeOf(err error, outcome string) string {
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "lost"
	}
	return outcome
}

// fail postpones a delivery that failed, or parks it.
func (r *sender) fail(work context.Context, d Delivery, a Attempt) {
	if work.Err() != nil { // the end of Run has cut it off
		r.record(work, "released", d, func(ctx context.Context) error { return r.store.Release(ctx, d) })
		return
	}
	f := failureOf(d, a)
	outcome := "failed"
	if f.Park {
		outcome = "dead"
	}
	r.Log.InfoContext(work, "webhooks: not delivered", "webhook", d.WebhookID, "type", d.Type, "error", a.Err, "in", f.Wait, "dead", f.Park)
	r.record(work, outcome, d, func(ctx context.Context) error { return r.store.Fail(ctx, d, f) })
}

// failureOf returns what becomes of a delivery after an attempt that failed.
func failureOf(d Delivery, a Attempt) Failure {
	f := Failure{Why: brief(a.Err), Wait: backOff(d.Attempts), Park: d.Attempts+1 >= maxAttempts}
	f.NoAnswer = slices.Contains([]int{0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout}, a.Status)
	if a.Status == http.StatusGone {
		f.Disable = "the endpoint answers 410 Gone: it wants no more events"
	}
	return f
}

// backOff returns how long to wait after a failure, with jitter, so that what failed
// together does not come back together. attempts counts the failures before this one.
func backOff(attempts int64) time.Duration {
	wait := min(firstWait<<min(attempts, 20), longestWait)
	return wait/2 + rand.N(wait/2+1)
}

// record ends the lease of a queue. If that fails, the lease ends by itself.
func (r *sender) record(ctx context.Context, outcome string, d Delivery, how func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	err := how(ctx)
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		r.Log.WarnContext(ctx, "webhooks: outcome not recorded; it will be sent again", "type", d.Type, "outcome", outcome, "error", err)
	}
	r.Observe(outcomeOf(err, outcome))
}

// brief returns err's text, cut to what is kept with a delivery.
func brief(err error) string {
	const most = 300
	text := err.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// purge deletes what was delivered long ago, in small pieces, until ctx ends.
func (s *Service) purge(ctx context.Context) {
	for ctx.Err() == nil {
		deleted, err := s.store.Purge(ctx, keepTime, purgePage)
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "webhooks: delete old deliveries: failed; will retry", "error", err)
		}
		if deleted < purgePage {
			pause(ctx, nil, purgeEvery)
		}
	}
}
