// Package wechat speaks WeChat's HTTP API: calls as Go methods, answers as Go
// structs, refusals as one error type. It knows the protocol and decides
// nothing: it caches no token, retries no login, judges no card.
//
// # Two kinds of callers
//
// [App] makes the calls that an AppID and its secret authenticate: the login of
// a mini-program's user, and the access_token. [Client] makes those that an
// access_token authenticates: tickets and cards. A Client gets its token from
// [Tokens], whoever keeps it, so neither needs the other.
//
// # What goes out
//
// Bodies are UTF-8 as it is, without \u escapes, which WeChat refuses (47002).
// Every GET has a connection of its own: Go repeats a GET silently when a
// connection that it used before has dropped, and a second look at a login code
// burns it, a second look at a ticket costs a share of a small quota. No
// redirect is followed and no proxy of the environment is asked.
//
// # What comes in
//
// Answers are judged by their content, never by their header or their HTTP
// status: WeChat says 200 to errors and text/plain to JSON. At most 1 MiB of an
// answer is read. Members that are not known are ignored.
//
// # Secrets
//
// Whatever happens, no error of this package holds an AppSecret, an
// access_token, a ticket, a session_key or a login code: no error of net/http,
// which prints the whole URL, is passed on or wrapped, and what WeChat says is
// searched for the values that were sent.
package wechat

import "time"

const (
	defaultBaseURL = "https://api.weixin.qq.com"
	// defaultTimeout leaves room for a store within a lease of 15 s.
	defaultTimeout = 8 * time.Second
)

// Options tune an App or a Client; the zero value is ready.
type Options struct {
	// BaseURL is where WeChat is; empty is https://api.weixin.qq.com.
	BaseURL string
	// Timeout bounds one call from the first byte to the last, its one
	// repetition included; 0 is 8 s. The caller's context bounds it too.
	Timeout time.Duration
	// Observe is told of each request that was made; nil is allowed.
	Observe Observer
	// Clock is told the time that WeChat's answers carry; nil is allowed.
	Clock *Clock
}

// Observer counts requests: api is the path of the call, outcome one of "ok",
// "busy", "token_rejected", "quota", "permanent", "refused", "malformed",
// "timeout", "network" and "canceled". It must not block and is called from
// many goroutines.
type Observer func(api, outcome string, elapsed time.Duration)

func (o Options) withDefaults() Options {
	if o.BaseURL == "" {
		o.BaseURL = defaultBaseURL
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	if o.Clock == nil {
		o.Clock = new(Clock)
	}
	return o
}
