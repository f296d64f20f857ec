package ticket

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// maxLife is beyond anything WeChat gives; an answer that promises more is a mistake.
	maxLife = 30 * 24 * time.Hour
	// maxQuotaWait bounds what an error's RetryAfter may ask for: quotas are daily.
	maxQuotaWait = 25 * time.Hour
	// maxValue is twice what WeChat tells its callers to make room for.
	maxValue = 1024
)

// checkValue refuses what cannot be a credential, so that an empty or garbled
// answer never takes the place of a good value.
func checkValue(v string) error {
	if v == "" || len(v) > maxValue {
		return fmt.Errorf("%w: a value of %d bytes", errRefused, len(v))
	}
	for i := range len(v) {
		if v[i] <= ' ' || v[i] > '~' {
			return fmt.Errorf("%w: a value with unprintable bytes", errRefused)
		}
	}
	return nil
}

// fetch asks the issuer under the lease and shares what it gave.
func (s *Source) fetch(g *grant) error {
	if err := s.dismiss(); err != nil {
		s.release(g, 0)
		return err
	}
	if s.isClosing() || !s.enough(g) {
		s.release(g, 0)
		return &HeldError{} // as if somebody else were at it: look again
	}
	asked := s.now()
	value, ttl, err := s.callIssuer()
	if err == nil {
		err = checkAnswer(value, ttl)
	}
	if err != nil {
		return s.fail(g, err)
	}
	old := s.cur.Load()
	c, unchanged := s.weigh(old, value, ttl, asked)
	c.fence, c.saved = g.Fence, s.now()
	if c.ends <= c.saved {
		return s.fail(g, fmt.Errorf("%w: the value's life of %v is over", errRefused, c.ends-c.asked))
	}
	return s.succeed(g, old, c, unchanged)
}

// enough is the check just before the call: what is left of the lease must
// hold the call and the write. A holder that was paused lets go here.
func (s *Source) enough(g *grant) bool {
	return s.now()-g.before+s.issueTime()+s.opt.Lease/15 <= s.opt.Lease
}

func (s *Source) issueTime() time.Duration { return s.opt.Lease * 8 / 15 }

// callIssuer makes the one call that is rationed. A panic in it is an error:
// the goroutine must live on.
func (s *Source) callIssuer() (value string, ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.issueTime())
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("issuer panicked with a %T", p) // its text may hold a secret
			s.opt.Log.Error("ticket issuer panicked", "key", s.key, "stack", string(debug.Stack()))
		}
	}()
	return s.issue(ctx)
}

func checkAnswer(value string, ttl time.Duration) error {
	if ttl < time.Second || ttl > maxLife {
		return fmt.Errorf("%w: a life of %v", errRefused, ttl)
	}
	return checkValue(value)
}

// weigh makes a copy of the issuer's answer. An unchanged value keeps the end
// it was given first, unless the issuer's ttl is known to be what is left.
func (s *Source) weigh(old *held, value string, ttl, asked time.Duration) (c *held, unchanged bool) {
	c = &held{value: value, asked: asked, ends: asked + ttl}
	if old == nil || old.value != value {
		return c.serve(&s.opt), false
	}
	if !s.opt.TTLIsLeft {
		c.ends = min(c.ends, old.ends)
	}
	if c.ends-old.ends > ttl/2 { // as good as new
		return c.serve(&s.opt), false
	}
	c.asked = min(old.asked, c.ends-1)
	return c.serve(&s.opt), true
}

// succeed shares the new copy, takes it into service and gives the lease back.
func (s *Source) succeed(g *grant, old, c *held, unchanged bool) error {
	rejected := old != nil && old.rejected
	s.count(func(n *Counts) {
		n.Fetches.count(unchanged)
		if rejected {
			n.answered(c.value == old.value)
		}
	})
	err := s.save(g, c)
	if unsaved(err) {
		s.install(c) // it is good all the same
		err = s.save(g, c)
	}
	if errors.Is(err, ErrLeaseLost) {
		s.count(func(n *Counts) { n.LeasesLost++ })
		_, _ = s.read()
		if now := s.cur.Load(); now != nil && now.fence > g.Fence {
			return nil // a later holder's value is the fleet's
		}
	}
	s.install(c)
	rest, left := time.Duration(0), c.ends-s.now()
	switch {
	case rejected:
		rest = min(s.probation(g, old, c), left/2)
	case unchanged:
		g.Failures, rest = 0, untilRepeat(left)
	default:
		g.Failures = 0
	}
	if unsaved(err) { // the lease stays ours, and a look soon shares the value
		s.keeper.owner, s.keeper.barred = g.Owner, bar{s.now() + rest, rest > 0}
		return err
	}
	s.release(g, rest)
	return nil
}

// unsaved reports whether the store may have missed a copy: to give the lease
// back now would set the fleet to work once more, or leave it in a back-off
// without the value.
func unsaved(err error) bool { return err != nil && !errors.Is(err, ErrLeaseLost) }

// untilRepeat is how long the fleet waits after it asked too early and got what
// it had: until a quarter of what is left is left. That asks a handful of times,
// the last one when the value ends.
func untilRepeat(left time.Duration) time.Duration {
	if left > time.Minute {
		return left * 3 / 4
	}
	return left
}

// probation is how long the fleet waits after a rejected value was replaced,
// for somebody may be refusing everything: a minute, longer and longer while
// values are refused as soon as they come.
func (s *Source) probation(g *grant, old, c *held) time.Duration {
	s.opt.Log.Warn("ticket was rejected in mid-life: a stranger may be renewing it",
		"key", s.key, "same_value_again", c.value == old.value)
	if !s.young(old) {
		g.Failures = 0
	}
	rest := doubled(time.Minute, g.Failures, 10*time.Minute)
	g.Failures++
	return rest
}

// fail keeps what we have, leaves the lease behind as the fleet's back-off, and
// keeps this replica away for one look longer, so that one that can reach WeChat
// goes first.
func (s *Source) fail(g *grant, cause error) error {
	after := s.backOff(cause, g.Failures)
	asked := !errors.Is(cause, ErrUnavailable)
	if asked {
		g.Failures++
	}
	s.release(g, after)
	s.opt.Log.Warn("ticket was not issued", "key", s.key, "retry_after", after, "error", cause)
	s.mu.Lock()
	s.lastErr = cause
	s.counts.Fetches.failed(cause)
	s.mu.Unlock()
	if asked && after > 2*patience {
		after += min(after/2, s.opt.Look)
	}
	s.keeper.barred = bar{s.now() + after, true}
	return fmt.Errorf("issue %s: %w", s.key, cause)
}

// backOff is how long the fleet waits after the failure that follows n others.
func (s *Source) backOff(cause error, n int) time.Duration {
	const least = 50 * time.Millisecond
	wait := between(least, doubled(time.Second, n, time.Minute)) // full jitter
	if permanent(cause) {
		wait = doubled(time.Minute, n, 10*time.Minute)
	}
	asked, ok := retryAfter(cause)
	switch {
	case errors.Is(cause, ErrUnavailable):
		// The token that the call needs is missing: WeChat was not asked, so
		// the fleet may soon see whether it has come.
		return min(max(asked, least), s.opt.Look)
	case ok:
		return max(wait, min(asked, maxQuotaWait))
	}
	return wait
}

// doubled is d doubled n times, at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}
