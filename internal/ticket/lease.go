package ticket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// grant is a lease with the instants before and after it was asked for.
type grant struct {
	Lease
	before, after time.Duration
}

// acquire tries to get the lease. Where it is known to be held, the store is
// not troubled: for the length of a back-off, unless it seems to have lost that,
// for half a second otherwise, because a holder may give it back early.
func (s *Source) acquire(todo task) (*grant, error) {
	k := &s.keeper
	if wait := k.barred.until - s.now(); wait > 0 && (todo != share || !k.barred.backOff) {
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
	if until := s.now() + wait; until > s.keeper.barred.until {
		s.keeper.barred = bar{until, held.BackOff}
	}
}

// release gives the lease back. Where that fails, a look of ours finds it again,
// or its time runs out.
func (s *Source) release(g *grant, after time.Duration) {
	err := s.ask("release the lease", func(ctx context.Context) error {
		return s.store.Release(ctx, g.Lease, after)
	})
	if err != nil {
		s.keeper.owner = g.Owner
	}
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
