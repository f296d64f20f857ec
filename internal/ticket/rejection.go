package ticket

import (
	"context"
	"fmt"
	"time"
)

// rejection is a value that callers saw refused, and the verdict on it.
type rejection struct {
	heard bool // a look has begun since it came
	done  chan struct{}
	err   error
}

// refusal remembers that a rejection of one copy was too soon.
type refusal struct {
	fence int64
	young bool          // the copy was new: it never worked
	asked time.Duration // when
	until time.Duration // when the fleet may ask again
}

// Invalidate reports that rejected was refused where it was used. If the value
// is another one by now, there is nothing to do. Else the shared copy is read
// first, and only if it still is the rejected one it is put out of service and
// the fleet asks once for another. When Invalidate has returned nil, this
// replica hands out rejected no more, unless the issuer gives it anew.
//
// It waits for the store, and for a renewal that is under way, as long as ctx
// allows. Errors: ErrTooSoon; ErrUnavailable when the store failed or the
// Source was closed; ctx's.
func (s *Source) Invalidate(ctx context.Context, rejected string) error {
	r, err := s.reject(rejected)
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

// reject files a rejection, or returns nil where the answer is known.
func (s *Source) reject(value string) (*rejection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cur.Load()
	switch {
	case value == "", value == s.former, c != nil && c.value == value && c.rejected:
		return nil, nil
	case c != nil && c.value == value && s.now() < min(s.tooSoon.asked+time.Second, s.tooSoon.until) && s.tooSoon.fence == c.fence:
		s.counts.TooSoon++
		return nil, &later{ErrTooSoon, errFleet, s.tooSoon.until - s.now()}
	case s.isClosing():
		return nil, unavailable(errClosed, time.Second)
	}
	r, ok := s.pending[value]
	if !ok {
		r = &rejection{done: make(chan struct{})}
		s.pending[value] = r
	}
	s.rouse()
	return r, nil
}

// dismiss puts our copy out of service for everybody if callers saw it refused.
func (s *Source) dismiss() error {
	c := s.cur.Load()
	if !s.doubted(c) || c.rejected {
		return nil
	}
	err := s.ask("invalidate the shared copy", func(ctx context.Context) error {
		return s.store.Invalidate(ctx, s.key, c.fence)
	})
	if err != nil {
		return err
	}
	s.install(c.reject())
	s.count(func(n *Counts) { n.Rejections++ })
	s.settle()
	return nil
}

// hear marks the rejections that the look now beginning is to settle. Whoever
// roused the keeper before this look is served by it and needs no other.
func (s *Source) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.wake:
	default:
	}
	for _, r := range s.pending {
		r.heard = true
	}
}

// settle answers the rejections of values that are not ours to serve (any
// more). One that came after the look had begun waits for the next: it may be
// about a value that only the fleet has yet.
func (s *Source) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cur.Load()
	for value, r := range s.pending {
		if ours := c != nil && c.value == value; ours && c.rejected || !ours && r.heard {
			delete(s.pending, value)
			close(r.done)
		}
	}
}

// answer says why the rejection of the copy in service could not be carried
// out. One that came too late for this round has roused the keeper for another.
// mu is held.
func (s *Source) answer() {
	c := s.cur.Load()
	if c == nil || s.pending[c.value] == nil || s.trouble == nil {
		return
	}
	r, now := s.pending[c.value], s.now()
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
}

// young reports whether c was refused already when it was new.
func (s *Source) young(c *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tooSoon.young && s.tooSoon.fence == c.fence
}
