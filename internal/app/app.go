// Package app connects the packages of addcard to one program: it opens the
// database, gives each package the ports that it declares, and serves the two
// listeners.
//
// It contains wiring and no rules. It does not read the environment; see
// package config.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/httpapi/admin"
	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/httpapi/console"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/timeline"
	timelinesql "github.com/addcard/addcard/internal/timeline/sqlstore"
)

// Options are what a program adds to the configuration. The zero value is ready
// to use.
type Options struct {
	Log *slog.Logger // slog.Default if nil
	// LogDropped returns the number of lines of the log that were dropped so far. If it
	// is nil, none are.
	LogDropped func() uint64
	// Version and Commit are what the program was built from. The documentation of the
	// API and the metrics show them.
	Version, Commit string
	// WaitForDatabase is how long New waits for a database that does not answer, or has no
	// primary. With 0 it does not wait.
	WaitForDatabase time.Duration
	// MockLogin returns a code of wx.login in place of the text that DevTools gives to a
	// project without an AppID. It is for cmd/sandbox; New refuses it with a
	// configuration that is not of [config.LoadSandbox]. Without it the text is refused.
	MockLogin func() (code string, err error)
}

// App is a server that has opened its database and its listeners.
type App struct {
	core          *Core
	log           *slog.Logger
	grace         time.Duration
	checks        *doctor.Watch
	public, admin listener
	draining      atomic.Bool
	unready       atomic.Bool // the last answer of ready, for the log
}

type listener struct {
	net.Listener
	server *http.Server
}

// New opens the database, brings its tables up to date and opens both
// listeners. It does not call WeChat. The caller must call either Run or Close.
func New(ctx context.Context, cfg config.Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MockLogin != nil && !cfg.Sandbox {
		return nil, errors.New("mock logins are for the sandbox only")
	}
	if cfg.OTLPEndpoint != "" { // often set for a whole cluster, so it must not stop the start
		o.Log.WarnContext(ctx, "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this version exports no traces")
	}
	for _, w := range cfg.Warnings() {
		o.Log.WarnContext(ctx, w.Found, "fix", w.Fix)
	}
	core, err := open(ctx, cfg, o.Log, func(ctx context.Context, db *sqldb.DB, log *slog.Logger) error {
		if o.WaitForDatabase > 0 {
			if err := awaitDatabase(ctx, db, log, o.WaitForDatabase); err != nil {
				return err
			}
		}
		return checkDatabase(ctx, db, log)
	})
	if err != nil {
		return nil, err
	}
	if err := core.recover(ctx, o.Log); err != nil {
		return nil, errors.Join(err, core.Close())
	}
	core.metrics.MustRegister(droppedLines(o.LogDropped))
	describeBuild(core.metrics, o.Version, o.Commit)
	a := &App{core: core, log: o.Log, grace: cfg.ShutdownGrace, checks: doctor.NewWatch(cfg, core.deployment())}
	if err := a.listen(ctx, cfg, o); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) listen(ctx context.Context, cfg config.Config, o Options) (err error) {
	publicServer, adminServer := a.servers(cfg, o)
	closed := countClosed(a.core.metrics)
	bounds := connections(cfg)
	bounds.Exempt, bounds.Closed = public.Trusts(cfg.TrustedProxies), closed("public")
	if a.public, err = listen(ctx, cfg.ListenAddr, publicServer, bounds); err != nil {
		return err
	}
	// The operator's clients share a machine or a proxy, and prove who they are.
	a.admin, err = listen(ctx, cfg.AdminListenAddr, adminServer, conns.Options{Most: bounds.Most, Closed: closed("admin")})
	return err
}

