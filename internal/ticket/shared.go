package ticket

import (
	"context"
	"errors"
	"time"
)

// read loads the shared copy and takes it over if it is newer than ours. It
// reports whether the fleet lacks what we have.
func (s *Source) read() (lacking bool, err error) {
	before := s.now()
	var rec Record
	err = s.ask("load the shared copy", func(ctx context.Context) (err error) {
		rec, err = s.store.Load(ctx, s.key)
		return err
	})
	if err == nil && !rec.usable() {
		err = ErrUnreadable
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case errors.Is(err, ErrUnreadable):
		s.count(func(c *Counts) { c.Unreadable++ })
		s.opt.Log.Warn("shared ticket copy is unreadable", "key", s.key)
		return true, nil
	case err != nil:
		return false, err
	}
	return s.compare(fromRecord(rec, before, &s.opt)), nil
}

// compare sets theirs against ours and reports whether the fleet lacks ours.
func (s *Source) compare(theirs *held) (lacking bool) {
	k, ours := &s.keeper, s.cur.Load()
	k.high = max(k.high, theirs.fence)
	switch {
	case theirs.newerThan(ours):
		s.count(func(c *Counts) { c.Adopted++ })
		k.barred = bar{} // somebody got a value: what bars us still, the store knows
		s.install(theirs)
		return false
	case theirs.fence == ours.fence && theirs.value == ours.value:
		s.shorten(ours, theirs)
		return false
	}
	return theirs.value != ours.value
}

// shorten follows the store where it takes something away from our copy. It
// never lengthens a life: the store's clock may have been set back.
func (s *Source) shorten(ours, theirs *held) {
	const noise = time.Second // of a load's own duration
	switch {
	case theirs.rejected && !ours.rejected:
		s.install(ours.reject())
	case !ours.rejected && theirs.ends < ours.ends-noise:
		c := *ours
		c.until, c.ends, c.renew = theirs.ends, theirs.ends, min(c.renew, theirs.renew)
		s.install(&c)
	}
}

// install publishes a copy to the callers.
func (s *Source) install(c *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.cur.Load(); old != nil && old.value != c.value {
		s.former = old.value
	}
	s.cur.Store(c)
}

// share gives the fleet our copy, which the store lost or never got, and the
// back-off that it lost with it.
func (s *Source) share(g *grant) error {
	err := s.save(g, s.cur.Load())
	if unsaved(err) {
		s.keeper.owner = g.Owner
		return err
	}
	if err == nil { // else another replica is at it
		s.count(func(c *Counts) { c.Shared++ })
	}
	rest := time.Duration(0)
	if bar := s.keeper.barred; bar.backOff {
		rest = max(bar.until-s.now(), 0)
	}
	s.release(g, rest)
	return nil
}
