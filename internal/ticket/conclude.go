package ticket

import (
	"errors"
	"time"
)

// conclude ends a round: it settles rejections, notes why there is nothing to
// serve, wakes everybody who waits, and says when to look next.
func (s *Source) conclude(err error) time.Duration {
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
	more := s.answer()
	close(s.round)
	s.round = make(chan struct{})
	if more {
		return 0
	}
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
		s.trouble = &trouble{err, barred}
	default: // the store failed: leave it in peace for a moment
		s.trouble = &trouble{err, now + between(patience/2, patience)}
	}
}

// settle answers the rejections of values that are not ours to serve (any more).
func (s *Source) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cur.Load()
	for value, r := range s.pending {
		if c == nil || c.rejected || c.value != value {
			delete(s.pending, value)
			close(r.done)
		}
	}
}

// answer settles what is left: rejections of the copy in service, which could
// not be carried out. It reports whether one came too late for this round. mu is held.
func (s *Source) answer() (more bool) {
	c := s.cur.Load()
	if c == nil {
		return false
	}
	r := s.pending[c.value]
	if r == nil {
		return false
	}
	if s.trouble == nil {
		return true
	}
	now := s.now()
	wait := s.trouble.until - now
	if s.keeper.barred.backOff && s.keeper.barred.until > now {
		s.counts.TooSoon++
		young := now-c.saved < 30*time.Second || s.tooSoon.young && s.tooSoon.fence == c.fence
		s.tooSoon = refusal{fence: c.fence, young: young, asked: now, until: now + wait}
		r.err = &later{ErrTooSoon, s.trouble.cause, wait}
	} else {
		r.err = unavailable(s.trouble.cause, wait)
	}
	delete(s.pending, c.value)
	close(r.done)
	return false
}

// young reports whether c was refused already when it was new.
func (s *Source) young(c *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tooSoon.young && s.tooSoon.fence == c.fence
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
