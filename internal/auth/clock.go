package auth

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// clock is the clock by which sessions are issued, judged and forgotten: the store's,
// because all replicas share it. Between two looks at the store it runs on the
// monotonic clock of this machine. It never goes back, so a session that was over
// once stays over. It is safe for concurrent use.
type clock struct {
	fixed  func() time.Time // instead of the store's clock; may be nil
	seen   atomic.Pointer[sighting]
	latest atomic.Int64 // Unix nanoseconds
}

// sighting is a look at the store's clock.
type sighting struct {
	store, local time.Time // local has a monotonic reading
	notBefore    time.Time
}

// look reads the store's clock.
func (c *clock) look(ctx context.Context, s Store) error {
	now, notBefore, err := s.Now(ctx)
	if err != nil {
		return fmt.Errorf("read the store's clock: %w", err)
	}
	c.seen.Store(&sighting{now, time.Now(), notBefore})
	return nil
}

// notBefore returns the time before which all sessions began that are over.
func (c *clock) notBefore() time.Time {
	if seen := c.seen.Load(); seen != nil {
		return seen.notBefore
	}
	return time.Time{}
}

// now returns the time. It must not be called before look has succeeded.
func (c *clock) now() time.Time {
	now := c.reading().UnixNano()
	for {
		latest := c.latest.Load()
		if now <= latest {
			return time.Unix(0, latest)
		}
		if c.latest.CompareAndSwap(latest, now) {
			return time.Unix(0, now)
		}
	}
}

func (c *clock) reading() time.Time {
	if c.fixed != nil {
		return c.fixed()
	}
	seen := c.seen.Load()
	return seen.store.Add(time.Since(seen.local))
}
