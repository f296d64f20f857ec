package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"addcard/internal/auth"
	authsql "addcard/internal/auth/sqlstore"
	"addcard/internal/card"
	cardsql "addcard/internal/card/sqlstore"
	"addcard/internal/cardlist"
	"addcard/internal/member"
	membersql "addcard/internal/member/sqlstore"
	"addcard/internal/sqldb"
	"addcard/internal/ticket"
	ticketsql "addcard/internal/ticket/sqlstore"
	"addcard/internal/wechat"
)

// Core is the capabilities of one deployment, connected and without a listener:
// what the server and the commands work on. It is safe for concurrent use.
type Core struct {
	Sessions  *auth.Service
	Members   *member.Service
	Catalogue *card.Catalogue
	CardLists *cardlist.Service

	db      *sqldb.DB
	clock   *wechat.Clock
	tickets *tickets
	metrics *prometheus.Registry
}

// Open connects the capabilities that cfg describes and brings the database up
// to date. It asks WeChat nothing. Close ends it.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Core, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return nil, err
	}
	core, err := connect(ctx, cfg, log, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return core, nil
}

func connect(ctx context.Context, cfg Config, log *slog.Logger, db *sqldb.DB) (*Core, error) {
	if _, err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	c := &Core{db: db, clock: &wechat.Clock{}, metrics: prometheus.NewRegistry()}
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	options := wechat.Options{BaseURL: cfg.WeChatAPIURL, Clock: c.clock, Observe: countCalls(c.metrics)}

	official := wechat.NewApp(cfg.OfficialAppID, string(cfg.OfficialAppSecret), options)
	shared, err := ticket.Seal(ticketsql.New(db), string(cfg.OfficialAppSecret))
	if err != nil {
		return nil, err
	}
	c.tickets = newTickets(cfg, official, options, shared, log)
	c.metrics.MustRegister(c.tickets, clockOffset(c.clock))
	c.Catalogue = card.New(account{c.tickets.client}, cardsql.New(db), log)
	c.Members = member.New(membersql.New(db), member.Apps{MiniProgram: cfg.MiniProgramAppID, Official: cfg.OfficialAppID}, plans{c.Catalogue})
	c.CardLists = &cardlist.Service{
		Catalogue: c.Catalogue, Members: c.Members, Tickets: c.tickets, OfficialAppID: cfg.OfficialAppID, Now: c.clock.Now,
	}

	keys, err := auth.ParseKeys(string(cfg.SessionKeys))
	if err != nil {
		return nil, err
	}
	mini := wechat.NewApp(cfg.MiniProgramAppID, string(cfg.MiniProgramAppSecret), options)
	c.Sessions, err = auth.Open(ctx, keys, auth.Ports{
		AppID: cfg.MiniProgramAppID, WeChat: login{mini}, Members: c.Members, Store: authsql.New(db),
	}, auth.Options{Now: c.clock.Now, Log: log})
	return c, err
}

// APITicket returns the shared wx_card ticket, waiting for one fetch if need be.
func (c *Core) APITicket(ctx context.Context) (string, error) { return c.tickets.Ticket(ctx) }

// Now is the local clock, corrected when it is more than a minute off WeChat's.
func (c *Core) Now() time.Time { return c.clock.Now() }

// Close gives leases back, waits for what is under way and closes the database.
func (c *Core) Close() error {
	c.Sessions.Close()
	c.tickets.close()
	return c.db.Close()
}

// Migrate brings the database of cfg up to date and returns how many steps it took.
func Migrate(ctx context.Context, cfg Config) (int, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return 0, err
	}
	steps, err := db.Migrate(ctx)
	return steps, errors.Join(err, db.Close())
}

// login makes WeChat's refusals of a login the ones that package auth knows.
type login struct{ app *wechat.App }

func (l login) Code2Session(ctx context.Context, code string) (openID, unionID string, err error) {
	openID, unionID, err = l.app.Code2Session(ctx, code)
	var refused *wechat.Error
	if !errors.As(err, &refused) {
		return openID, unionID, err
	}
	switch {
	case refused.LoginCodeRefused():
		err = fmt.Errorf("%w: %w", auth.ErrCodeRefused, err)
	case refused.UserBlocked():
		err = fmt.Errorf("%w: %w", auth.ErrUserBlocked, err)
	case refused.LoginTooOften():
		err = fmt.Errorf("%w: %w", auth.ErrTooFast, err)
	}
	return "", "", err
}

// account is the Official Account's cards as package card wants them.
type account struct{ client *wechat.Client }

func (a account) Card(ctx context.Context, cardID string) (card.Card, error) {
	got, _, err := a.client.Card(ctx, cardID)
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.UnknownCard() {
		return card.Card{}, fmt.Errorf("%w: %w", card.ErrNotFound, err)
	}
	if err != nil {
		return card.Card{}, err
	}
	return card.Card{
		ID: cardID, Status: card.Status(got.Status), Title: got.Title, BrandName: got.BrandName, LogoURL: got.LogoURL,
		Color: got.Color, BackgroundPicURL: got.BackgroundPicURL, UseCustomCode: got.UseCustomCode, Deposit: got.GetCustomCodeMode == "GET_CUSTOM_CODE_MODE_DEPOSIT",
		BindOpenID: got.BindOpenID, DateType: got.DateType, Quantity: got.Quantity, AutoActivate: got.AutoActivate,
		WxActivate: got.WxActivate, JumpForm: got.WxActivateAfterSubmit && got.WxActivateAfterSubmitURL != "",
	}, nil
}

func (a account) CardIDs(ctx context.Context, offset int) (ids []string, total int, err error) {
	const page = 50 // WeChat's maximum
	return a.client.Cards(ctx, offset, page)
}

// plans makes what the catalogue knows of a card the plan that package member
// asks for.
type plans struct{ catalogue *card.Catalogue }

func (p plans) Plan(ctx context.Context, cardID string) (member.Plan, error) {
	return planOf(p.catalogue.Known(ctx, cardID))
}

func (p plans) Learn(ctx context.Context, cardID string) (member.Plan, error) {
	return planOf(p.catalogue.Learn(ctx, cardID))
}

func planOf(c card.Card, err error) (member.Plan, error) {
	switch {
	case errors.Is(err, card.ErrNotFound):
		return "", member.ErrCardUnknown
	case err != nil:
		return "", err
	case c.AutoActivate:
		return member.PlanAuto, nil
	case c.ActivatesOnClaim():
		return member.PlanPush, nil
	case c.WxActivate:
		return member.PlanForm, nil
	}
	return member.PlanManual, nil
}

// tickets are the three shared credentials of the Official Account; the last
// two are fetched with the first.
type tickets struct {
	access, wxCard, jsapi *ticket.Source
	client                *wechat.Client

	mu   sync.Mutex
	seen []string // api_tickets this process signed with, newest last
}

func newTickets(cfg Config, official *wechat.App, options wechat.Options, store ticket.Store, log *slog.Logger) *tickets {
	t := &tickets{}
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
