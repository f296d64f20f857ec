// Package wechat is a client of WeChat's HTTP API: calls are methods, answers are
// structs, and refusals are one error type. It implements the protocol and decides
// nothing: it does not cache tokens, retry logins or interpret the state of a card.
// The pages that comments name are those of WeChat's documentation.
//
// # App and Client
//
// [App] makes the calls that an AppID and its secret authenticate: the login of a
// mini-program's user, and the access_token. [Client] makes the calls that an
// access_token authenticates: tickets, cards and phone numbers. A Client gets its token through
// the interface [Tokens], so App and Client do not depend on each other.
//
// # Requests
//
// Bodies are UTF-8 without \u escapes, which WeChat refuses (47002). Every GET has
// a connection of its own, because Go repeats a GET silently when a reused
// connection drops: a repeated login invalidates the code, and a repeated ticket
// uses up a small quota. So has a POST with a code that can be used once. Redirects are not followed, and the proxy settings of the
// environment are ignored.
//
// # Answers
//
// Answers are read by their content, not by their headers or HTTP status: WeChat
// sends errors with status 200 and JSON as text/plain. At most 1 MiB of an answer
// is read. Unknown fields are ignored.
//
// # Secrets
//
// No error of this package contains an AppSecret, an access_token, a ticket, a
// session_key or a login code. Errors of net/http, which print the whole URL, are
// never returned or wrapped, and the values that were sent are removed from
// WeChat's messages.
package wechat

import (
	"cmp"
	"time"
)

const (
	defaultBaseURL = "https://api.weixin.qq.com"
	// defaultTimeout leaves time to store a ticket within a lease of 15 s.
	defaultTimeout = 8 * time.Second
)

// Options configures an App or a Client; the zero value is ready.
type Options struct {
	// BaseURL is the address of WeChat; empty is https://api.weixin.qq.com.
	BaseURL string
	// Timeout limits one call, its one repetition included; 0 is 8 s. The context
	// of the caller limits it too.
	Timeout time.Duration
	// Observe is called after each request; nil is allowed.
	Observe Observer
	// Clock gets the time in WeChat's answers; nil is allowed.
	Clock *Clock
}

// Observer counts requests: api is the path of the call, outcome one of "ok",
// "busy", "token_rejected", "quota", "permanent", "refused", "malformed",
// "timeout", "network" and "canceled". It must not block and must be safe for
// concurrent use.
type Observer func(api, outcome string, elapsed time.Duration)

func (o Options) withDefaults() Options {
	o.BaseURL = cmp.Or(o.BaseURL, defaultBaseURL)
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
