package ticket

import (
	"errors"
	"time"
)

// patience is how long a caller without a value waits out a back-off: a hiccup
// of WeChat costs it a moment, not an error.
const patience = time.Second

// keeper is what the goroutine of a Source remembers between its rounds.
type keeper struct {
	owner  string // of a lease that may be ours although the store did not say so
	high   int64  // the highest fence seen
	barred bar    // why not to ask for the lease yet
	down   bool   // the store failed last time
}

// bar keeps this replica from the lease until an instant.
type bar struct {
	until   time.Duration
	backOff bool
}

// keep is the goroutine of a Source: it looks after the copies until Close.
func (s *Source) keep() {
	defer close(s.done)
	for !s.isClosing() {
		err := s.work()
		next := s.conclude(err)
		s.sleep(next)
	}
	s.abandon()
}

// sleep waits for d, for a caller in need, or for Close.
func (s *Source) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.wake:
	case <-s.closing:
	}
}

// work is one round: a look, and as long as there is nothing to serve and
// another replica has the lease, one more every 50 to 100 ms.
func (s *Source) work() error {
	giveUp := s.now() + 2*s.opt.Lease
	for {
		err := s.look()
		held, ok := errors.AsType[*HeldError](err)
		if !ok || held.BackOff || s.content() || s.isClosing() {
			return err
		}
		if s.now() > giveUp {
			return errNoAnswer
		}
		s.count(func(c *Counts) { c.LeaseWaits++ })
		s.nap(between(50*time.Millisecond, 100*time.Millisecond))
	}
}

func (s *Source) nap(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closing:
	}
}

// look compares our copy with the shared one and does what there is to do.
func (s *Source) look() error {
	s.count(func(c *Counts) { c.Looks++ })
	s.hear()
	lacking, err := s.read()
	if err != nil {
		return err
	}
	todo := s.todo(lacking)
	if todo == nothing {
		return nil
	}
	g, err := s.acquire(todo)
	if held, ok := errors.AsType[*HeldError](err); ok && held.BackOff && s.living() == nil {
		// The holder may have written between our look and our try.
		if _, failed := s.read(); failed != nil {
			return failed
		}
		if s.content() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	// Between our look and our lease another replica may have done the work.
	lacking, err = s.read()
	if err != nil {
		s.release(g, 0)
		return err
	}
	switch s.todo(lacking) {
	case share:
		return s.share(g)
	case fetch:
		return s.fetch(g)
	}
	s.release(g, 0)
	return nil
}

type task int

const (
	nothing task = iota
	share        // the fleet lacks our living copy
	fetch
)

func (s *Source) todo(lacking bool) task {
	c := s.cur.Load()
	switch {
	case lacking && s.keeper.barred.backOff && s.now() < s.keeper.barred.until && s.content():
		return share // the back-off is lost with the copy, but we know of it
	case c == nil, s.now() >= c.renew, s.doubted(c):
		return fetch
	case lacking:
		return share
	}
	return nothing
}

// doubted reports whether callers saw the value of c refused.
func (s *Source) doubted(c *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c != nil && s.pending[c.value] != nil
}

// content reports whether there is a copy to serve that nobody complains about.
func (s *Source) content() bool {
	c := s.living()
	return c != nil && !s.doubted(c)
}

// conclude ends a round: it settles rejections, notes why there is nothing to
// serve, wakes everybody who waits, and says when to look next.
func (s *Source) conclude(err error) time.Duration {
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
	s.answer()
	close(s.round)
	s.round = make(chan struct{})
	return s.nextLook()
}

// note turns the outcome of a round into the trouble that stands. mu is held.
func (s *Source) note(err error) {
	now, barred := s.now(), s.keeper.barred.until
	held, isHeld := errors.AsType[*HeldError](err)
	switch {
	case err == nil, isHeld && !held.BackOff:
		s.trouble = nil
	case isHeld && s.trouble != nil && s.trouble.until >= barred:
		// our own failure says more than the lease it left behind
	case isHeld:
		s.trouble = &trouble{errFleet, barred}
	case barred > now:
		after, _ := retryAfter(err)
		s.trouble = &trouble{err, max(barred, now+after)}
	default: // the store failed: leave it in peace for a moment
		s.trouble = &trouble{err, now + between(patience/2, patience)}
	}
}

// nextLook is when to look again: within Look, sooner where something falls
// due. mu is held.
func (s *Source) nextLook() time.Duration {
	now := s.now()
	next := between(s.opt.Look*7/10, s.opt.Look*9/10)
	sooner := func(at time.Duration) {
		if at > now {
			next = min(next, at-now)
		}
	}
	if c := s.cur.Load(); c != nil && now < c.until {
		sooner(c.renew)
		sooner(c.until)
		if s.keeper.owner != "" { // the lease that keeps everybody off may be ours
			sooner(now + patience)
		}
	} else if s.trouble != nil {
		sooner(s.trouble.until)
	}
	sooner(s.keeper.barred.until)
	return next
}

// abandon answers everybody who still waits when the Source is closed.
func (s *Source) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, r := range s.pending {
		r.err = unavailable(errClosed, time.Second)
		delete(s.pending, value)
		close(r.done)
	}
	close(s.round)
	s.round = make(chan struct{})
}
