package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/outbox"
)

type outboxCmd struct {
	List  outboxListCmd  `cmd:"" help:"List the messages that wait for WeChat or were refused by it."`
	Retry outboxRetryCmd `cmd:"" help:"Send messages again, with the current totals."`
}

type outboxListCmd struct {
	State string `enum:"all,waiting,dead" default:"all" help:"Only waiting messages, or only dead ones, which WeChat refused for good."`
	Limit int    `default:"50" help:"The largest number to print."`
	JSON  bool   `name:"json" help:"Print JSON, one message a line."`
}

// jsonMessage is the JSON of a message, as GET /v1/outbox returns it.
type jsonMessage struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	CardID    string    `json:"card_id"`
	Code      string    `json:"code"`
	Attempts  int64     `json:"attempts"`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at"`
}

func (c outboxListCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.Limit < 1 {
		return command.Usagef("--limit: must be 1 or more")
	}
	if c.State == "all" {
		c.State = ""
	}
	return g.withCore(ctx, streams, func(core *app.Core) error {
		list, err := core.Outbox.Messages(ctx, outbox.Filter{State: c.State}, outbox.Mark{}, c.Limit)
		if err != nil {
			return err
		}
		table := newTable(streams.Out)
		for _, m := range list {
			if c.JSON {
				err = printJSON(streams.Out, jsonMessage{
					m.ID, m.Kind, m.State, m.CardID, m.Code, m.Attempts, m.LastError, m.CreatedAt, m.DueAt,
				})
			} else {
				table.row("%s\t%s\t%s\tcard %s\tcode %s\tfailed %d×\tsince %s\t%s",
					m.State, m.ID, m.Kind, m.CardID, m.Code, m.Attempts, m.CreatedAt.Format(time.DateTime), m.LastError)
			}
			if err != nil {
				return err
			}
		}
		return table.flush()
	})
}

type outboxRetryCmd struct {
	IDs  []string `arg:"" optional:"" name:"id" help:"The messages' ids, as list prints them."`
	Dead bool     `help:"All dead messages."`
}

func (c outboxRetryCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.Dead == (len(c.IDs) > 0) {
		return command.Usagef("give either the messages' ids or --dead")
	}
	on := audit.Target{}
	if len(c.IDs) == 1 {
		on.Subject = c.IDs[0]
	}
	return g.withRecord(ctx, streams, "retryMessage", on, func(ctx context.Context, core *app.Core) error {
		ids := c.IDs
		if c.Dead {
			var err error
			if ids, err = deadMessages(ctx, core.Outbox); err != nil {
				return err
			}
		}
		audit.Note(ctx, "messages", nil, len(ids))
		var failed error
		for _, id := range ids {
			switch err := core.Outbox.Retry(ctx, id); {
			case errors.Is(err, outbox.ErrNotFound):
				failed = errors.Join(failed, fmt.Errorf("%s: there is no such message; it may have been sent meanwhile", id))
			case err != nil:
				return err
			default:
				if err := command.Printf(streams.Out, "%s\n", id); err != nil {
					return err
				}
			}
		}
		return failed
	})
}

// deadMessages returns the ids of all messages that are dead now. They are listed
// before the first is retried, because a retried one may become dead again.
func deadMessages(ctx context.Context, o *outbox.Service) (ids []string, err error) {
	const page = 500
	for after := (outbox.Mark{}); ; {
		list, err := o.Messages(ctx, outbox.Filter{State: outbox.Parked}, after, page)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			ids, after = append(ids, m.ID), m.Mark()
		}
		if len(list) < page {
			return ids, nil
		}
	}
}
