package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// tripsAfter failures in a row suspend logins, unless one succeeded within
	// tripsWithin: a WeChat that fails every other call is not down, and with
	// many logins a second a few failures in a row are chance.
	tripsAfter  = 5
	tripsWithin = 2 * time.Second
	// probeEvery is the time between two logins that are tried while logins are
	// suspended. Each may use up a code in vain.
	probeEvery = 3 * time.Second
)

// breaker suspends logins while WeChat does not answer them. Meanwhile it lets one
// login through every three seconds, whether or not the one before has ended: it
// may hang for longer. The first success resumes logins, also that of a call from
// before the suspension.
type breaker struct {
	changed func(suspended bool) // is called at each suspension and resumption

	mu          sync.Mutex
	failures    int // in a row
	succeededAt time.Time
	suspended   bool
	probeAt     time.Time // when the next login is let through
}

// allow reports whether a login may be tried. If not, it returns the time until
// the next one may.
func (b *breaker) allow() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.suspended {
		return 0, true
	}
	now := time.Now()
	if wait := b.probeAt.Sub(now); wait > 0 {
		return wait, false
	}
	b.probeAt = now.Add(probeEvery)
	return 0, true
}

// record records how a call that began at that time ended: err is that of
// CodeExchanger. What WeChat says about a code or its user is an answer. A call that
// all callers have left says nothing.
func (b *breaker) record(began time.Time, err error) {
	switch {
	case err == nil, errors.Is(err, ErrCodeRefused), errors.Is(err, ErrUserBlocked), errors.Is(err, ErrTooFast):
		b.succeeded()
	case !errors.Is(err, context.Canceled):
		b.failed(began)
	}
}

// succeeded records that WeChat answered.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.succeededAt = 0, time.Now()
	b.set(false)
}

// failed records that WeChat gave no result. A call from before the last success says
// nothing: after an outage, such calls still time out.
func (b *breaker) failed(began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if began.Before(b.succeededAt) {
		return
	}
	b.failures++
	if !b.suspended && b.failures >= tripsAfter && time.Since(b.succeededAt) >= tripsWithin {
		b.probeAt = time.Now().Add(probeEvery)
		b.set(true)
	}
}

func (b *breaker) set(suspended bool) {
	if b.suspended != suspended {
		b.suspended = suspended
		b.changed(suspended)
	}
}

func (b *breaker) isSuspended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.suspended
}
