package ticket

import (
	"errors"
	"time"
)

// patience is how long a caller without a value waits through a back-off, so
// that a short failure of WeChat delays it and does not fail it.
const patience = time.Second

// loopState is what the refresh loop keeps between its rounds.
type loopState struct {
	unconfirmedOwner string        // of a lease that we may hold although the Store did not confirm it
	highestFence     int64         // of all that were seen
	wait             leaseWait     // before the lease is requested again
	storeDown        bool          // the last call to the Store failed
	drift            time.Duration // of the clock, after its last jump
}

// leaseWait is the instant before which this replica does not request the
// lease.
type leaseWait struct {
	until   time.Duration
	backOff bool
}

// run is the refresh loop, the goroutine of a Source: it renews and shares the
// credential until Close.
func (s *Source) run() {
	defer close(s.done)
	for !s.isClosing() {
		err := s.runRound()
		next := s.endRound(err)
		s.idle(next)
	}
	s.failRejections()
}

// idle waits for d, for a caller that wakes the loop, or for Close.
func (s *Source) idle(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.wake:
	case <-s.closing:
	}
}

// runRound polls the shared copy once and, while there is no value to serve and
// another replica holds the lease, again every 50 to 100 ms.
func (s *Source) runRound() error {
	giveUp := s.now() + 2*s.opt.Lease
	for {
		err := s.poll()
		held, ok := errors.AsType[*HeldError](err)
		if !ok || held.BackOff || s.healthy() || s.isClosing() {
			return err
		}
		if s.now() > giveUp {
			return errNoValue
		}
		s.count(func(c *Counts) { c.LeaseWaits++ })
		s.pause(randomBetween(50*time.Millisecond, 100*time.Millisecond))
	}
}

func (s *Source) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closing:
	}
}

// poll compares the local copy with the shared one and does what is needed:
// adopt the shared copy, share the local one, or fetch.
func (s *Source) poll() error {
	s.count(func(c *Counts) { c.Polls++ })
	s.checkClock()
	s.beginPoll()
	missing, err := s.loadShared()
	if err != nil {
		return err
	}
	next := s.nextTask(missing)
	if next == taskNone {
		return nil
	}
	g, err := s.acquire(next)
	if held, ok := errors.AsType[*HeldError](err); ok && held.BackOff && !s.healthy() {
		// A holder may have saved a value between our load and our request.
		if _, failed := s.loadShared(); failed != nil {
			return failed
		}
		if s.healthy() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	// Another replica may have fetched between our load and our lease.
	missing, err = s.loadShared()
	if err != nil {
		s.release(g, 0)
		return err
	}
	switch s.nextTask(missing) {
	case taskShare:
		return s.share(g)
	case taskFetch:
		return s.fetch(g)
	}
	s.release(g, 0)
	return nil
}

type task int

const (
	taskNone  task = iota
	taskShare      // the Store does not have our copy
	taskFetch
)

// nextTask returns what to do next; missing says that the Store does not have
// the local copy.
func (s *Source) nextTask(missing bool) task {
	c := s.local.Load()
	switch {
	case missing && s.loop.wait.backOff && s.now() < s.loop.wait.until && s.healthy():
		return taskShare // the Store lost the back-off with the copy; share restores both
	case c == nil, !s.isBefore(c, c.renewAt), s.reported(c):
		return taskFetch
	case missing:
		return taskShare
	}
	return taskNone
}

// reported reports whether callers have reported the value of c as rejected and
// the fleet has not decided yet.
func (s *Source) reported(c *credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c != nil && s.rejections[c.value] != nil
}

// healthy reports whether there is a copy to serve that callers have not
// reported as rejected.
func (s *Source) healthy() bool {
	c := s.valid()
	return c != nil && !s.reported(c)
}

// endRound answers the reported rejections, sets the failure that callers get,
// wakes the waiting callers and returns the time until the next poll.
func (s *Source) endRound(err error) time.Duration {
	s.resolveRejections()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setFailure(err)
	s.refuseRejection()
	close(s.roundDone)
	s.roundDone, s.roundEnded = make(chan struct{}), s.now()
	return s.nextPoll()
}

// setFailure sets the failure that callers get after a round that ended with
// err. s.mu must be held.
func (s *Source) setFailure(err error) {
	now, waitUntil := s.now(), s.loop.wait.until
	held, isHeld := errors.AsType[*HeldError](err)
	switch {
	case err == nil, isHeld && !held.BackOff:
		s.failure = nil
	case isHeld && s.failure != nil && s.failure.until >= waitUntil:
		// keep the cause of our own failed fetch, which left this back-off behind
	case isHeld:
		s.failure = &failure{errBackOff, waitUntil}
	case waitUntil > now:
		after, _ := retryAfter(err)
		s.failure = &failure{err, max(waitUntil, now+after)}
	default: // the Store failed: do not call it again at once
		s.failure = &failure{err, now + randomBetween(patience/2, patience)}
	}
}

// nextPoll returns the time until the next poll: at most PollInterval, less
// when a copy becomes stale or expires or a wait ends before that. s.mu must be
// held.
func (s *Source) nextPoll() time.Duration {
	now := s.now()
	next := randomBetween(s.opt.PollInterval*7/10, s.opt.PollInterval*9/10)
	sooner := func(at time.Duration) {
		if at > now {
			next = min(next, at-now)
		}
	}
	if c := s.valid(); c != nil {
		lag := s.lag(c)
		sooner(c.renewAt - lag)
		sooner(c.serveUntil - lag)
		if s.loop.unconfirmedOwner != "" { // the lease that blocks the fleet may be ours
			sooner(now + patience)
		}
	} else if s.failure != nil {
		sooner(s.failure.until)
	}
	sooner(s.loop.wait.until)
	return next
}

// failRejections answers the pending rejections and wakes the waiting callers
// when the Source is closed.
func (s *Source) failRejections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, r := range s.rejections {
		r.err = unavailable(errClosed, time.Second)
		delete(s.rejections, value)
		close(r.done)
	}
	close(s.roundDone)
	s.roundDone = make(chan struct{})
}