const (
	// maxInFlight bounds for each listener the requests that it works on at once on
	// the database. A request takes milliseconds, so that many wait only if the
	// database does not answer.
	maxInFlight = 256
	// maxWaiting and maxWaitingPerPeer bound for each listener the connections that
	// wait for their clients. A process may have 1,024 descriptors on many systems.
	maxWaiting, maxWaitingPerPeer = 256, 128
	// moment is conns.Options.Moment.
	moment = 50 * time.Millisecond
	// maxUnlimited takes the place of both without a limit of requests per address:
	// what is before the server limits its clients.
	maxUnlimited = 4096
)

// inFlight returns a pool of slots for one listener.
func inFlight(cfg config.Config) chan struct{} {
	if cfg.RatePerAddress == 0 {
		return make(chan struct{}, 4*maxInFlight)
	}
	return make(chan struct{}, maxInFlight)
}

func connections(cfg config.Config) conns.Options {
	if cfg.RatePerAddress == 0 {
		return conns.Options{Most: maxUnlimited, Moment: moment}
	}
	return conns.Options{Most: maxWaiting, PerPeer: maxWaitingPerPeer, Moment: moment}
}

// servers returns the servers of the two listeners, each with slots of its own.
func (a *App) servers(cfg config.Config, o Options) (publicServer, adminServer *http.Server) {
	c := a.core
	observe := timeRequests(c.metrics)
	common := func() public.Common {
		return public.Common{Log: o.Log, Version: o.Version, Ready: a.ready, InFlight: inFlight(cfg), Observe: observe}
	}
	publicServer = public.New(public.Services{
		Sessions: sessions(c.Sessions, o.MockLogin), Members: c.Members, Ledger: c.Ledger, Catalogue: c.Catalogue, CardLists: c.CardLists,
		OpenCards: c.OpenCards, Phones: c.Phones, Pages: c.Pages, WebLogins: c.WebLogins, Pushes: c.pushes,
	}, public.Options{
		Common: common(), URL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies,
		RatePerMember: cfg.RatePerMember, RatePerAddress: cfg.RatePerAddress,
	})
	pages := console.New(c.Staff, console.Options{Prefix: cfg.ConsolePrefix, Zone: cfg.Zone(), TrustedProxies: cfg.TrustedProxies})
	adminServer = admin.New(admin.Services{
		Cards: c.Operator, Distribution: c.Operator, Explainer: c.CardLists, People: c.Members, Forms: c.Members, Fields: c.Members,
		Imports: c.Imports, Ledger: c.Ledger, Drifts: c.CardSync, Outbox: c.Outbox, Tickets: c.tickets,
		Staff: c.Staff, Audit: c.Audit, Shop: c.Shop, Statistics: c.Statistics, Checks: a.checks, Webhooks: c.Webhooks,
		Timelines: timeline.New(c.Members, plans{c.Catalogue}, timelinesql.New(c.db), cfg.Zone(), actions{c.Audit}),
	}, admin.Options{
		Common: common(), Metrics: c.metrics, Refused: countRefused(c.metrics),
		AdminToken: string(cfg.AdminToken), TicketToken: string(cfg.TicketToken), Zone: cfg.Zone(),
		TrustedProxies: cfg.TrustedProxies, Pages: pages.Mount, Prefix: cfg.ConsolePrefix,
	})
	return publicServer, adminServer
}

func listen(ctx context.Context, addr string, server *http.Server, bounds conns.Options) (listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return listener{}, fmt.Errorf("listen: %w", err)
	}
	return listener{conns.Limit(l, bounds), server}, nil
}

