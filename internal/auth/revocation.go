package auth

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Revoked is one session that a logout ended.
type Revoked struct {
	Seq       int64 // its number among all logouts, from 1
	JTI       string
	ExpiresAt time.Time // of its token, with a precision of a millisecond
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
	// Purge removes logouts of tokens that expired before that time, a bounded
	// number per call.
	Purge(ctx context.Context, before time.Time) error
}

const (
	// pollInterval leaves as much time again for the query within the second
	// that a logout may take.
	pollInterval = 500 * time.Millisecond
	// pollTimeout ends a query that hangs, so that the next may succeed.
	pollTimeout = 2 * time.Second
	// purgeInterval is short enough that each purge takes only milliseconds.
	purgeInterval = time.Minute
	// keepExpired is how long a logout is kept after its token has expired:
	// much longer than the leeway and the clock differences of the replicas.
	keepExpired = time.Hour
)

// revocations are the logouts of all replicas that this replica has read.
type revocations struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	seq   int64 // the last one read; used by catchUp only

	mu      sync.RWMutex
	revoked map[string]time.Time // jti → expiry of the token
}

func newRevocations(store Store, opts Options) *revocations {
	return &revocations{store: store, now: opts.Now, log: opts.Log, revoked: map[string]time.Time{}}
}

func (r *revocations) has(jti string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, dead := r.revoked[jti]
	return dead
}

func (r *revocations) add(jti string, expiresAt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[jti] = expiresAt
}

// catchUp reads the logouts since the last call. What it has read before an
// error is kept.
func (r *revocations) catchUp(ctx context.Context) error {
	for {
		page, err := r.store.Since(ctx, r.seq)
		if err != nil {
			return fmt.Errorf("read logouts: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, x := range page {
			r.add(x.JTI, x.ExpiresAt)
			r.seq = x.Seq
		}
	}
}

// purge drops logouts of tokens that expired long ago, here and in the store.
func (r *revocations) purge(ctx context.Context) error {
	before := r.now().Add(-keepExpired)
	r.mu.Lock()
	maps.DeleteFunc(r.revoked, func(_ string, expiresAt time.Time) bool { return expiresAt.Before(before) })
	r.mu.Unlock()
	if err := r.store.Purge(ctx, before); err != nil {
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
