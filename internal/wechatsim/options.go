package wechatsim

import (
	"log/slog"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Account is one WeChat app: the mini-program, or the Official Account that owns
// the cards.
type Account struct {
	AppID      string `json:"app_id"`
	Secret     string `json:"secret"`
	OriginalID string `json:"original_id,omitempty"` // gh_…, the ToUserName of its events; Official Account only
}

// Accounts are the two apps of a [Sim]. If both hold one AppID (a test account),
// they are one account with one token and one openid per person.
type Accounts struct {
	MiniProgram Account `json:"mini_program"`
	Official    Account `json:"official"`
}

// Options configures [New]. The zero value is ready.
type Options struct {
	// Accounts fixes identifiers and secrets; each empty one is random.
	Accounts Accounts
	// Unbound says that the two apps are not bound under one Open Platform
	// account: then there is no unionid anywhere.
	Unbound bool
	// Guesses decides the uncertain points. New panics on an unknown value.
	Assumptions Assumptions
	// IPWhitelist holds the addresses that may call for the Official Account;
	// others get 40164. Empty means everybody.
	IPWhitelist []string
	// Callback is where events are pushed; without a URL they are only logged.
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
