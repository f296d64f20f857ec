package auth

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/ration"
)

const (
	// maxAttempts bounds the logins in progress, those without callers included. If
	// WeChat answers in a tenth of a second, it is more than a thousand a second.
	maxAttempts = 128
	// maxCallers bounds the callers that wait for them.
	maxCallers = 256
	// loginsPerSecond is far more than the members of one replica need in a rush
	// hour. The memory of tried codes is sized by it.
	loginsPerSecond = 200
	loginBurst      = 2 * loginsPerSecond
	// fewLogins is how many logins a minute an honest address needs. The addresses
	// with more never use the last quarter of the attempts, nor the last half of
	// the burst.
	fewLogins = 5
)

// admission decides which logins are sent to WeChat.
type admission struct {
	limiter   *rate.Limiter // nil: no limit
	addresses ration.Budget
	attempts  ration.Slots
	breaker   breaker
}

func newAdmission(appID string, o Options) *admission {
	a := &admission{breaker: breaker{changed: func(suspended bool) {
		if suspended {
			o.Log.Warn("logins suspended: WeChat does not answer them; one is tried every few seconds", "app_id", appID)
		} else {
			o.Log.Info("logins resumed: WeChat answers again", "app_id", appID)
		}
	}}}
	if o.LimitLogins {
		a.limiter = rate.NewLimiter(loginsPerSecond, loginBurst)
	}
	return a
}

// admit returns why a new attempt must not begin now: the error of ctx, or a
// *RefusedError. Otherwise the caller must call leave once when the attempt ends.
func (a *admission) admit(ctx context.Context) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("log in: %w", ctx.Err())
	}
	attempts, tokens := int64(maxAttempts), 0.0
	if c := ration.ClientOf(ctx); c.Kind == ration.Anonymous && !a.addresses.Allow(c.Key, fewLogins) {
		attempts, tokens = maxAttempts*3/4, loginBurst/2
	}
	if leave, err = a.attempts.Enter(attempts); err != nil {
		return nil, &RefusedError{err, time.Second}
	}
	if wait, ok := a.breaker.allow(); !ok {
		err = &RefusedError{ErrSuspended, wait}
	} else if a.limiter != nil && (a.limiter.Tokens() < tokens || !a.limiter.Allow()) {
		err = &RefusedError{ErrTooMany, time.Second}
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// RefusedError is returned by Login for a code that was not sent to WeChat. It
// wraps ErrSuspended, ErrTooMany or ration.ErrBusy.
type RefusedError struct {
	Err  error
	Wait time.Duration // after this time the login may be admitted
}

func (e *RefusedError) Error() string { return "log in: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// RetryAfter returns Wait and true.
func (e *RefusedError) RetryAfter() (time.Duration, bool) { return e.Wait, true }
