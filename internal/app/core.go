package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/addcard/addcard/internal/audit"
	auditsql "github.com/addcard/addcard/internal/audit/sqlstore"
	"github.com/addcard/addcard/internal/auth"
	authsql "github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/card"
	cardsql "github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/cardsync"
	cardsyncsql "github.com/addcard/addcard/internal/cardsync/sqlstore"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/importer"
	importersql "github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/phonecode"
	"github.com/addcard/addcard/internal/recovery"
	recoverysql "github.com/addcard/addcard/internal/recovery/sqlstore"
	"github.com/addcard/addcard/internal/shop"
	shopsql "github.com/addcard/addcard/internal/shop/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/staff"
	staffsql "github.com/addcard/addcard/internal/staff/sqlstore"
	"github.com/addcard/addcard/internal/statistics"
	statisticssql "github.com/addcard/addcard/internal/statistics/sqlstore"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
	ticketsql "github.com/addcard/addcard/internal/ticket/sqlstore"
	"github.com/addcard/addcard/internal/trail"
	trailsql "github.com/addcard/addcard/internal/trail/sqlstore"
	"github.com/addcard/addcard/internal/webhook"
	webhooksql "github.com/addcard/addcard/internal/webhook/sqlstore"
	"github.com/addcard/addcard/internal/weblogin"
	"github.com/addcard/addcard/internal/wechat"
	"github.com/addcard/addcard/internal/wechat/push"
)

// Core holds the connected services of one deployment, without listeners. The
// server and the commands work on it. It is safe for concurrent use.
type Core struct {
	Sessions  *auth.Service
	Members   *member.Service
	Ledger    *ledger.Service
	Outbox    *outbox.Service
	CardSync  *cardsync.Service
	Catalogue *card.Catalogue
	Operator  *card.Operator
	OpenCards *opencard.Service
	Phones    *phonecode.Service
	Pages     *jssdk.Service
	WebLogins *weblogin.Service
	CardLists *cardlist.Service
	Staff     *staff.Service
	Audit     *audit.Service
	Shop      *shop.Service
	Imports   *importer.Service
	Webhooks  *webhook.Service
	Recovery  *recovery.Service

	Statistics *statistics.Service

	official   *wechat.App
	mini       *wechat.App
	sender     *outbox.Sender
	reconciler *cardsync.Reconciler
	pushes     *pushes
	trail      *trail.Recorder
	db         *sqldb.DB
	clock      *wechat.Clock
	tickets    *tickets
	metrics    *prometheus.Registry
	closers    []func() error // of the stores besides the database
}

// maxRewrite bounds the SQLite file that a start rewrites, which takes about two
// seconds. `server migrate` rewrites a larger one.
const maxRewrite = 64 << 20

// clockSpan is for how long WeChat's answers must agree that the clock is wrong. Tests
// shorten it.
var clockSpan time.Duration

// Open opens the database that cfg names, brings its tables up to date and
// connects the services. It does not call WeChat. The caller must call Close.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*Core, error) {
	return open(ctx, cfg, log, func(context.Context, *sqldb.DB, *slog.Logger) error { return nil })
}

// open is Open with a check of the database before its tables are brought up to date.
func open(
	ctx context.Context, cfg config.Config, log *slog.Logger, check func(context.Context, *sqldb.DB, *slog.Logger) error,
) (*Core, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return nil, err
	}
	if err := check(ctx, db, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	core := &Core{db: db, clock: &wechat.Clock{Span: clockSpan, Log: log}, metrics: prometheus.NewRegistry()}
	if err := core.connect(ctx, cfg, log); err != nil {
		return nil, errors.Join(err, core.closeStores())
	}
	return core, nil
}

func (c *Core) connect(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if _, err := c.db.Migrate(ctx); err != nil {
		return err
	}
	if err := c.db.Rewrite(ctx, maxRewrite); err != nil {
		log.WarnContext(ctx, "rewrite the database without what was deleted: failed; it is repeated at the next start", "error", err)
	}
	if err := c.connectWeChat(cfg, log); err != nil {
		return err
	}
	c.Staff, c.Audit, c.Shop = staff.New(staffsql.New(c.db), log), audit.New(auditsql.New(c.db), log), shop.New(shopsql.New(c.db))
	c.Catalogue = card.New(account{c.tickets.client}, cardsql.New(c.db), log)
	c.connectMembers(cfg, log)
	if err := c.connectRecovery(ctx, cfg, log); err != nil {
		return err
	}
	if err := c.connectCards(cfg, log); err != nil {
		return err
	}
	if err := c.connectPushes(cfg, log); err != nil {
		return err
	}
	return c.connectSessions(ctx, cfg, log)
}

