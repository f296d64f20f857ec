package outbox

import (
	"errors"
	"math/rand/v2"
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
	// maxAttempts parks a message that WeChat itself answered so often, within about
	// six hours, that it is busy. It may be busy with this message alone, and the
	// later messages of the card must not wait for ever.
	maxAttempts = 100
	// maxNotDelivered parks a message about a card that is in no wallet, or not
	// usable there, after about half an hour: it may be on its way.
	maxNotDelivered = 16
)

// Answer is the error of a call that WeChat answered, or did not answer. Only an
// Answer can park a message. The errors of databases, networks and contexts have some
// of these methods, but never Errcode, so none of them is taken for an Answer.
type Answer interface {
	error
	// Errcode returns WeChat's errcode; 0 means that there was no usable answer.
	Errcode() int
	// Temporary reports whether the same call may succeed later.
	Temporary() bool
	// Permanent reports whether the call fails until an operator changes the account.
	Permanent() bool
	// RetryAfter returns the time for which the call fails, if WeChat limits calls.
	RetryAfter() (time.Duration, bool)
	// NotDelivered reports whether the code is not in a wallet, or not yet.
	NotDelivered() bool
}

// WaitError postpones a message because of something that a handler waits for.
type WaitError struct {
	Why  string
	Wait time.Duration
}

// Error returns why the message waits.
func (e WaitError) Error() string { return e.Why }

// BackOff returns how long to wait, with jitter, before a failed attempt is
// repeated, or park if it should not be repeated. attempts counts the failures
// before this one.
func BackOff(attempts int64, cause error) (wait time.Duration, park bool) {
	if e, ok := errors.AsType[WaitError](cause); ok {
		return spread(e.Wait), false
	}
	wait = min(firstWait<<min(attempts, 10), longestWait)
	if attempts < fewFailures && !NotDelivered(cause) {
		wait = min(wait, shortWait)
	}
	a, ok := answerIn(cause)
	if !ok {
		return jitter(wait), false
	}
	if d, limited := a.RetryAfter(); limited {
		return spread(d), false
	}
	switch {
	case a.Permanent():
		return jitter(accountWait), false
	case a.Temporary():
		return jitter(wait), attempts+1 >= maxAttempts
	}
	return jitter(wait), !a.NotDelivered() || attempts+1 >= maxNotDelivered
}

// jitter returns between half of d and d, so that what failed together does not
// come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// spread returns d, which must pass first, and a little more.
func spread(d time.Duration) time.Duration { return d + rand.N(d/20+time.Second) }

// counted returns how many of the failures before this one count. What says nothing
// about the message must not bring it nearer to being parked: after a long outage,
// WeChat's first answer would park it. So such a failure leaves no more than
// fewFailures, which are enough for the longest wait.
func counted(attempts int64, cause error) int64 {
	a, ok := answerIn(cause)
	if ok {
		_, limited := a.RetryAfter()
		ok = !limited && !a.Permanent()
	}
	if !ok {
		return min(attempts, fewFailures)
	}
	return attempts
}

// answerIn returns the answer of WeChat that err is or wraps. An error that joins
// several is none: something else failed too, and may succeed later.
func answerIn(err error) (Answer, bool) {
	for err != nil {
		if a, ok := err.(Answer); ok { //nolint:errorlint // errors.As would look into joined errors
			return a, a.Errcode() != 0
		}
		err = errors.Unwrap(err)
	}
	return nil, false
}

// NotDelivered reports whether WeChat answered that the code is not in a wallet, or
// not yet.
func NotDelivered(err error) bool {
	a, ok := answerIn(err)
	return ok && a.NotDelivered()
}

// Refused reports whether WeChat answered that it refuses the call, now and later.
func Refused(err error) bool {
	a, ok := answerIn(err)
	if !ok {
		return false
	}
	_, limited := a.RetryAfter()
	return !limited && !a.Permanent() && !a.Temporary()
}
