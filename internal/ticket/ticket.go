// Package ticket keeps one short-lived WeChat credential, an access_token or an
// api_ticket, for all replicas of the server. It does not call WeChat: the
// caller passes a [Fetcher].
//
// WeChat limits how often a credential may be fetched, a new value may end the old
// one, and an api_ticket that WeChat no longer accepts fails only on the phone. So
// a [Source] fetches only when no replica has a usable copy or the copy is about to
// expire. Only one replica fetches at a time. An unexpired copy is never dropped
// because its renewal failed.
//
// In this package, the fleet is all replicas that share a [Store], the local
// copy is the one in the memory of a process, and the shared copy is the one in
// the Store. A copy is fresh, then stale (it is served while it is renewed),
// then expired.
//
// # Three layers
//
// Callers read the local copy: one atomic load, no allocation. A goroutine of the
// Source polls the Store every few seconds, adopts a newer shared copy, and renews
// the credential before it expires unless another replica has done so. Callers wait
// only when there is no copy to serve. All of them wait for the same fetch, and
// each until its own context ends.
//
//	token, err := ticket.New("wx:APPID:access_token", fetch, store, ticket.Options{})
//	...
//	value, err := token.Ticket(ctx)
//
// # Failures
//
// After a failed fetch the lease becomes a back-off for all replicas with the
// same secret (see [Seal]): at most 1 s after the first failure, doubling up to
// 60 s; after a permanent error 1 min, doubling up to 10 min; after a spent
// quota as long as RetryAfter says. The package reads the kind of failure from
// an error that has all of these methods:
//
//	Errcode() int                       // WeChat's errcode: no other library's error has it
//	Permanent() bool                    // retrying soon will not help
//	RetryAfter() (time.Duration, bool)  // the quota is spent for this long
//
// While the Store cannot be reached, no replica fetches. Each serves its local
// copy until it expires.
//
// # Time
//
// A lifetime is counted from the start of the request that fetched the value,
// on the monotonic clock of the process or on the clock of the Store. The wall
// clocks of two hosts are never compared. The monotonic clock stops while a
// machine is suspended, so a lifetime also passes by Options.Now, which follows
// WeChat's clock: a copy expires when one of the two says so. When Options.Now
// jumps forward, a copy that it has expired is fetched again before a caller gets
// it. When it jumps back, nothing changes.
package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Fetcher asks WeChat for a value and returns it with its lifetime, counted
// from the start of the call. Calls are slow and limited by a quota; a Source
// makes one at a time. A Fetcher must return soon after ctx is done, and its
// errors must not contain secrets. The package comment lists the methods that
// an error may have.
type Fetcher func(ctx context.Context) (value string, ttl time.Duration, err error)

// ErrUnavailable is returned by [Source.Ticket] when there is no value to
// return: the fetch or the Store failed, the fleet is in back-off, too many
// callers are waiting, the caller's context ended, or the Source was closed.
// The error wraps the cause and has a method RetryAfter() (time.Duration,
// bool).
var ErrUnavailable = errors.New("ticket: no usable value")

// ErrTooSoon is returned by [Source.Invalidate] when the fleet fetched so
// recently that it must not fetch again yet. The value stays in service. The
// error has a method RetryAfter() (time.Duration, bool).
var ErrTooSoon = errors.New("ticket: rejected too soon after the last fetch")

var (
	errClosed         = errors.New("source closed")
	errTooManyWaiters = errors.New("too many waiting callers")
	errBackOff        = errors.New("the fleet is in back-off")
	errNoValue        = errors.New("no replica fetched a value in time")
	errInvalidAnswer  = errors.New("invalid answer")
)

// retryError is a sentinel error with its cause and the time after which to
// retry.
type retryError struct {
	kind, cause error
	after       time.Duration
}

func unavailable(cause error, after time.Duration) error {
	return &retryError{ErrUnavailable, cause, after}
}

func (e *retryError) Error() string                     { return fmt.Sprintf("%v: %v", e.kind, e.cause) }
func (e *retryError) Unwrap() []error                   { return []error{e.kind, e.cause} }
func (e *retryError) RetryAfter() (time.Duration, bool) { return max(e.after, 0), true }

// answer is an error that reports what WeChat answered to a fetch.
type answer interface {
	error
	Errcode() int
	Permanent() bool
	RetryAfter() (time.Duration, bool)
}

// retryAfter returns the wait that err asks for, if any: WeChat's answer, another
// Source, or a value that has ended.
func retryAfter(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*retryError](err); ok {
		return e.RetryAfter()
	}
	if a, ok := errors.AsType[answer](err); ok {
		return a.RetryAfter()
	}
	return 0, false
}

// permanent reports whether WeChat answered a fetch in a way that retrying will not
// help.
func permanent(err error) bool {
	a, ok := errors.AsType[answer](err)
	return ok && a.Permanent()
}
