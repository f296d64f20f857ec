package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
)

type serveCmd struct {
	WaitForDatabase optionalLimit `help:"Wait while the database does not answer, instead of ending; --wait-for-database=5m waits at most so long."`
}

// optionalLimit is the value of a flag that may have none: --flag is without a limit, and
// --flag=30s has one. The zero value is that of a flag that is not given.
type optionalLimit time.Duration

// IsBool implements kong.BoolMapperValue: the next argument is not the flag's value.
func (l *optionalLimit) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (l *optionalLimit) Decode(ctx *kong.DecodeContext) error {
	*l = math.MaxInt64
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time such as 30s or 5m", text)
	}
	*l = optionalLimit(d)
	return nil
}

func (c serveCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	lines := command.NewLog(streams, cfg.Logger)
	defer lines.Close()
	log := logTo(cfg, lines)
	v, commit := build()
	err = serve(ctx, cfg, app.Options{
		Log: log, LogDropped: lines.Dropped, Version: v, Commit: commit, WaitForDatabase: time.Duration(c.WaitForDatabase),
	})
	if c.WaitForDatabase > 0 && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		log.InfoContext(context.WithoutCancel(ctx), "serve: ended while it was starting")
		return nil
	}
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
