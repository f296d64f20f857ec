// Package ticket keeps one short-lived WeChat credential (an access_token, an
// api_ticket) shared by every replica of the server. It does not talk to
// WeChat: the caller hands it an [Issuer].
//
// WeChat rations the calls that issue an access_token or an api_ticket, a new
// one may end the life of the old, and a dead api_ticket shows only on the
// phone. So a [Source] asks only when no replica has a usable copy or its end
// is near, only one replica asks at a time, and a copy that still lives is
// never given up because its renewal went wrong.
//
// # Three layers
//
// Callers read the copy in the memory of their process: one atomic load, no
// allocation. A goroutine of the Source keeps that copy in step with the one in
// the [Store] by looking there every few seconds, and renews it ahead of its
// end if no other replica has. Only when there is nothing to serve do callers
// wait, all of them on the same work, each no longer than its own context allows.
//
//	token, err := ticket.New("wx:APPID:access_token", issue, store, ticket.Options{})
//	...
//	value, err := token.Ticket(ctx)
//
// # Failures
//
// A refused call leaves the lease behind as a back-off for the whole fleet: 1 s
// growing to 60 s, for permanent refusals 60 s growing to 10 min, for a spent
// quota until it resets. The package learns the kind from the error's methods:
//
//	Permanent() bool                    // asking again will not help soon
//	RetryAfter() (time.Duration, bool)  // the quota is spent for that long
//
// Without the store nobody asks WeChat at all; what is in memory is served to
// its end.
//
// # Time
//
// A life is counted from the start of the request that brought the value, on
// the monotonic clock of the process or on the clock of the store; the wall
// clocks of two hosts are never compared. The monotonic clock stands still
// while a machine is suspended: after that it takes one look (five seconds at
// most) until an ended copy is noticed.
package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Issuer asks WeChat for a value and tells how long it will live, counted from
// now on. It is slow and rationed; a Source calls it from one goroutine at a
// time. It must return soon after ctx is done, and its errors must be free of
// secrets. See the package comment for what an error may tell about itself.
type Issuer func(ctx context.Context) (value string, ttl time.Duration, err error)

// ErrUnavailable is what [Source.Ticket] answers when there is no value to give:
// the issuer or the store failed, the fleet is in back-off, too many callers
// wait already, the caller's context ended first, or the Source was closed. It
// wraps the cause and has a method RetryAfter() (time.Duration, bool).
var ErrUnavailable = errors.New("ticket: no usable value")

// ErrTooSoon is what [Source.Invalidate] answers when the fleet asked WeChat so
// recently that it must not ask again yet. The value stays in service. The
// error has a method RetryAfter() (time.Duration, bool).
var ErrTooSoon = errors.New("ticket: rejected too soon after the last change")

var (
	errClosed   = errors.New("source closed")
	errCrowded  = errors.New("too many callers are waiting")
	errFleet    = errors.New("the fleet waits after a refusal")
	errNoAnswer = errors.New("no replica got a value in time")
	errRefused  = errors.New("issuer's answer refused")
)

// later is a sentinel with its cause and the time after which to come back.
type later struct {
	kind, cause error
	after       time.Duration
}

func unavailable(cause error, after time.Duration) error {
	return &later{ErrUnavailable, cause, after}
}

func (e *later) Error() string                     { return fmt.Sprintf("%v: %v", e.kind, e.cause) }
func (e *later) Unwrap() []error                   { return []error{e.kind, e.cause} }
func (e *later) RetryAfter() (time.Duration, bool) { return max(e.after, 0), true }

// retryAfter is the time an issuer's error asks for, if it asks for any.
func retryAfter(err error) (time.Duration, bool) {
	e, ok := errors.AsType[interface {
		error
		RetryAfter() (time.Duration, bool)
	}](err)
	if !ok {
		return 0, false
	}
	return e.RetryAfter()
}

// permanent reports whether an issuer's error says that asking again will not help.
func permanent(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && e.Permanent()
}
