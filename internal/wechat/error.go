package wechat

import (
	"fmt"
	"time"
)

// The calls with errcodes or a length of their own.
const (
	pathStableToken  = "/cgi-bin/stable_token"
	pathCode2Session = "/sns/jscode2session"
	pathPageUser     = "/sns/oauth2/access_token"
	pathCard         = "/card/get"
)

// failedSnapshot is the failure of a login on a snapshot page.
const failedSnapshot = "snapshot"

// Error is WeChat's refusal of a call, or a missing or unusable answer. It contains
// no secret. Its methods interpret it, so that a caller can declare an interface
// with the method that it needs and does not have to import this package.
type Error struct {
	API string // the path of the call
	// Code is WeChat's errcode (page "全局返回码"); 0 means that there was no answer,
	// or no usable one.
	Code int
	Msg  string // WeChat's errmsg without the trace, or what failed
	// Trace is the end of errmsg, which WeChat's support asks for ("rid: …", "hint: […]").
	Trace string

	failure   string // the outcome for an Observer if Code is 0
	connected bool   // there was a connection: WeChat may have received the request
	cause     error  // context.Canceled, context.DeadlineExceeded or nil
}

// Error returns the call, the errcode and the message.
func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("wechat: %s: %s", e.API, e.Msg)
	}
	return fmt.Sprintf("wechat: %s: %d %s", e.API, e.Code, e.Msg)
}

// Unwrap returns context.Canceled or context.DeadlineExceeded if one of them ended
// the call, otherwise nil.
func (e *Error) Unwrap() error { return e.cause }

// Errcode returns WeChat's errcode, or 0 if there was no usable answer. No error of
// another library has this method: an interface that has it, besides those below,
// matches WeChat's answers alone.
func (e *Error) Errcode() int { return e.Code }

// Ambiguous reports whether WeChat may have carried out the request although it
// failed: the answer was lost or unusable, or WeChat was busy. Then only an
// idempotent call may be repeated.
func (e *Error) Ambiguous() bool { return e.Code == 0 && e.connected || e.troubled() }

// NotSent reports whether WeChat has certainly not received the request.
func (e *Error) NotSent() bool { return e.Code == 0 && !e.connected }

// troubled reports whether WeChat itself failed: -1 is documented, others such as -1000
// have been seen.
func (e *Error) troubled() bool { return e.Code < 0 }

// Temporary reports whether the same call may succeed a little later.
func (e *Error) Temporary() bool {
	switch {
	case e.Code == 0, // no answer
		e.Code == 45061,   // the card was changed a moment ago
		e.TokenRejected(): // later there is another token
		return true
	}
	return e.troubled()
}

// RetryAfter returns when an exhausted quota is available again: a day's after
// midnight in Beijing, with a margin for the two clocks, a minute's after a minute.
// It reports whether a quota was exhausted.
func (e *Error) RetryAfter() (time.Duration, bool) {
	switch e.Code {
	case 45009:
		return untilMidnight(time.Now()), true
	case 45011:
		return time.Minute, true
	}
	return 0, false
}

func untilMidnight(now time.Time) time.Duration {
	const margin = 2 * time.Minute
	year, month, day := now.In(beijing).Date()
	midnight := time.Date(year, month, day+1, 0, 0, 0, 0, beijing)
	return midnight.Sub(now) + margin
}

// Permanent reports whether the refusal lasts until the operator changes something:
// an AppID, a secret, the IP whitelist, a permission, the account.
func (e *Error) Permanent() bool {
	switch e.Code {
	case 40001: // with a secret: the secret is wrong; with a token: the token is invalid
		return e.bySecret()
	case 40002, // grant_type
		40013, 40125, 41002, 41004, // AppID or AppSecret
		40164, 61004, 89501, 89503, 89506, 89507, // the caller's IP address
		40243,        // the secret is frozen
		48001, 48004, // the account lacks or lost the permission
		50001, 50002, 50004, 50007: // the account is restricted
		return true
	}
	return false
}

// TokenRejected reports whether the access_token of the call was invalid.
func (e *Error) TokenRejected() bool {
	return !e.bySecret() && (e.Code == 40001 || e.Code == 40014 || e.Code == 42001)
}

// bySecret reports whether AppID and secret authenticated the call.
func (e *Error) bySecret() bool { return e.API == pathStableToken || e.isLogin() }

// isLogin reports whether the call exchanged a login code.
func (e *Error) isLogin() bool { return e.API == pathCode2Session || e.API == pathPageUser }

// UnknownCard reports whether the account has no such card.
func (e *Error) UnknownCard() bool { return e.Code == 40073 || e.Code == 72001 }

// UnknownCode reports whether the code is in no wallet: it was never claimed, was
// given away, or is wrong.
func (e *Error) UnknownCode() bool { return e.Code == 40056 || e.Code == 40116 }

// CodeUnusable reports whether the code was deleted, expired, made unavailable, or is
// on its way to another user.
func (e *Error) CodeUnusable() bool { return e.Code == 40127 }

// NotDelivered reports whether the code is not in a wallet, or cannot be used there:
// it may be on its way.
func (e *Error) NotDelivered() bool { return e.UnknownCode() || e.CodeUnusable() }

// EncryptedCodeRefused reports whether the account cannot decrypt the code.
func (e *Error) EncryptedCodeRefused() bool { return e.Code == 40075 }

// LoginCodeRefused reports whether the login code is wrong, too old, already used, or
// no person's.
func (e *Error) LoginCodeRefused() bool {
	return e.isLogin() && (e.Code == 40029 || e.Code == 40163 || e.failure == failedSnapshot)
}

// UserBlocked reports whether WeChat blocked the login as risky.
func (e *Error) UserBlocked() bool { return e.isLogin() && e.Code == 40226 }

// LoginTooOften reports whether the user logged in too often within a minute.
func (e *Error) LoginTooOften() bool { return e.isLogin() && e.Code == 45011 }

// outcome returns the outcome for an Observer. e may be nil.
func (e *Error) outcome() string {
	if e == nil {
		return "ok"
	}
	_, quota := e.RetryAfter()
	switch {
	case e.Code == 0:
		return e.failure
	case quota:
		return "quota"
	case e.TokenRejected():
		return "token_rejected"
	case e.Permanent():
		return "permanent"
	case e.Temporary():
		return "busy"
	}
	return "refused"
}
