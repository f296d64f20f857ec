package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

type serveCmd struct{}

func (serveCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	log := cfg.Logger(streams.Err)
	redisstore.LogTo(log)
	a, err := app.New(ctx, cfg, app.Options{Log: log, Version: release()})
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