// connectMembers connects what is kept of member cards, and what keeps it in step
// with WeChat.
func (c *Core) connectMembers(cfg config.Config, log *slog.Logger) {
	client := c.tickets.client
	c.Outbox = outbox.New(outboxsql.New(c.db), cardsync.RetryAs)
	c.Ledger = ledger.New(ledgersql.New(c.db), c.Outbox.Wake)
	apps := member.Apps{MiniProgram: cfg.MiniProgramAppID, Official: cfg.OfficialAppID}
	c.Members = member.New(membersql.New(c.db), apps, plans{c.Catalogue}, c.Outbox.Wake)
	c.trail = trail.NewRecorder(trailsql.New(c.db, membersql.PeopleLock), log)
	c.CardSync = cardsync.New(cardsyncsql.New(c.db), c.Members, memberCards{client})
	c.Operator = card.NewOperator(c.Catalogue, account{client}, c.Members.End, log)
	c.Members.MakeUnavailableWith(c.endOfErased)
	c.sender = c.Outbox.NewSender(c.CardSync.Handlers(), log, countSent(c.metrics))
	c.reconciler = c.CardSync.NewReconciler(memberCards{client}, c.Ledger, cfg.OfficialAppID, c.Outbox.Wake, log, measureReconciled(c.metrics))
	c.Statistics = statistics.New(statisticssql.New(c.db), statistics.Options{Zone: cfg.Zone(), Log: log})
	c.metrics.MustRegister(backlog{c.Outbox, c.CardSync, c.Members, log})
}

// connectRecovery has the members, the ledger and the outbox respect the recovery of a
// restored database.
func (c *Core) connectRecovery(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	c.Recovery, err = recovery.Open(ctx, recoverysql.New(c.db, cfg.OfficialAppID), restoredCards{c.CardSync, c.reconciler}, log)
	if err != nil {
		return err
	}
	c.CardSync.HoldWith(c.Recovery.Holds)
	c.Ledger.ReleaseWith(c.Recovery.Release)
	c.metrics.MustRegister(recovering(c.Recovery))
	return nil
}

// endOfErased makes a code of a member who is erased unavailable.
func (c *Core) endOfErased(ctx context.Context, cardID, code string) error {
	const reason = "会员注销"
	err := c.Operator.Unavailable(ctx, cardID, code, reason)
	var refused *wechat.Error
	if errors.As(err, &refused) && (refused.UnknownCode() || refused.CodeUnusable() || refused.UnknownCard()) {
		err = fmt.Errorf("%w: %w", member.ErrCodeNotUsable, err)
	}
	return err
}

// connectWeChat makes the clients of WeChat's API and the credentials that the
// replicas share.
func (c *Core) connectWeChat(cfg config.Config, log *slog.Logger) error {
	today := &callsToday{wechat.DailyCalls{Now: c.clock.Now}}
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), today)
	options := wechat.Options{BaseURL: cfg.WeChatAPIURL, Clock: c.clock, Observe: today.observed(countCalls(c.metrics))}
	c.official = wechat.NewApp(cfg.OfficialAppID, string(cfg.OfficialAppSecret), options)
	c.mini = wechat.NewApp(cfg.MiniProgramAppID, string(cfg.MiniProgramAppSecret), options)
	store, err := c.ticketStore(cfg)
	if err != nil {
		return err
	}
	var kept stores
	if kept.official, err = ticket.Seal(store, string(cfg.OfficialAppSecret)); err != nil {
		return err
	}
	if kept.mini, err = ticket.Seal(store, string(cfg.MiniProgramAppSecret)); err != nil {
		return err
	}
	c.tickets = newTickets(cfg, c.official, c.mini, options, kept, log)
	c.tickets.calls = today
	if shared, ok := store.(*redisstore.Store); ok {
		c.tickets.eviction = shared.Eviction
	}
	c.metrics.MustRegister(c.tickets, clockOffset(c.clock), clockCorrection(c.clock))
	return nil
}

// ticketStore returns the store in which the replicas share tickets: Redis if it
// is configured, else the database. Never both: then two replicas could use
// different ones.
func (c *Core) ticketStore(cfg config.Config) (ticket.Store, error) {
	if cfg.RedisURL == "" {
		return ticketsql.New(c.db), nil
	}
	client, err := redisstore.Open(string(cfg.RedisURL))
	if err != nil {
		return nil, err
	}
	c.closers = append(c.closers, client.Close)
	return redisstore.New(client), nil
}

