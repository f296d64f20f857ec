package main

import (
	"context"
	"errors"
	"os/user"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/ledger"
)

// withRecord is withCore for a command that changes something: the audit log has what f
// does, under the name that the operator's API has for it.
func (g *globals) withRecord(
	ctx context.Context, streams command.Streams, action string, on audit.Target, f func(context.Context, *app.Core) error,
) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		from := audit.Origin{Actor: cliActor(), Role: "owner", Source: audit.CLI}
		ctx, recorded, err := core.Audit.Begin(ctx, from, action, on)
		if err != nil {
			return err
		}
		err = f(ctx, core)
		recorded.End(ctx, problemOf(err), errors.As(err, new(*card.InvalidError)))
		return err
	})
}

// problemOf returns what the audit log calls an error. Its text may have personal data.
func problemOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.As(err, new(*card.InvalidError)):
		return "invalid_input"
	}
	return "error"
}

// changing is withOperator for a command that changes something.
func (g *globals) changing(
	ctx context.Context, streams command.Streams, action string, on audit.Target, f func(context.Context, *card.Operator) error,
) error {
	return asUsage(g.withRecord(ctx, streams, action, on, func(ctx context.Context, core *app.Core) error {
		return f(ctx, core.Operator)
	}))
}

// cliActor returns who runs the command, as the ledger names them.
func cliActor() string {
	if u, err := user.Current(); err == nil {
		if actor := "cli:" + u.Username; isText(actor, ledger.MaxLabel) {
			return actor
		}
	}
	return "cli"
}
