package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/member"
)

type outboxCmd struct {
	List  outboxListCmd  `cmd:"" help:"List what waits for WeChat and what it refused for good."`
	Retry outboxRetryCmd `cmd:"" help:"Send messages again, with the totals of now."`
}

// Help implements kong.HelpProvider.
func (outboxCmd) Help() string {
	return `Examples:
  server outbox list --state dead
  server outbox retry --dead`
}

type outboxListCmd struct {
	State string `enum:"all,waiting,dead" default:"all" help:"Only those that wait, or only the dead, which WeChat refused for good."`
	Limit int    `default:"50" help:"How many at most."`
	JSON  bool   `name:"json" help:"Print JSON, one message a line."`
}

// Help implements kong.HelpProvider.
func (outboxListCmd) Help() string {
	return `The dead come first, then those that wait, the oldest first. Examples:
  server outbox list --state dead
  server outbox list --limit 1000 --json`
}

// jsonMessage is a message as GET /v1/outbox has it.
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

// Run lists.
func (c outboxListCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	if c.Limit < 1 {
		return command.Usagef("--limit: must be 1 or more")
	}
	if c.State == "all" {
		c.State = ""
	}
	return g.withCore(ctx, io, func(core *app.Core) error {
		list, err := core.Members.Messages(ctx, c.State, member.MessageMark{}, c.Limit)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
		for _, q := range list {
			if c.JSON {
				err = printJSON(io.Out, jsonMessage{q.ID, q.Kind, q.State, q.CardID, q.Code, q.Attempts, q.LastError, q.CreatedAt, q.DueAt})
			} else {
				_, err = fmt.Fprintf(t, "%s\t%s\t%s\tcard %s\tcode %s\tfailed %d×\tsince %s\t%s\n",
					q.State, q.ID, q.Kind, q.CardID, q.Code, q.Attempts, q.CreatedAt.Format(time.DateTime), q.LastError)
			}
			if err != nil {
				return err
			}
		}
		return t.Flush()
	})
}

type outboxRetryCmd struct {
	IDs  []string `arg:"" optional:"" name:"id" help:"The messages; list tells them."`
	Dead bool     `help:"All that WeChat refused for good."`
}

// Help implements kong.HelpProvider.
func (outboxRetryCmd) Help() string {
	return `A dead message goes behind those that wait for its card, with the totals of now; one that waits goes at once. A running
server sends it. Prints the messages that it did so to. Examples:
  server outbox retry 4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11
  server outbox retry --dead`
}

// Run retries.
func (c outboxRetryCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	if c.Dead == (len(c.IDs) > 0) {
		return command.Usagef("name the messages, or say --dead for all that were refused")
	}
	return g.withCore(ctx, io, func(core *app.Core) error {
		ids := c.IDs
		if c.Dead {
			var err error
			if ids, err = dead(ctx, core.Members); err != nil {
				return err
			}
		}
		var failed error
		for _, id := range ids {
			switch err := core.Members.Retry(ctx, id); {
			case errors.Is(err, member.ErrNoMessage):
				failed = errors.Join(failed, fmt.Errorf("%s: there is no such message; WeChat was told meanwhile", id))
			case err != nil:
				return err
			default:
				if _, err := fmt.Fprintln(io.Out, id); err != nil {
					return err
				}
			}
		}
		return failed
	})
}

// dead lists all messages that are dead now: what is retried may die again.
func dead(ctx context.Context, members *member.Service) (ids []string, err error) {
	const page = 500
	for after := (member.MessageMark{}); ; {
		list, err := members.Messages(ctx, member.MessageDead, after, page)
		if err != nil {
			return nil, err
		}
		for _, q := range list {
			ids, after = append(ids, q.ID), q.Mark()
		}
		if len(list) < page {
			return ids, nil
		}
	}
}