// connectCards connects the ways to a card, wx.addCard and the open-card
// component, what members fill in there, and the webhooks.
func (c *Core) connectCards(cfg config.Config, log *slog.Logger) error {
	keys, err := datakey.Parse(string(cfg.DataKeys))
	if err != nil {
		return err
	}
	client := c.tickets.client
	c.CardLists = &cardlist.Service{
		Catalogue: c.Catalogue, Members: returning{c.Members, c.Recovery, cfg.OfficialAppID}, Tickets: c.tickets, Claims: c.Members,
		Codes:         codes{client},
		OfficialAppID: cfg.OfficialAppID, Now: c.clock.Now, LimitCalls: cfg.RatePerMember > 0, Signed: c.trail.CardExt,
	}
	c.OpenCards = &opencard.Service{
		WeChat: component{client}, Catalogue: c.Catalogue, Members: c.Members, Codes: codes{client},
		LimitCalls: cfg.RatePerMember > 0,
	}
	webhooks := webhook.Options{Allow: cfg.WebhookNetworks(), Now: c.clock.Now, Log: log, Observe: countWebhooks(c.metrics)}
	var sealing importer.Keys
	if keys != nil {
		c.Members.SealForms(keys)
		sealing, webhooks.Keys = keys, keys
	}
	c.Imports = importer.New(importersql.New(c.db), c.Members, importedCards{c.Catalogue}, holders{c.CardSync}, sealing, c.Outbox.Wake)
	c.Phones = &phonecode.Service{
		AppID: cfg.MiniProgramAppID, WeChat: phoneButton{c.tickets.miniClient}, Members: phones{c.Members, c.trail},
		LimitCalls: cfg.RatePerMember > 0,
	}
	c.Webhooks = webhook.New(webhooksql.New(c.db), webhooks)
	c.metrics.MustRegister(webhookBacklog{c.Webhooks, log})
	c.Pages = &jssdk.Service{
		AppID: cfg.OfficialAppID, Hosts: cfg.JSSDKHosts, Ticket: c.tickets.jsapi.Ticket, Nonce: cardext.NewNonce, Now: c.clock.Now,
	}
	return nil
}

func (c *Core) connectPushes(cfg config.Config, log *slog.Logger) error {
	receiver, err := push.New(string(cfg.CallbackToken), push.Options{
		AESKey: string(cfg.CallbackAESKey), PreviousAESKey: string(cfg.CallbackAESKeyPrevious),
		AppID: cfg.OfficialAppID, OriginalID: cfg.OfficialOriginalID, WeChatNow: c.clock.Likely,
	})
	if err != nil {
		return err
	}
	c.pushes = newPushes(c, receiver, log)
	return nil
}

func (c *Core) connectSessions(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	keys, err := auth.ParseKeys(string(cfg.SessionKeys))
	if err != nil {
		return err
	}
	c.Sessions, err = auth.Open(ctx, keys, auth.Ports{
		MiniProgram: auth.App{ID: cfg.MiniProgramAppID, WeChat: login(c.mini.Code2Session)},
		Official:    auth.App{ID: cfg.OfficialAppID, WeChat: login(c.official.PageUser)},
		Members:     enroller{c.Members, c.trail}, Store: authsql.New(c.db),
	}, sessionOptions(cfg, log))
	if err != nil {
		return err
	}
	c.metrics.MustRegister(loginSuspended(c.Sessions))
	c.WebLogins = &weblogin.Service{
		AppID: cfg.OfficialAppID, OpenURL: cfg.WeChatOpenURL, Allows: c.Pages.Allows, Login: pageLogin(c.Sessions),
	}
	return nil
}

func sessionOptions(cfg config.Config, log *slog.Logger) auth.Options {
	return auth.Options{Log: log, LimitLogins: cfg.RatePerAddress > 0}
}

// Damage returns what is damaged in the database file, up to a hundred things. It
// reads the whole file. PostgreSQL checks its own files.
func (c *Core) Damage(ctx context.Context) ([]string, error) { return c.db.Damage(ctx) }

// APITicket returns the shared wx_card ticket. It may wait for one fetch.
func (c *Core) APITicket(ctx context.Context) (string, error) { return c.tickets.Ticket(ctx) }

// Now returns the local time, corrected when it is more than a minute off
// WeChat's. It follows WeChat's latest answer, because a command makes only a few
// calls.
func (c *Core) Now() time.Time { return c.clock.Likely() }

// Close releases leases, waits for work under way and closes the stores.
func (c *Core) Close() error {
	c.Sessions.Close()
	c.tickets.close()
	return c.closeStores()
}

func (c *Core) closeStores() error {
	var err error
	for _, end := range c.closers {
		err = errors.Join(err, end())
	}
	return errors.Join(err, c.db.Close())
}

// Deployment returns a function that opens the deployment of cfg for package
// doctor. Nothing is logged: the findings say what is wrong.
func Deployment(cfg config.Config) func(context.Context) (*doctor.Deployment, error) {
	return func(ctx context.Context) (*doctor.Deployment, error) {
		c, err := Open(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return c.deployment(), nil
	}
}

// deployment returns c for package doctor.
func (c *Core) deployment() *doctor.Deployment {
	return &doctor.Deployment{
		Database: c.db, Clock: examinedClock{c.clock}, Tickets: c.tickets, Catalogue: c.Operator, Members: c.Members, Outbox: c.Outbox,
		Recovery: c.Recovery,
		Official: examined{account{c.tickets.client}, c.official}, MiniProgram: c.mini, Close: c.Close,
		Sealed: sealed{c},
	}
}

// examinedClock is the clock of a command, which makes only a few calls.
type examinedClock struct{ *wechat.Clock }

// Now returns the time by WeChat's latest answer.
func (c examinedClock) Now() time.Time { return c.Likely() }

// Migrate brings the database of cfg up to date and returns the number of steps
// that it took.
func Migrate(ctx context.Context, cfg config.Config) (int, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return 0, err
	}
	steps, err := db.Migrate(ctx)
	if err == nil {
		err = db.Rewrite(ctx, math.MaxInt64)
	}
	return steps, errors.Join(err, db.Close())
}
