package member

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	// shortWait is the longest for the first fewFailures that may pass. A
	// WeChat that fails every fifth call is not one that is down: what met it
	// several times in a row must not leave a face wrong for minutes.
	shortWait   = 30 * time.Second
	fewFailures = 12
	// accountWait is for refusals that are not about this card: a secret, an
	// address, a permission. They last until somebody changes something.
	accountWait = 10 * time.Minute
	// maxAttempts parks a message that fails in a way that may pass, after
	// about six hours.
	maxAttempts = 100
	// patience parks a message about a card that is in no wallet, or not
	// usable there, after about half an hour: it may only be not yet.
	patience = 16
)

// backOff tells how long to wait after a failure, jittered, and whether there
// is no point in waiting. attempts counts the failures before this one.
func backOff(attempts int64, cause error) (wait time.Duration, dead bool) {
	if d, ok := retryAfter(cause); ok {
		return d + rand.N(d/20+time.Second), false
	}
	if permanent(cause) {
		return jitter(accountWait), false
	}
	wait = min(firstWait<<min(attempts, 10), longestWait)
	if temporary(cause) {
		if attempts < fewFailures {
			wait = min(wait, shortWait)
		}
		return jitter(wait), attempts+1 >= maxAttempts
	}
	return jitter(wait), !notDelivered(cause) || attempts+1 >= patience
}

// jitter is between half of d and d, so that what failed together does not come
// back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func retryAfter(err error) (time.Duration, bool) {
	var e interface {
		RetryAfter() (time.Duration, bool)
	}
	if errors.As(err, &e) {
		return e.RetryAfter()
	}
	return 0, false
}

func permanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

func notDelivered(err error) bool {
	var e interface{ NotDelivered() bool }
	return errors.As(err, &e) && e.NotDelivered()
}

// temporary is true of what does not say otherwise: a database, a context.
func temporary(err error) bool {
	var e interface{ Temporary() bool }
	return !errors.As(err, &e) || e.Temporary()
}
