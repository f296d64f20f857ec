package ticket

import (
	"context"
	"errors"
	"time"
)

// loadShared loads the shared copy and adopts it if it is newer than the local
// one. It reports whether the Store does not have the local copy.
func (s *Source) loadShared() (missing bool, err error) {
	before := s.now()
	var rec Record
	err = s.callStore("load the shared copy", func(ctx context.Context) (err error) {
		rec, err = s.store.Load(ctx, s.key)
		return err
	})
	if err == nil && !rec.wellFormed() {
		err = ErrUnreadable
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case errors.Is(err, ErrUnreadable):
		s.count(func(c *Counts) { c.Unreadable++ })
		s.opt.Log.Warn("ticket store: shared copy is unreadable; replacing it", "key", s.key)
		return true, nil
	case err != nil:
		return false, err
	}
	shared := fromRecord(rec, before, &s.opt)
	shared.drift = s.clock.measure(s.now())
	return s.mergeShared(shared), nil
}

// mergeShared compares the shared copy with the local one, adopts it if it is
// newer, and reports whether the Store does not have the local copy.
func (s *Source) mergeShared(shared *credential) (missing bool) {
	local, lag := s.local.Load(), time.Duration(0)
	if local != nil {
		lag = s.lag(local)
	}
	s.loop.highestFence = max(s.loop.highestFence, shared.fence)
	switch {
	case shared.newerThan(local, lag):
		s.count(func(c *Counts) { c.Adopted++ })
		s.loop.wait = leaseWait{} // a fetch succeeded; the Store reports any wait that remains
		s.install(shared)
		return false
	case shared.fence == local.fence && shared.value == local.value:
		s.shorten(local, shared)
		return false
	}
	return shared.value != local.value
}

// shorten applies a rejection or an earlier expiry of the shared copy to the
// local one. It never moves the expiry later: the Store's clock may have been
// set back.
func (s *Source) shorten(local, shared *credential) {
	const tolerance = time.Second // loads take different times
	lag := s.lag(local)
	switch {
	case shared.rejected && !local.rejected:
		s.install(local.asRejected())
	case !local.rejected && shared.expiresAt < local.expiresAt-lag-tolerance:
		c := *local
		c.drift, c.serveUntil, c.expiresAt, c.renewAt = shared.drift, shared.expiresAt, shared.expiresAt, min(c.renewAt-lag, shared.renewAt)
		s.install(&c)
	}
}

// install makes c the local copy, which callers get.
func (s *Source) install(c *credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.local.Load(); old != nil && old.value != c.value {
		s.previous = old.value
	}
	s.local.Store(c)
}

// share saves the local copy in the Store, which lost it or never got it, and
// restores the back-off that was lost with it.
func (s *Source) share(g *grantedLease) error {
	err := s.save(g, s.local.Load())
	if maybeUnsaved(err) {
		s.loop.unconfirmedOwner = g.Owner
		return err
	}
	if err == nil { // otherwise another replica has taken the lease
		s.count(func(c *Counts) { c.Shared++ })
	}
	after := time.Duration(0)
	if s.loop.wait.backOff {
		after = max(s.loop.wait.until-s.now(), 0)
	}
	s.release(g, after)
	return nil
}
