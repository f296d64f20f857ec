package ticket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	lacking, err := s.read()
	if err != nil || s.todo(lacking) == nothing {
		return err
	}
	g, err := s.acquire()
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

// grant is a lease with the instants before and after it was asked for.
type grant struct {
	Lease
	before, after time.Duration
}

// acquire tries to get the lease. Where it is known to be held, the store is
// not troubled: for the length of a back-off, for half a second otherwise,
// because a holder may give it back early.
func (s *Source) acquire() (*grant, error) {
	k := &s.keeper
	if wait := k.barred.until - s.now(); wait > 0 {
		return nil, &HeldError{For: wait, BackOff: k.barred.backOff}
	}
	if k.owner == "" {
		k.owner = rand.Text()
	}
	g := &grant{before: s.now()}
	err := s.ask("acquire the lease", func(ctx context.Context) (err error) {
		g.Lease, err = s.store.Acquire(ctx, s.key, Claim{Owner: k.owner, Above: k.high, TTL: s.opt.Lease})
		return err
	})
	g.after = s.now()
	if held, ok := errors.AsType[*HeldError](err); ok {
		k.owner = ""
		s.keepOff(held)
		return nil, held
	}
	if err != nil {
		return nil, err // the lease may be ours: the same owner finds it again
	}
	k.owner, k.high = "", max(k.high, g.Fence)
	return g, nil
}

func (s *Source) keepOff(held *HeldError) {
	wait := held.For
	if !held.BackOff {
		wait = min(wait, time.Second/2)
	}
	s.keeper.barred = bar{s.now() + wait, held.BackOff}
}

// release gives the lease back. Where that fails its time will run out.
func (s *Source) release(g *grant, after time.Duration) {
	_ = s.ask("release the lease", func(ctx context.Context) error {
		return s.store.Release(ctx, g.Lease, after)
	})
}

// save writes c under the lease.
func (s *Source) save(g *grant, c *held) error {
	issue := Issue{Value: c.value, Fence: c.fence, Asked: c.asked - g.after, Life: c.ends - c.asked}
	return s.ask("save the shared copy", func(ctx context.Context) error {
		return s.store.Save(ctx, g.Lease, issue)
	})
}

// ask makes one call to the store within its time, and keeps count of failures.
func (s *Source) ask(what string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Lease/15)
	defer cancel()
	err := call(ctx)
	_, held := errors.AsType[*HeldError](err)
	answered := err == nil || held || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnreadable) || errors.Is(err, ErrLeaseLost)
	if down := s.keeper.down; down == answered {
		s.keeper.down = !down
		s.opt.Log.Warn("ticket store changed state", "key", s.key, "answers", answered, "error", err)
	}
	if answered {
		return err
	}
	s.count(func(c *Counts) { c.StoreFailures++ })
	return fmt.Errorf("%s of %s: %w", what, s.key, err)
}

// share gives the fleet our copy, which the store lost or never got.
func (s *Source) share(g *grant) error {
	defer s.release(g, 0)
	switch err := s.save(g, s.cur.Load()); {
	case errors.Is(err, ErrLeaseLost):
		return nil // another replica is at it
	case err != nil:
		return err
	}
	s.count(func(c *Counts) { c.Shared++ })
	return nil
}
