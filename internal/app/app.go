// Package app connects the capabilities of addcard into one program: it reads
// the configuration, opens the database, gives each package the ports it
// declares, and serves the two listeners. It holds wiring and no rules.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/addcard/addcard/internal/httpapi/admin"
	"github.com/addcard/addcard/internal/httpapi/public"
)

// Options are what a program that runs an App adds to the configuration.
type Options struct {
	Log     *slog.Logger // nil is slog.Default
	Version string
}

// App is a server that has opened its database and taken its ports.
type App struct {
	core          *Core
	log           *slog.Logger
	grace         time.Duration
	public, admin listener
	draining      atomic.Bool
}

type listener struct {
	net.Listener
	server *http.Server
}

// New opens the database, brings it up to date and takes both ports. WeChat
// need not be there. The caller must call Run, which also closes the App.
func New(ctx context.Context, cfg Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if cfg.OTLPEndpoint != "" { // often set for a whole cluster, so no reason to refuse the start
		o.Log.WarnContext(ctx, "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this version exports no traces")
	}
	core, err := Open(ctx, cfg, o.Log)
	if err != nil {
		return nil, err
	}
	a := &App{core: core, log: o.Log, grace: cfg.ShutdownGrace}
	publicServer, adminServer := a.servers(cfg, o)
	if a.public, err = listen(ctx, cfg.ListenAddr, publicServer); err == nil {
		a.admin, err = listen(ctx, cfg.AdminListenAddr, adminServer)
	}
	if err != nil {
		if a.public.Listener != nil {
			err = errors.Join(err, a.public.Close())
		}
		return nil, errors.Join(err, core.Close())
	}
	return a, nil
}

// maxInFlight bounds the requests that both listeners work on at once.
const maxInFlight = 1024

// servers returns the servers of the two listeners.
func (a *App) servers(cfg Config, o Options) (publicServer, adminServer *http.Server) {
	c := a.core
	common := public.Common{
		Log: o.Log, Version: o.Version, TrustedProxies: cfg.TrustedProxies, Ready: a.ready,
		InFlight: make(chan struct{}, maxInFlight), Observe: timeRequests(c.metrics),
	}
	publicServer = public.New(public.Services{
		Sessions: c.Sessions, Members: c.Members, Ledger: c.Members, Catalogue: c.Catalogue, CardLists: c.CardLists,
		OpenCards: c.OpenCards, Pages: c.Pages, Pushes: c.pushes,
	}, public.Options{Common: common, RatePerMember: cfg.RatePerMember, RatePerAddress: cfg.RatePerAddress})
	adminServer = admin.New(admin.Services{
		Cards: c.Operator, Distribution: c.Operator, Explainer: c.CardLists, People: c.Members, Forms: c.Forms, Fields: c.Members,
		Ledger: c.Members, Outbox: c.Members, Tickets: c.tickets,
	}, admin.Options{Common: common, Metrics: c.metrics, AdminToken: string(cfg.AdminToken), TicketToken: string(cfg.TicketToken)})
	return publicServer, adminServer
}

func listen(ctx context.Context, addr string, server *http.Server) (listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return listener{}, fmt.Errorf("listen: %w", err)
	}
	return listener{l, server}, nil
}

// Addr is where the public listener is, as HOST:PORT.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr is where the operator's listener is, as HOST:PORT.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Run serves until ctx ends or a listener fails, then drains: /readyz says 503,
// a moment later no connection is taken, requests under way finish within
// SHUTDOWN_GRACE, workers stop, leases are given back. It returns nil after a
// clean end. Call it once.
func (a *App) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var workers sync.WaitGroup
	workers.Go(func() { a.core.Sessions.Run(work) })
	workers.Go(func() { a.core.Catalogue.Run(work) })
	workers.Go(func() { a.core.sender.Run(work) })
	workers.Go(func() { a.core.reconciler.Run(work) })
	workers.Go(func() { a.warm(work) })

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

// drain stops both listeners. Whoever is not finished in time is cut off; that
// is said, but it is not a failure of the program.
func (a *App) drain(ctx context.Context) error {
	a.draining.Store(true)
	a.log.InfoContext(ctx, "draining", "grace", a.grace)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.grace)
	defer cancel()
	select { // let load balancers see that we are not ready
	case <-time.After(a.grace / 10):
	case <-ctx.Done():
	}
	for _, l := range []listener{a.public, a.admin} {
		if err := l.server.Shutdown(ctx); err != nil {
			a.log.WarnContext(ctx, "requests were cut off", "listener", l.Addr().String())
			if err := l.server.Close(); err != nil {
				return fmt.Errorf("close %s: %w", l.Addr(), err)
			}
		}
	}
	return nil
}

// warm fetches the api_ticket ahead of the first request. Without one the
// server still serves all but card-ext, so a failure is only said.
func (a *App) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := a.core.tickets.Ticket(ctx); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "there is no api_ticket yet", "error", err)
	}
}

var errDraining = errors.New("shutting down")

func (a *App) ready(ctx context.Context) error {
	if a.draining.Load() {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.core.db.Ping(ctx)
}

// ListenAddr is LISTEN_ADDR in environ, or its default.
func ListenAddr(environ []string) string {
	addr := ":8080"
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); name == "LISTEN_ADDR" && value != "" {
			addr = value
		}
	}
	return addr
}
