package ticket

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// maxLifetime is longer than any lifetime that WeChat gives: an answer with
	// a longer one is invalid.
	maxLifetime = 30 * 24 * time.Hour
	// maxQuotaWait bounds the RetryAfter of an error: quotas are daily.
	maxQuotaWait = 25 * time.Hour
	// maxValueLen is twice the size that WeChat tells callers to reserve.
	maxValueLen = 1024
)

// checkValue returns an error for a value that cannot be a credential, so that
// an empty or garbled answer never replaces a good value.
func checkValue(v string) error {
	if v == "" || len(v) > maxValueLen {
		return fmt.Errorf("%w: a value of %d bytes", errInvalidAnswer, len(v))
	}
	for i := range len(v) {
		if v[i] <= ' ' || v[i] > '~' {
			return fmt.Errorf("%w: a value with unprintable bytes", errInvalidAnswer)
		}
	}
	return nil
}

// fetch fetches a value under the lease and shares it.
func (s *Source) fetch(g *grantedLease) error {
	if err := s.invalidateShared(); err != nil {
		s.release(g, 0)
		return err
	}
	if s.isClosing() || !s.leaseSuffices(g) {
		s.release(g, 0)
		return &HeldError{} // poll again, as if another replica held the lease
	}
	requestedAt := s.now()
	value, ttl, err := s.callFetcher()
	if err == nil {
		err = checkAnswer(value, ttl)
	}
	if err != nil {
		return s.failFetch(g, err)
	}
	old := s.local.Load()
	c, unchanged := s.newCredential(old, value, ttl, requestedAt)
	c.fence, c.savedAt = g.Fence, s.now()
	if c.expiresAt <= c.savedAt {
		return s.failFetch(g, ended(c))
	}
	return s.finishFetch(g, old, c, unchanged)
}

// ended returns the error of a fetch that returned a value whose lifetime is over. After
// a jump of a clock a value may seem to end [uncertainty] too early, and WeChat has
// another one only after that.
func ended(c *credential) error {
	over := fmt.Errorf("the value's lifetime of %v is over", c.expiresAt-c.requestedAt)
	return &retryError{errInvalidAnswer, over, c.expiresAt + uncertainty - c.savedAt}
}

// leaseSuffices reports whether the rest of the lease allows for a fetch and a
// save. A holder that was paused after it got the lease stops here.
func (s *Source) leaseSuffices(g *grantedLease) bool {
	return s.now()-g.requestedAt+s.fetchTimeout()+s.opt.Lease/15 <= s.opt.Lease
}

func (s *Source) fetchTimeout() time.Duration { return s.opt.Lease * 8 / 15 }

// callFetcher makes the one call that is limited by a quota. It turns a panic
// into an error: the goroutine must go on.
func (s *Source) callFetcher() (value string, ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.fetchTimeout())
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fetch panicked with a %T", p) // its text may contain a secret
			s.opt.Log.Error("ticket fetch: panicked; retrying after a back-off", "key", s.key, "stack", string(debug.Stack()))
		}
	}()
	return s.fetcher(ctx)
}

func checkAnswer(value string, ttl time.Duration) error {
	if ttl < time.Second || ttl > maxLifetime {
		return fmt.Errorf("%w: a lifetime of %v", errInvalidAnswer, ttl)
	}
	return checkValue(value)
}

// newCredential returns a copy of the fetched value. An unchanged value keeps
// its first expiry, unless the TTL is known to be the time that is left.
func (s *Source) newCredential(old *credential, value string, ttl, requestedAt time.Duration) (c *credential, unchanged bool) {
	c = &credential{value: value, requestedAt: requestedAt, expiresAt: requestedAt + ttl, drift: s.clock.measure(s.now()), fetched: true}
	if old == nil || old.value != value {
		return c.schedule(&s.opt), false
	}
	first := s.firstExpiry(old)
	if !s.opt.TTLIsLeft {
		c.expiresAt = min(c.expiresAt, first)
	}
	if c.expiresAt-first > ttl/2 { // a new lifetime
		return c.schedule(&s.opt), false
	}
	c.requestedAt = min(old.requestedAt, c.expiresAt-1)
	return c.schedule(&s.opt), true
}

// firstExpiry returns when c expires by the faster one of two clocks. If that
// clock had it expire more than a minute ago, it was wrong: WeChat has just
// returned the value again.
func (s *Source) firstExpiry(c *credential) time.Duration {
	if at := c.expiresAt - s.lag(c); at > s.now()-time.Minute {
		return at
	}
	return c.expiresAt
}