// Addr returns the HOST:PORT of the public listener.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr returns the HOST:PORT of the admin listener.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Run serves until ctx ends or a listener fails, and then drains: /readyz
// answers 503, a moment later the listeners accept no connection, requests under
// way finish within SHUTDOWN_GRACE, workers stop, and leases are released. It
// closes the App and returns nil after an orderly end. Call it at most once.
func (a *App) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var workers sync.WaitGroup
	workers.Go(func() { a.core.Sessions.Run(work) })
	workers.Go(func() { a.core.Catalogue.Run(work) })
	workers.Go(func() { a.core.sender.Run(work) })
	workers.Go(func() { a.core.Outbox.RunRetries(work, a.log) })
	workers.Go(func() { a.core.Webhooks.Run(work) })
	workers.Go(func() { a.core.Imports.Run(work, a.log) })
	workers.Go(func() { a.core.trail.Run(work) })
	workers.Go(func() { a.core.reconciler.Run(work) })
	workers.Go(func() { a.core.Recovery.Run(work) })
	workers.Go(func() { a.core.Statistics.Run(work) })
	workers.Go(func() { a.warm(work) })
	workers.Go(func() { a.resolveConflicts(work) })
	workers.Go(func() { a.core.Members.Scrub(work) })
	workers.Go(func() { a.core.Staff.Run(work) })
	workers.Go(func() { a.checks.Run(work) })

	failed := make(chan error, 2)
	for _, l := range []listener{a.public, a.admin} {
		workers.Go(func() {
			if err := l.server.Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	a.log.InfoContext(ctx, "serving", "public", a.Addr(), "admin", a.AdminAddr())
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, a.drain(ctx))
	stopWork()
	workers.Wait()
	return errors.Join(err, a.core.Close())
}

// Close releases the listeners and the database of an App that is not run. Run
// does so itself.
func (a *App) Close() error {
	var err error
	for _, l := range []listener{a.public, a.admin} {
		if l.Listener != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return errors.Join(err, a.core.Close())
}

// drain stops both listeners. Requests that do not finish in time are cut off,
// which is logged and is not an error.
func (a *App) drain(ctx context.Context) error {
	a.draining.Store(true)
	a.log.InfoContext(ctx, "draining", "grace", a.grace)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.grace)
	defer cancel()
	select { // load balancers must see that /readyz answers 503
	case <-time.After(a.grace / 10):
	case <-ctx.Done():
	}
	for _, l := range []listener{a.public, a.admin} {
		if err := l.server.Shutdown(ctx); err != nil {
			a.log.WarnContext(ctx, "drain: requests did not finish in time and were cut off", "listener", l.Addr().String())
			if err := l.server.Close(); err != nil {
				return fmt.Errorf("close %s: %w", l.Addr(), err)
			}
		}
	}
	return nil
}

// warm fetches the api_ticket before the first request needs it. Without one
// everything but card-ext works, so a failure is only logged.
func (a *App) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := a.core.tickets.Ticket(ctx); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "fetch api_ticket at start: failed; card-ext fetches it on request", "error", err)
	}
}

// resolveConflicts repairs what a former version did. It is repeated at the next start
// if it fails.
func (a *App) resolveConflicts(ctx context.Context) {
	if err := a.core.Members.ResolveConflicts(ctx); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "undo joins by shared unionids: failed; it is repeated at the next start", "error", err)
	}
}

var errDraining = errors.New("shutting down")

func (a *App) ready(ctx context.Context) error {
	if a.draining.Load() {
		return errDraining
	}
	err := a.core.db.Ready(ctx)
	if unready := errors.Is(err, sqldb.ErrUnavailable); unready != a.unready.Swap(unready) {
		if unready {
			a.log.ErrorContext(ctx, "not ready: /readyz answers 503 until the database can be written", "error", err)
		} else {
			a.log.InfoContext(ctx, "ready: the database can be written")
		}
	}
	return err
}

// checkTime bounds the search for damage before a start. It suffices for some
// hundred megabytes.
const checkTime = 3 * time.Second

// checkDatabase refuses a damaged database file before anything is written to it.
func checkDatabase(ctx context.Context, db *sqldb.DB, log *slog.Logger) error {
	complete, err := db.CheckFile(ctx, checkTime)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if !complete {
		log.InfoContext(ctx, "the database file is too large to look at all of it before the start; \"server check\" does", "time", checkTime)
	}
	return nil
}
