package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
)

type serveCmd struct{}

func (serveCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	lines := command.NewLog(streams, cfg.Logger)
	defer lines.Close()
	log := logTo(cfg, lines)
	v, c := build()
	err = serve(ctx, cfg, app.Options{Log: log, LogDropped: lines.Dropped, Version: v, Commit: c})
	if err != nil { // a line of the log, in its format, and not a message on the terminal
		log.ErrorContext(ctx, "serve: ended", "error", err)
		return command.ErrReported
	}
	return nil
}

func serve(ctx context.Context, cfg config.Config, o app.Options) error {
	a, err := app.New(ctx, cfg, o)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the other program or change LISTEN_ADDR, ADMIN_LISTEN_ADDR", err)
	}
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

type migrateCmd struct{}

func (migrateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	steps, err := app.Migrate(ctx, cfg)
	if err != nil {
		return err
	}
	streams.Messagef("the tables are up to date; steps taken: %d", steps)
	return nil
}