// finishFetch saves and serves the fetched copy and releases the lease.
func (s *Source) finishFetch(g *grantedLease, old, c *credential, unchanged bool) error {
	rejected := old != nil && old.rejected
	s.count(func(n *Counts) {
		n.Fetches.addFetched(unchanged)
		if rejected && !old.byHand {
			n.addReplacement(c.value == old.value)
		}
	})
	err := s.save(g, c)
	if maybeUnsaved(err) {
		s.install(c) // the value is good whether or not it was saved
		err = s.save(g, c)
	}
	if errors.Is(err, ErrLeaseLost) {
		s.count(func(n *Counts) { n.LeasesLost++ })
		_, _ = s.loadShared()
		if shared := s.local.Load(); shared != nil && shared.fence > g.Fence {
			return nil // a later holder has fetched and shared another value
		}
	}
	s.install(c)
	wait, left := time.Duration(0), c.expiresAt-s.now()
	switch {
	case rejected:
		wait = min(s.waitRejected(g, old, c), left/2)
	case unchanged:
		g.Failures, wait = 0, waitUnchanged(left)
	default:
		g.Failures = 0
	}
	if maybeUnsaved(err) { // keep the lease; a poll shares the value soon
		s.loop.unconfirmedOwner, s.loop.wait = g.Owner, leaseWait{s.now() + wait, wait > 0}
		return err
	}
	s.release(g, wait)
	return nil
}

// maybeUnsaved reports whether the Store may not have saved a copy. Releasing
// the lease then would make the fleet fetch again, or leave it in a back-off
// without the value.
func maybeUnsaved(err error) bool { return err != nil && !errors.Is(err, ErrLeaseLost) }

// waitUnchanged returns how long the fleet waits after it fetched too early and
// got the value that it had: until a quarter of the rest of its lifetime is
// left. That makes a handful of fetches, the last one when the value expires.
func waitUnchanged(left time.Duration) time.Duration {
	if left > time.Minute {
		return left * 3 / 4
	}
	return left
}

// waitRejected returns how long the fleet waits after a rejected value was
// replaced, because WeChat may be rejecting every value: a minute, and longer
// each time while new values are rejected at once.
func (s *Source) waitRejected(g *grantedLease, old, c *credential) time.Duration {
	if !old.byHand {
		s.opt.Log.Warn("ticket: WeChat rejected an unexpired value, now replaced; another program may be renewing it",
			"key", s.key, "same_value_again", c.value == old.value)
	}
	if !s.rejectedWhenNew(old) {
		g.Failures = 0
	}
	wait := doubled(time.Minute, g.Failures, 10*time.Minute)
	g.Failures++
	return wait
}

// failFetch keeps the local copy and releases the lease with a back-off for the
// fleet. This replica waits one poll longer than the others, so that a replica
// that can reach WeChat goes first.
func (s *Source) failFetch(g *grantedLease, cause error) error {
	after := s.backOff(cause, g.Failures)
	called := !errors.Is(cause, ErrUnavailable)
	if called {
		g.Failures++
	}
	s.release(g, after)
	s.opt.Log.Warn("ticket fetch: failed; the fleet retries after a back-off", "key", s.key, "retry_after", after, "error", cause)
	s.mu.Lock()
	s.lastErr, s.lastErrAt = cause, s.now()
	s.counts.Fetches.addFailed(cause)
	s.mu.Unlock()
	if called && after > 2*patience {
		after += min(after/2, s.opt.PollInterval)
	}
	s.loop.wait = leaseWait{s.now() + after, true}
	return fmt.Errorf("fetch %s: %w", s.key, cause)
}

// backOff returns how long the fleet waits after a fetch that failed after n
// failures in a row.
func (s *Source) backOff(cause error, n int) time.Duration {
	const least = 50 * time.Millisecond
	wait := randomBetween(least, doubled(time.Second, n, time.Minute)) // full jitter
	if permanent(cause) {
		wait = doubled(time.Minute, n, 10*time.Minute)
	}
	requested, ok := retryAfter(cause)
	switch {
	case errors.Is(cause, ErrUnavailable):
		// The access_token that the call needs is missing. WeChat was not
		// called, so the fleet may check again soon.
		return min(max(requested, least), s.opt.PollInterval)
	case ok:
		return max(wait, min(requested, maxQuotaWait))
	}
	return wait
}

// doubled returns d doubled n times, at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}
