package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/addcard/addcard/internal/auth"
	authsql "github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/card"
	cardsql "github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
	ticketsql "github.com/addcard/addcard/internal/ticket/sqlstore"
	"github.com/addcard/addcard/internal/wechat"
	"github.com/addcard/addcard/internal/wechat/push"
)

// Core is the capabilities of one deployment, connected and without a listener:
// what the server and the commands work on. It is safe for concurrent use.
type Core struct {
	Sessions  *auth.Service
	Members   *member.Service
	Catalogue *card.Catalogue
	Operator  *card.Operator
	OpenCards *opencard.Service
	Pages     *jssdk.Service
	Forms     forms
	CardLists *cardlist.Service

	official   *wechat.App
	mini       *wechat.App
	sender     *member.Sender
	reconciler *member.Reconciler
	pushes     *pushes
	db         *sqldb.DB
	clock      *wechat.Clock
	tickets    *tickets
	metrics    *prometheus.Registry
	closers    []func() error // of what is used besides the database
}

// Open connects the capabilities that cfg describes and brings the database up
// to date. It asks WeChat nothing. Close ends it.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Core, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return nil, err
	}
	core := &Core{db: db}
	if err := core.connect(ctx, cfg, log); err != nil {
		return nil, errors.Join(err, core.closeStores())
	}
	return core, nil
}

func (c *Core) connect(ctx context.Context, cfg Config, log *slog.Logger) error {
	db := c.db
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	c.clock, c.metrics = &wechat.Clock{}, prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	book := &callBook{now: c.clock.Now}
	c.metrics.MustRegister(book)
	options := wechat.Options{BaseURL: cfg.WeChatAPIURL, Clock: c.clock, Observe: book.observed(countCalls(c.metrics))}

	c.official = wechat.NewApp(cfg.OfficialAppID, string(cfg.OfficialAppSecret), options)
	store, err := c.ticketStore(cfg)
	if err != nil {
		return err
	}
	shared, err := ticket.Seal(store, string(cfg.OfficialAppSecret))
	if err != nil {
		return err
	}
	c.tickets = newTickets(cfg, c.official, options, shared, log)
	c.metrics.MustRegister(c.tickets, clockOffset(c.clock))
	c.Catalogue = card.New(account{c.tickets.client}, cardsql.New(db), log)
	c.Members = member.New(membersql.New(db), member.Apps{MiniProgram: cfg.MiniProgramAppID, Official: cfg.OfficialAppID}, plans{c.Catalogue})
	c.Operator = card.NewOperator(c.Catalogue, account{c.tickets.client}, c.Members.End, log)
	c.CardLists = &cardlist.Service{
		Catalogue: c.Catalogue, Members: c.Members, Tickets: c.tickets, Claims: c.Members, Codes: codes{c.tickets.client}, OfficialAppID: cfg.OfficialAppID, Now: c.clock.Now,
	}

	if err := c.opening(cfg); err != nil {
		return err
	}

	c.sender = c.Members.NewSender(memberCards{c.tickets.client}, log, countSent(c.metrics))
	c.reconciler = c.Members.NewReconciler(memberCards{c.tickets.client}, log, measureReconciled(c.metrics))
	c.metrics.MustRegister(backlog{c.Members})

	receiver, err := push.New(string(cfg.CallbackToken), push.Options{
		AESKey: string(cfg.CallbackAESKey), PreviousAESKey: string(cfg.CallbackAESKeyPrevious),
		AppID: cfg.OfficialAppID, OriginalID: cfg.OfficialOriginalID, WeChatNow: c.clock.Now,
	})
	if err != nil {
		return err
	}
	c.pushes = newPushes(c, receiver, log)

	keys, err := auth.ParseKeys(string(cfg.SessionKeys))
	if err != nil {
		return err
	}
	c.mini = wechat.NewApp(cfg.MiniProgramAppID, string(cfg.MiniProgramAppSecret), options)
	c.Sessions, err = auth.Open(ctx, keys, auth.Ports{
		AppID: cfg.MiniProgramAppID, WeChat: login{c.mini}, Members: c.Members, Store: authsql.New(db),
	}, auth.Options{Now: c.clock.Now, Log: log})
	return err
}

// ticketStore is where the replicas share tickets: Redis if there is one, else
// the database; never both, or two replicas might look into different ones.
func (c *Core) ticketStore(cfg Config) (ticket.Store, error) {
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

// APITicket returns the shared wx_card ticket, waiting for one fetch if need be.
func (c *Core) APITicket(ctx context.Context) (string, error) { return c.tickets.Ticket(ctx) }

// Now is the local clock, corrected when it is more than a minute off WeChat's.
func (c *Core) Now() time.Time { return c.clock.Now() }

// Close gives leases back, waits for what is under way and closes the database.
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

// Migrate brings the database of cfg up to date and returns how many steps it took.
func Migrate(ctx context.Context, cfg Config) (int, error) {
	db, err := sqldb.Open(ctx, string(cfg.DatabaseURL))
	if err != nil {
		return 0, err
	}
	steps, err := db.Migrate(ctx)
	return steps, errors.Join(err, db.Close())
}
