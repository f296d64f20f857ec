package ticket

import (
	"context"
	"fmt"
	"time"
)

// rejection is a value that callers reported as rejected by WeChat, and the
// answer to them.
type rejection struct {
	polled bool // a poll has begun since the report
	byHand bool // only Replace has reported it
	done   chan struct{}
	err    error
}

// tooSoon is a rejection of one copy that was answered with ErrTooSoon.
type tooSoon struct {
	fence   int64
	whenNew bool          // the copy had just been fetched
	at      time.Duration // of the answer
	retryAt time.Duration // when the fleet may fetch again
}

// Invalidate reports that WeChat rejected the value where it was used. It does
// nothing if the fleet has another value by now. Otherwise it reads the shared
// copy first, and only if that is still the rejected one it withdraws the value
// and lets the fleet fetch once. When Invalidate has returned nil, this replica
// no longer serves the value, unless WeChat issues the same one again.
//
// Invalidate waits for the Store and for a renewal in progress, as long as ctx
// allows. Errors: ErrTooSoon; ErrUnavailable when the Store failed or the
// Source was closed; the error of ctx.
func (s *Source) Invalidate(ctx context.Context, rejected string) error {
	return s.withdraw(ctx, rejected, false)
}

// Replace is Invalidate for a value that a person wants replaced: WeChat need not have
// rejected it, so the Counts of rejected values have no part of it.
func (s *Source) Replace(ctx context.Context, value string) error {
	return s.withdraw(ctx, value, true)
}

func (s *Source) withdraw(ctx context.Context, value string, byHand bool) error {
	r, err := s.addRejection(value, byHand)
	if r == nil || err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("invalidate %s: %w", s.key, context.Cause(ctx))
	}
}

// addRejection records a rejection, or returns nil when there is nothing to do.
func (s *Source) addRejection(value string, byHand bool) (*rejection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.local.Load()
	switch {
	case value == "", value == s.previous, c != nil && c.value == value && c.rejected:
		return nil, nil
	case c != nil && c.value == value && s.now() < min(s.lastTooSoon.at+time.Second, s.lastTooSoon.retryAt) && s.lastTooSoon.fence == c.fence:
		s.counts.TooSoon++
		return nil, &retryError{ErrTooSoon, errBackOff, s.lastTooSoon.retryAt - s.now()}
	case s.isClosing():
		return nil, unavailable(errClosed, time.Second)
	}
	r, ok := s.rejections[value]
	if !ok {
		r = &rejection{byHand: byHand, done: make(chan struct{})}
		s.rejections[value] = r
	}
	r.byHand = r.byHand && byHand
	s.wakeLoop()
	return r, nil
}

// invalidateShared withdraws the local copy for the fleet if callers reported
// it as rejected.
func (s *Source) invalidateShared() error {
	c := s.local.Load()
	if !s.reported(c) || c.rejected {
		return nil
	}
	err := s.callStore("invalidate the shared copy", func(ctx context.Context) error {
		return s.store.Invalidate(ctx, s.key, c.fence)
	})
	if err != nil {
		return err
	}
	withdrawn := c.asRejected()
	s.mu.Lock()
	if withdrawn.byHand = s.rejections[c.value].byHand; !withdrawn.byHand {
		s.counts.Rejections++
	}
	s.mu.Unlock()
	s.install(withdrawn)
	s.resolveRejections()
	return nil
}

// beginPoll marks the rejections that the poll now beginning will answer. It
// also clears the wake-up: the poll serves all that woke the loop before it.
func (s *Source) beginPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.wake:
	default:
	}
	for _, r := range s.rejections {
		r.polled = true
	}
}

// resolveRejections answers the rejections of values that this replica does not
// serve, or no longer serves. A rejection that was reported after the poll
// began waits for the next: it may be about a value that so far only the Store
// has.
func (s *Source) resolveRejections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.local.Load()
	for value, r := range s.rejections {
		if ours := c != nil && c.value == value; ours && c.rejected || !ours && r.polled {
			delete(s.rejections, value)
			close(r.done)
		}
	}
}

// refuseRejection answers the rejection of the served copy with the reason why
// it was not withdrawn. A rejection that was reported too late for this round
// has woken the loop for another. s.mu must be held.
func (s *Source) refuseRejection() {
	c := s.local.Load()
	if c == nil || s.rejections[c.value] == nil || s.failure == nil {
		return
	}
	r, now := s.rejections[c.value], s.now()
	wait := s.failure.until - now
	if s.loop.wait.backOff && s.loop.wait.until > now {
		s.counts.TooSoon++
		isNew := now-c.savedAt < 30*time.Second || s.lastTooSoon.whenNew && s.lastTooSoon.fence == c.fence
		s.lastTooSoon = tooSoon{fence: c.fence, whenNew: isNew, at: now, retryAt: now + wait}
		r.err = &retryError{ErrTooSoon, s.failure.cause, wait}
	} else {
		r.err = unavailable(s.failure.cause, wait)
	}
	delete(s.rejections, c.value)
	close(r.done)
}

// rejectedWhenNew reports whether c was rejected as soon as it was fetched.
func (s *Source) rejectedWhenNew(c *credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastTooSoon.whenNew && s.lastTooSoon.fence == c.fence
}
