package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

type doctorCmd struct {
	URL  string `name:"url" help:"The server's public URL, to check the callback." placeholder:"https://HOST"`
	JSON bool   `name:"json" help:"Print JSON, one finding in each line."`
}

func (c doctorCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	var invalid *config.Error
	if errors.As(err, &invalid) {
		return errors.Join(c.print(streams, 1, doctor.Finding{
			Name: "configuration", Outcome: doctor.Failed, Found: doctor.Text{English: strings.Join(invalid.Problems, "; ")},
			Fix: doctor.Text{English: "see docs/configuration.md; server init writes a first .env"},
		}), command.ErrReported)
	}
	if err != nil {
		return err
	}
	redisstore.LogTo(slog.New(slog.DiscardHandler)) // the findings report it
	n := 0
	var failed error
	doctor.Diagnose(ctx, cfg, c.URL, app.Deployment(cfg), func(f doctor.Finding) {
		n++
		failed = errors.Join(failed, c.print(streams, n, f))
		if f.Outcome == doctor.Failed {
			failed = errors.Join(failed, command.ErrReported)
		}
	})
	return failed
}

func (c doctorCmd) print(streams command.Streams, n int, f doctor.Finding) error {
	if c.JSON {
		return printJSON(streams.Out, f)
	}
	t := newTable(streams.Out)
	t.row("%2d. %-8s %s: %s", n, f.Outcome, f.Name, f.Found)
	if f.Fix.English != "" && f.Outcome != doctor.OK {
		t.row("             → %s", f.Fix)
	}
	return t.flush()
}
