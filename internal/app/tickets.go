package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// tickets are the three shared credentials of the Official Account; the last
// two are fetched with the first.
type tickets struct {
	access, wxCard, jsapi *ticket.Source
	client                *wechat.Client
	store                 ticket.Store
	key                   string

	mu   sync.Mutex
	seen []string // api_tickets this process signed with, newest last
}

func newTickets(cfg Config, official *wechat.App, options wechat.Options, store ticket.Store, log *slog.Logger) *tickets {
	t := &tickets{store: store, key: "wx:" + cfg.OfficialAppID + ":wx_card"}
	source := func(kind string, issue ticket.Issuer, o ticket.Options) *ticket.Source {
		o.Log = log.With("ticket", kind)
		return ticket.New("wx:"+cfg.OfficialAppID+":"+kind, issue, store, o)
	}
	// A stable_token is handed out anew only in its last five minutes.
	t.access = source("access_token", official.StableToken,
		ticket.Options{RenewFrom: 5 * time.Minute, RenewTo: 4 * time.Minute, TTLIsLeft: true})
	t.client = wechat.NewClient(accessTokens{t.access}, options)
	for kind, into := range map[string]**ticket.Source{"wx_card": &t.wxCard, "jsapi": &t.jsapi} {
		*into = source(kind, func(ctx context.Context) (string, time.Duration, error) { return t.client.Ticket(ctx, kind) }, ticket.Options{})
	}
	return t
}

// accessTokens is the access_token as package wechat wants it.
type accessTokens struct{ *ticket.Source }

func (a accessTokens) Token(ctx context.Context) (string, error) { return a.Ticket(ctx) }

func (t *tickets) of(kind string) *ticket.Source {
	switch kind {
	case "access_token":
		return t.access
	case "jsapi":
		return t.jsapi
	}
	return t.wxCard
}

// reachable tells why the shared copies cannot be read, or nil.
func (t *tickets) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err := t.store.Load(ctx, t.key)
	if errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrUnreadable) {
		return nil
	}
	return err
}

// Shared implements admin.Tickets.
func (t *tickets) Shared(ctx context.Context, kind string) (string, time.Duration, error) {
	return t.of(kind).TicketLeft(ctx)
}

// Reject implements admin.Tickets.
func (t *tickets) Reject(ctx context.Context, kind, value string) error {
	if err := t.of(kind).Invalidate(ctx, value); !errors.Is(err, ticket.ErrTooSoon) {
		return err
	}
	return nil // it was heard of a moment ago
}

// Ticket implements cardlist.Tickets.
func (t *tickets) Ticket(ctx context.Context) (string, error) {
	value, err := t.wxCard.Ticket(ctx)
	if err == nil {
		t.note(value)
	}
	return value, err
}

// Confusable implements cardlist.Tickets.
func (t *tickets) Confusable(ctx context.Context) (jsapi string, old []string) {
	jsapi, _ = t.jsapi.Ticket(ctx) // without it Explain proves less
	t.mu.Lock()
	defer t.mu.Unlock()
	return jsapi, t.seen[:max(0, len(t.seen)-1)]
}

func (t *tickets) note(value string) {
	const most = 8
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.seen); n == 0 || t.seen[n-1] != value {
		t.seen = append(t.seen[max(0, n+1-most):n:n], value)
	}
}

func (t *tickets) close() {
	t.wxCard.Close()
	t.jsapi.Close()
	t.access.Close()
	t.client.Close()
}
