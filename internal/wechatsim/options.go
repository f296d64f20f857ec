package wechatsim

import (
	"log/slog"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Options configures [New]. The zero value is ready.
type Options struct {
	// Accounts sets identifiers and secrets; each empty one is random.
	Accounts Accounts
	// Unbound means that the two apps are not bound under one Open Platform
	// account. Then there is no unionid.
	Unbound bool
	// Assumptions decides the uncertain points. New panics on an unknown value.
	Assumptions Assumptions
	// IPWhitelist lists the addresses that may call for the Official Account;
	// others get 40164. Empty allows all.
	IPWhitelist []string
	// Callback is where events are sent; without a URL they are only logged.
	// New panics if it is set and wrong.
	Callback push.Callback
	// PushTimeout is how long one try of a push may take; 0 is WeChat's 5 s.
	// After a try that failed sooner, the next follows a fifth of it later.
	PushTimeout time.Duration
	// Seed makes identifiers, secrets and seeded faults repeatable; 0 is a
	// different seed each time.
	Seed uint64
	// Logger gets one line per refused call, without secrets; nil is silent.
	Logger *slog.Logger
}
