package auth

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Revoked is one session that was ended by logout.
type Revoked struct {
	Seq       int64 // its place among all logouts, from 1
	JTI       string
	ExpiresAt time.Time // of its token, in milliseconds
}

// Store keeps logouts where every replica sees them. It is safe for concurrent
// use; authtest is its contract in code.
type Store interface {
	// Revoke records the logout durably before it returns. A session that is
	// there already stays as it is.
	Revoke(ctx context.Context, jti string, expiresAt time.Time) error
	// Since returns logouts with a greater Seq, in its order: as many as are
	// convenient, none only if there are none. Who has read up to a Seq misses
	// nothing below it: numbers become visible in their order.
	Since(ctx context.Context, seq int64) ([]Revoked, error)
	// Purge removes logouts of tokens that expired before that time, a bounded
	// number of them.
	Purge(ctx context.Context, before time.Time) error
}

const (
	// pollEvery leaves as much again for the query, within the second that a
	// logout may take.
	pollEvery = 500 * time.Millisecond
	// pollTimeout gives up a query that hangs, so that the next may succeed.
	pollTimeout = 2 * time.Second
	// purgeEvery keeps each purge a matter of milliseconds.
	purgeEvery = time.Minute
	// keepExpired is how long after its expiry a logout is kept: well over the
	// leeway and what the replicas' clocks may differ by.
	keepExpired = time.Hour
)

// revocations is what this replica knows of the logouts of all.
type revocations struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
	seq   int64 // read up to here; catchUp's alone

	mu   sync.RWMutex
	dead map[string]time.Time // jti → expiry of the token
}

func newRevocations(store Store, opts Options) *revocations {
	return &revocations{store: store, now: opts.Now, log: opts.Log, dead: map[string]time.Time{}}
}

func (r *revocations) has(jti string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, dead := r.dead[jti]
	return dead
}

func (r *revocations) add(jti string, expiresAt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead[jti] = expiresAt
}

// catchUp reads what was logged out since the last call. What it has read
// before an error counts.
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

// purge forgets logouts of tokens long expired, here and in the store.
func (r *revocations) purge(ctx context.Context) error {
	before := r.now().Add(-keepExpired)
	r.mu.Lock()
	maps.DeleteFunc(r.dead, func(_ string, expiresAt time.Time) bool { return expiresAt.Before(before) })
	r.mu.Unlock()
	if err := r.store.Purge(ctx, before); err != nil {
		return fmt.Errorf("purge logouts: %w", err)
	}
	return nil
}

// run polls and purges until ctx ends, apart, so that a slow write delays no
// logout.
func (r *revocations) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { r.every(ctx, pollEvery, r.catchUp) })
	wg.Go(func() { r.every(ctx, purgeEvery, r.purge) })
	wg.Wait()
}

// every does the task now and at each interval, and logs when it begins and
// when it ceases to go wrong.
func (r *revocations) every(ctx context.Context, interval time.Duration, task func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ok := true; ctx.Err() == nil; {
		err := bounded(ctx, task)
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

func bounded(ctx context.Context, task func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return task(ctx)
}

func (r *revocations) report(ctx context.Context, err error) {
	if err == nil {
		r.log.InfoContext(ctx, "sessions: the store of logouts answers again")
		return
	}
	r.log.WarnContext(ctx, "sessions: the store of logouts does not answer; logouts elsewhere are seen late", "error", err)
}
