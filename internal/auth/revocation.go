package auth

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Revoked is one session that a logout ended, or all sessions of a member.
type Revoked struct {
	Seq       int64     // its number among all logouts, from 1
	ID        string    // of the session (jti), or of the member (sub); both are UUIDs
	ExpiresAt time.Time // of the token that lives longest, with a precision of a millisecond
}

// Store keeps logouts for all replicas. It is safe for concurrent use. Package
// authtest is its conformance suite.
type Store interface {
	// Revoke records the logout durably before it returns. It does not change a
	// session that was recorded before.
	Revoke(ctx context.Context, jti string, expiresAt time.Time) error
	// Since returns logouts with a greater Seq, ordered by Seq: any number of
	// them, none only if there are none. Numbers become visible in order, so a
	// reader that has read up to a Seq has missed none below it.
	Since(ctx context.Context, seq int64) ([]Revoked, error)
	// Purge removes logouts of tokens that expired longer than keep ago by the
	// store's clock, a bounded number per call.
	Purge(ctx context.Context, keep time.Duration) error
	// Now returns the time by the store's clock, which all replicas share, and the time
	// before which all sessions began that are over, whoever has them.
	Now(ctx context.Context) (now, notBefore time.Time, err error)
}

const (
	// pollInterval leaves as much time again for the query within the second
	// that a logout may take.
	pollInterval = 500 * time.Millisecond
	// pollTimeout ends a query that hangs, so that the next may succeed.
	pollTimeout = 2 * time.Second
	// purgeInterval is short enough that each purge takes only milliseconds.
	purgeInterval = time.Minute
	// keepExpired is how long the store keeps a logout after its token has expired.
	// The token must still be refused if the store's clock was set two days too far
	// forward for a while, as a wrong time zone or date does.
	keepExpired = 48 * time.Hour
	// rememberExpired is how long a replica does. Its clock never goes back, so this
	// needs to be no longer than the leeway.
	rememberExpired = time.Hour
)

// revocations are the logouts of all replicas that this replica has read.
type revocations struct {
	store Store
	clock *clock
	log   *slog.Logger
	seq   int64 // the last one read; used by catchUp only

	mu      sync.RWMutex
	revoked map[string]time.Time // ID of a session or a member → expiry of the last token
}

func newRevocations(store Store, clock *clock, log *slog.Logger) *revocations {
	return &revocations{store: store, clock: clock, log: log, revoked: map[string]time.Time{}}
}

// has reports whether the session was logged out, or all of the member's or of the shop
// were ended.
func (r *revocations) has(s Session) bool {
	// A clock that was far ahead when it was read, and was set back, must not end new sessions.
	if notBefore := r.clock.notBefore(); s.IssuedAt.Before(notBefore) && !notBefore.After(r.clock.now()) {
		return true
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, dead := r.revoked[s.JTI]
	if !dead {
		_, dead = r.revoked[s.MemberID]
	}
	return dead
}

func (r *revocations) add(id string, expiresAt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[id] = expiresAt
}

// catchUp reads the store's clock, and the logouts since the last call. What it has
// read before an error is kept.
func (r *revocations) catchUp(ctx context.Context) error {
	if err := r.clock.look(ctx, r.store); err != nil {
		return err
	}
	for {
		page, err := r.store.Since(ctx, r.seq)
		if err != nil {
			return fmt.Errorf("read logouts: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, x := range page {
			r.add(x.ID, x.ExpiresAt)
			r.seq = x.Seq
		}
	}
}

// purge drops logouts of tokens that expired long ago, here and in the store.
func (r *revocations) purge(ctx context.Context) error {
	before := r.clock.now().Add(-rememberExpired)
	r.mu.Lock()
	maps.DeleteFunc(r.revoked, func(_ string, expiresAt time.Time) bool { return expiresAt.Before(before) })
	r.mu.Unlock()
	if err := r.store.Purge(ctx, keepExpired); err != nil {
		return fmt.Errorf("purge logouts: %w", err)
	}
	return nil
}

// run polls and purges until ctx ends, in two goroutines: a slow purge must not
// delay a poll.
func (r *revocations) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { r.repeat(ctx, pollInterval, r.catchUp) })
	wg.Go(func() { r.repeat(ctx, purgeInterval, r.purge) })
	wg.Wait()
}

// repeat runs the task now and at each interval. It logs when the task begins
// to fail and when it succeeds again.
func (r *revocations) repeat(ctx context.Context, interval time.Duration, task func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ok := true; ctx.Err() == nil; {
		err := withTimeout(ctx, task)
		if (err == nil) != ok && ctx.Err() == nil {
			ok = err == nil
			r.report(ctx, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func withTimeout(ctx context.Context, task func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return task(ctx)
}

func (r *revocations) report(ctx context.Context, err error) {
	if err == nil {
		r.log.InfoContext(ctx, "sessions: logout store answers again")
		return
	}
	r.log.WarnContext(ctx, "sessions: logout store does not answer; retrying, logouts on other replicas are seen late", "error", err)
}
