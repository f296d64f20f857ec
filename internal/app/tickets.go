package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// tickets holds the shared credentials: three of the Official Account, of which the
// two tickets are fetched with the access_token, and the mini-program's access_token,
// which only phone numbers need. If both are one app, they have one access_token.
type tickets struct {
	access, wxCard, jsapi, mini *ticket.Source
	client, miniClient          *wechat.Client
	store                       ticket.Store
	key                         string
	calls                       *callsToday
	eviction                    func(context.Context) string // of Redis; nil without it

	mu   sync.Mutex
	used []string // api_tickets that this process signed with, newest last
}

// stores keeps the credentials of each app, sealed with its AppSecret.
type stores struct{ official, mini ticket.Store }

func newTickets(
	cfg config.Config, official, mini *wechat.App, options wechat.Options, kept stores, log *slog.Logger,
) *tickets {
	t := &tickets{store: kept.official, key: "wx:" + cfg.OfficialAppID + ":wx_card"}
	source := func(kind string, issue ticket.Fetcher, o ticket.Options) *ticket.Source {
		o.Now, o.Log = options.Clock.Now, log.With("ticket", kind)
		return ticket.New("wx:"+cfg.OfficialAppID+":"+kind, issue, kept.official, o)
	}
	// stable_token returns a new token only in the last five minutes of the old one.
	stable := ticket.Options{RenewFrom: 5 * time.Minute, RenewTo: 4 * time.Minute, TTLIsLeft: true}
	t.access = source("access_token", official.StableToken, stable)
	if t.mini = t.access; cfg.MiniProgramAppID != cfg.OfficialAppID {
		stable.Now, stable.Log = options.Clock.Now, log.With("ticket", miniToken)
		t.mini = ticket.New("wx:"+cfg.MiniProgramAppID+":access_token", mini.StableToken, kept.mini, stable)
	}
	t.client, t.miniClient = wechat.NewClient(accessTokens{t.access}, options), wechat.NewClient(accessTokens{t.mini}, options)
	for kind, into := range map[string]**ticket.Source{"wx_card": &t.wxCard, "jsapi": &t.jsapi} {
		issue := func(ctx context.Context) (string, time.Duration, error) { return t.client.Ticket(ctx, kind) }
		*into = source(kind, issue, ticket.Options{})
	}
	return t
}

// miniToken is the kind of the mini-program's access_token.
const miniToken = "mini_access_token"

// accessTokens implements wechat.Tokens.
type accessTokens struct{ *ticket.Source }

func (a accessTokens) Token(ctx context.Context) (string, error) { return a.Ticket(ctx) }

func (t *tickets) of(kind string) *ticket.Source {
	switch kind {
	case "access_token":
		return t.access
	case "jsapi":
		return t.jsapi
	case miniToken:
		return t.mini
	}
	return t.wxCard
}

// Reachable implements doctor.Tickets.
func (t *tickets) Reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err := t.store.Load(ctx, t.key)
	if errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrUnreadable) {
		return nil
	}
	return err
}

// Eviction implements doctor.Tickets.
func (t *tickets) Eviction(ctx context.Context) string {
	if t.eviction == nil {
		return ""
	}
	return t.eviction(ctx)
}

// Shared implements admin.Tickets.
func (t *tickets) Shared(ctx context.Context, kind string) (string, time.Duration, error) {
	return t.of(kind).TicketLeft(ctx)
}

// Reject implements admin.Tickets.
func (t *tickets) Reject(ctx context.Context, kind, value string, byHand bool) error {
	withdraw := t.of(kind).Invalidate
	if byHand {
		withdraw = t.of(kind).Replace
	}
	if err := withdraw(ctx, value); !errors.Is(err, ticket.ErrTooSoon) {
		return err
	}
	return nil // the value was rejected a moment ago
}

// Status implements admin.Tickets.
func (t *tickets) Status(kind string) ticket.Status { return t.of(kind).Status() }

// CallsToday implements admin.Tickets.
func (t *tickets) CallsToday() map[string]int { return t.calls.Counts() }

// Ticket implements cardlist.Tickets and doctor.Tickets.
func (t *tickets) Ticket(ctx context.Context) (string, error) {
	value, err := t.wxCard.Ticket(ctx)
	if err == nil {
		t.remember(value)
	}
	return value, err
}

// OtherTickets implements cardlist.Tickets.
func (t *tickets) OtherTickets(ctx context.Context) (jsapi string, old []string) {
	jsapi, _ = t.jsapi.Ticket(ctx) // Explain works without it, but proves less
	t.mu.Lock()
	defer t.mu.Unlock()
	return jsapi, t.used[:max(0, len(t.used)-1)]
}

func (t *tickets) remember(value string) {
	const maxUsed = 8
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.used); n == 0 || t.used[n-1] != value {
		t.used = append(t.used[max(0, n+1-maxUsed):n:n], value)
	}
}

func (t *tickets) close() {
	t.wxCard.Close()
	t.jsapi.Close()
	t.access.Close()
	t.mini.Close()
	t.client.Close()
	t.miniClient.Close()
}
