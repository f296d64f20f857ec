package ticket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// grantedLease is a lease with the instants before and after the request for
// it.
type grantedLease struct {
	Lease
	requestedAt, grantedAt time.Duration
}

// acquire requests the lease. While the lease is known to be held, it does not
// call the Store: for the length of a back-off, unless the Store seems to have
// lost that; otherwise for half a second, because a holder may release the
// lease early.
func (s *Source) acquire(next task) (*grantedLease, error) {
	l := &s.loop
	if wait := l.wait.until - s.now(); wait > 0 && (next != taskShare || !l.wait.backOff) {
		return nil, &HeldError{For: wait, BackOff: l.wait.backOff}
	}
	if l.unconfirmedOwner == "" {
		l.unconfirmedOwner = rand.Text()
	}
	g := &grantedLease{requestedAt: s.now()}
	err := s.callStore("acquire the lease", func(ctx context.Context) (err error) {
		g.Lease, err = s.store.Acquire(ctx, s.key, LeaseRequest{Owner: l.unconfirmedOwner, FenceAbove: l.highestFence, TTL: s.opt.Lease})
		return err
	})
	g.grantedAt = s.now()
	if held, ok := errors.AsType[*HeldError](err); ok {
		l.unconfirmedOwner = ""
		s.waitForHolder(held)
		return nil, held
	}
	if err != nil {
		return nil, err // we may hold the lease: a request of the same owner gets it again
	}
	l.unconfirmedOwner, l.highestFence = "", max(l.highestFence, g.Fence)
	return g, nil
}

// waitForHolder sets when to request a lease again that another owner holds.
func (s *Source) waitForHolder(held *HeldError) {
	wait := held.For
	if !held.BackOff {
		wait = min(wait, time.Second/2)
	}
	if until := s.now() + wait; until > s.loop.wait.until {
		s.loop.wait = leaseWait{until, held.BackOff}
	}
}

// release releases the lease. If that fails, a later poll gets the lease again
// or it expires.
func (s *Source) release(g *grantedLease, after time.Duration) {
	err := s.callStore("release the lease", func(ctx context.Context) error {
		return s.store.Release(ctx, g.Lease, after)
	})
	if err != nil {
		s.loop.unconfirmedOwner = g.Owner
	}
}

// save saves c under the lease.
func (s *Source) save(g *grantedLease, c *credential) error {
	start := c.requestedAt - s.lag(c) - g.grantedAt
	v := FetchedValue{Value: c.value, Fence: c.fence, Start: start, Lifetime: c.expiresAt - c.requestedAt}
	return s.callStore("save the shared copy", func(ctx context.Context) error {
		return s.store.Save(ctx, g.Lease, v)
	})
}

// callStore makes one call to the Store with a timeout of 1/15 of the lease,
// counts failures, and logs when the Store stops answering and when it answers
// again.
func (s *Source) callStore(what string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Lease/15)
	defer cancel()
	err := call(ctx)
	_, held := errors.AsType[*HeldError](err)
	answered := err == nil || held || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnreadable) || errors.Is(err, ErrLeaseLost)
	wasDown := s.loop.storeDown
	s.loop.storeDown = !answered
	if answered {
		if wasDown {
			s.opt.Log.Warn("ticket store: answers again", "key", s.key)
		}
		return err
	}
	if !wasDown {
		s.opt.Log.Warn("ticket store: call failed; serving the copy in memory until it expires", "key", s.key, "error", err)
	}
	s.count(func(c *Counts) { c.StoreFailures++ })
	return fmt.Errorf("%s of %s: %w", what, s.key, err)
}
