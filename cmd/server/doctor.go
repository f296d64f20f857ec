package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

type doctorCmd struct {
	URL  string `name:"url" help:"Where WeChat reaches the server, to check the callback." placeholder:"https://HOST"`
	JSON bool   `name:"json" help:"Print JSON, one check a line."`
}

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return `Looks at the configuration, the database, Redis, WeChat's answers, the callback and the cards, and says what mends each problem. It
prints no secret and changes nothing at WeChat. Exits with 1 when a check failed. Examples:
  server doctor --url https://api.shop.example
  server doctor --json | grep failed`
}

// Run looks and prints.
func (c doctorCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	var invalid *app.ConfigError
	if errors.As(err, &invalid) {
		return errors.Join(c.print(streams, 1, app.Check{Name: "configuration", Outcome: app.Broken,
			Found: strings.Join(invalid.Problems, "; "), Fix: "docs/configuration.md; server init writes a first .env"}), command.ErrSaid)
	}
	if err != nil {
		return err
	}
	redisstore.LogTo(slog.New(slog.DiscardHandler)) // the checks say it
	n := 0
	var failed error
	for _, check := range app.Diagnose(ctx, cfg, c.URL, func(check app.Check) {
		n++
		failed = errors.Join(failed, c.print(streams, n, check))
	}) {
		if check.Outcome == app.Broken {
			failed = errors.Join(failed, command.ErrSaid)
		}
	}
	return failed
}

func (c doctorCmd) print(streams command.Streams, n int, check app.Check) error {
	if c.JSON {
		return printJSON(streams.Out, check)
	}
	text := fmt.Sprintf("%2d. %-8s %s: %s\n", n, check.Outcome, check.Name, check.Found)
	if check.Fix != "" && check.Outcome != app.Fine {
		text += "             → " + check.Fix + "\n"
	}
	_, err := fmt.Fprint(streams.Out, text)
	return err
}
