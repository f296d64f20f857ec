package wechat

import (
	"fmt"
	"time"
)

// The calls whose errcodes mean something of their own.
const (
	pathStableToken  = "/cgi-bin/stable_token"
	pathCode2Session = "/sns/jscode2session"
)

// Error is WeChat's refusal of a call, or the lack of an answer to it. It holds
// no secret. Its methods say what it means, so that who has to decide can ask
// for a method and need not import this package.
type Error struct {
	API string // the path of the call
	// Code is WeChat's errcode (page "全局返回码"); 0 means that there was no
	// answer, or none that could be read.
	Code int
	Msg  string // WeChat's errmsg without the trace, or what went wrong on the way
	// Trace is the tail that WeChat's support asks for ("rid: …", "hint: […]").
	Trace string

	kind    string // of a missing answer: the outcome that an Observer gets
	reached bool   // a connection was there: WeChat may have seen the request
	cause   error  // context.Canceled, context.DeadlineExceeded or nil
}

// Error has the call, the errcode and WeChat's words.
func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("wechat: %s: %s", e.API, e.Msg)
	}
	return fmt.Sprintf("wechat: %s: %d %s", e.API, e.Code, e.Msg)
}

// Unwrap gives context.Canceled or context.DeadlineExceeded when one of them
// ended the call, otherwise nil.
func (e *Error) Unwrap() error { return e.cause }

// Ambiguous reports that WeChat may have acted on the request all the same: the
// answer was lost or unreadable, or WeChat was busy. Only a call that does no
// harm twice may be repeated then.
func (e *Error) Ambiguous() bool { return e.Code == 0 && e.reached || e.Code == -1 }

// Temporary reports that the same call may succeed a little later.
func (e *Error) Temporary() bool {
	switch e.Code {
	case 0, // no answer
		-1,    // system busy
		45061: // the card was changed a moment ago
		return true
	}
	return e.TokenRejected() // by then there is another token
}

// RetryAfter reports how long a spent quota lasts: that of the day until
// midnight in Beijing, with a margin for two clocks; that of the minute for one.
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

// Permanent reports a refusal that lasts until a person changes something: an
// AppID, a secret, the list of allowed IP addresses, a permission, the account.
func (e *Error) Permanent() bool {
	switch e.Code {
	case 40001: // on a fetch the secret is wrong, on a use the token is dead
		return e.fetch()
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

// TokenRejected reports that the access_token of this call is dead.
func (e *Error) TokenRejected() bool {
	return !e.fetch() && (e.Code == 40001 || e.Code == 40014 || e.Code == 42001)
}

// fetch reports that the call was authenticated by AppID and secret.
func (e *Error) fetch() bool { return e.API == pathStableToken || e.API == pathCode2Session }

// UnknownCard reports that the account has no such card.
func (e *Error) UnknownCard() bool { return e.Code == 40073 || e.Code == 72001 }

// UnknownCode reports a code that is in no wallet: never taken, or given away,
// or wrong.
func (e *Error) UnknownCode() bool { return e.Code == 40056 || e.Code == 40116 }

// CodeUnusable reports a code whose card is deleted, expired, made unavailable
// or about to be given away.
func (e *Error) CodeUnusable() bool { return e.Code == 40127 }

// EncryptedCodeRefused reports an encrypted code that this account cannot open.
func (e *Error) EncryptedCodeRefused() bool { return e.Code == 40075 }

// LoginCodeRefused reports a login code that is wrong, too old or spent.
func (e *Error) LoginCodeRefused() bool {
	return e.API == pathCode2Session && (e.Code == 40029 || e.Code == 40163)
}

// UserBlocked reports a user whose login WeChat holds for risky.
func (e *Error) UserBlocked() bool { return e.API == pathCode2Session && e.Code == 40226 }

// LoginTooOften reports that the user logged in too often within a minute.
func (e *Error) LoginTooOften() bool { return e.API == pathCode2Session && e.Code == 45011 }

// outcome is the word for e that an Observer gets.
func (e *Error) outcome() string {
	if e == nil {
		return "ok"
	}
	_, quota := e.RetryAfter()
	switch {
	case e.Code == 0:
		return e.kind
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
