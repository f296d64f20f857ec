package main

import (
	"context"
	"errors"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
)

type dataKeysCmd struct {
	Rotate dataKeysRotateCmd `cmd:"" help:"Encrypt forms, phone numbers and secrets again, with the first of DATA_KEYS."`
}

type dataKeysRotateCmd struct {
	JSON bool `name:"json" help:"Print JSON, one kind of data a line."`
}

func (c dataKeysRotateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	if cfg.DataKeys == "" {
		return command.Usagef("nothing was changed: DATA_KEYS is not set, so there is no key to encrypt with")
	}
	return g.withRecord(ctx, streams, "rotateDataKeys", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		unopened, shown := 0, 0
		var failed error
		err := core.Reseal(ctx, false, func(s app.Sealed, done bool) {
			const step = 10_000
			if !done {
				if s.Texts/step > shown {
					shown = s.Texts / step
					streams.Messagef("%s: %d so far", s.Kind, s.Texts)
				}
				return
			}
			unopened, shown = unopened+s.Unopened, 0
			audit.Note(ctx, s.Kind, nil, s.Changed)
			failed = errors.Join(failed, c.print(streams, s))
		})
		switch {
		case err != nil || failed != nil:
			return errors.Join(err, failed)
		case unopened > 0:
			streams.Messagef("no key of DATA_KEYS opens %d: put the key that encrypted them at the end of DATA_KEYS, and run this again", unopened)
			return command.ErrReported
		}
		streams.Messagef("everything is encrypted with the first of DATA_KEYS; once every server has that list, the others can be removed")
		return nil
	})
}

func (c dataKeysRotateCmd) print(streams command.Streams, s app.Sealed) error {
	if c.JSON {
		return printJSON(streams.Out, s)
	}
	lost := ""
	if s.Unopened > 0 {
		lost = ", encrypted with " + strings.Join(s.Keys, ", ")
	}
	return command.Printf(streams.Out, "%s: %d, of these changed %d, not opened %d%s\n", s.Kind, s.Texts, s.Changed, s.Unopened, lost)
}
