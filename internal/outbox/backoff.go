package outbox

import (
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	// shortWait is the longest wait after the first fewFailures temporary
	// failures. A WeChat that fails every fifth call is not down: a message that
	// meets several failures in a row must not leave a face wrong for minutes.
	shortWait   = 30 * time.Second
	fewFailures = 12
	// accountWait is for refusals of the account as a whole: its secret, its
	// address, a permission. They last until an operator changes something.
	accountWait = 10 * time.Minute
	// maxAttempts parks a message after about six hours of temporary failures.
	maxAttempts = 100
	// maxNotDelivered parks a message about a card that is in no wallet, or not
	// usable there, after about half an hour: it may be on its way.
	maxNotDelivered = 16
)

// BackOff returns how long to wait, with jitter, before a failed attempt is
// repeated, or park if it should not be repeated. attempts counts the failures
// before this one.
func BackOff(attempts int64, cause error) (wait time.Duration, park bool) {
	if d, ok := RetryAfter(cause); ok {
		return d + rand.N(d/20+time.Second), false
	}
	if Permanent(cause) {
		return jitter(accountWait), false
	}
	wait = min(firstWait<<min(attempts, 10), longestWait)
	if Temporary(cause) {
		if attempts < fewFailures {
			wait = min(wait, shortWait)
		}
		return jitter(wait), attempts+1 >= maxAttempts
	}
	return jitter(wait), !NotDelivered(cause) || attempts+1 >= maxNotDelivered
}

// jitter returns between half of d and d, so that what failed together does not
// come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// RetryAfter returns the result of err's method RetryAfter, the time after which to
// try again. It returns false if err has no such method.
func RetryAfter(err error) (time.Duration, bool) {
	var e interface {
		RetryAfter() (time.Duration, bool)
	}
	if errors.As(err, &e) {
		return e.RetryAfter()
	}
	return 0, false
}

// Permanent reports whether err has a method Permanent that returns true, which
// means that the same call fails until an operator changes the account.
func Permanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// NotDelivered reports whether err has a method NotDelivered that returns true,
// which means that the code is not in a wallet, or not yet.
func NotDelivered(err error) bool {
	var e interface{ NotDelivered() bool }
	return errors.As(err, &e) && e.NotDelivered()
}

// Temporary reports whether the same call may succeed later. It returns true for an
// error without a method Temporary, such as an error of the database or of a
// context. It also returns true for a [net.Error]: its method of this name is
// deprecated, and returns false for a connection that was reset.
func Temporary(err error) bool {
	var e interface{ Temporary() bool }
	if !errors.As(err, &e) {
		return true
	}
	_, network := e.(net.Error)
	return network || e.Temporary()
}
