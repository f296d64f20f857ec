package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/webhook"
)

type webhookCmd struct {
	List       webhookListCmd       `cmd:"" help:"List the endpoints that are told what happens, and what waits for them."`
	Add        webhookAddCmd        `cmd:"" help:"Add an endpoint and print its id and its secret."`
	Set        webhookSetCmd        `cmd:"" help:"Change an endpoint; what is not given stays."`
	Rotate     webhookRotateCmd     `cmd:"" help:"Print a new secret of an endpoint; the one before also signs for 24 hours."`
	Delete     webhookDeleteCmd     `cmd:"" help:"Remove an endpoint, with what waits for it."`
	Test       webhookTestCmd       `cmd:"" help:"Send an event of the type webhook.test at once."`
	Deliveries webhookDeliveriesCmd `cmd:"" help:"List what is sent to an endpoint, the newest first."`
	Resend     webhookResendCmd     `cmd:"" help:"Send deliveries again, with the same ids."`
}

// webhookID names an endpoint.
type webhookID struct {
	ID string `arg:"" help:"The endpoint's id, as list prints it."`
}

func (c webhookID) target() audit.Target { return audit.Target{Subject: c.ID} }

// jsonWebhook is the JSON of an endpoint, as GET /v1/webhooks returns it.
type jsonWebhook struct {
	ID              string    `json:"id"`
	URL             string    `json:"url"`
	Events          []string  `json:"events"`
	Enabled         bool      `json:"enabled"`
	Description     string    `json:"description,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	Waiting         int64     `json:"waiting"`
	Dead            int64     `json:"dead"`
	OldestWaitingAt time.Time `json:"oldest_waiting_at,omitzero"`
	LastSuccessAt   time.Time `json:"last_success_at,omitzero"`
	LastError       string    `json:"last_error,omitempty"`
	DisabledReason  string    `json:"disabled_reason,omitempty"`
	PreviousUntil   time.Time `json:"previous_secret_until,omitzero"`
}

type webhookListCmd struct {
	JSON bool `name:"json" help:"Print JSON, one endpoint a line."`
}

func (c webhookListCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		list, err := core.Webhooks.Endpoints(ctx)
		if err != nil {
			return err
		}
		t := newTable(streams.Out)
		for _, e := range list {
			if c.JSON {
				if err := printJSON(streams.Out, jsonWebhook{
					e.ID, e.URL, e.Events, e.Enabled, e.Description, e.CreatedAt, e.Waiting, e.Dead, e.OldestWaiting, e.LastSuccessAt,
					e.LastError, e.DisabledReason, e.PreviousUntil,
				}); err != nil {
					return err
				}
				continue
			}
			on := map[bool]string{true: "on", false: "off"}[e.Enabled]
			t.row("%s\t%s\t%s\twaiting %d\tdead %d\tdelivered %s\t%s%s", e.ID, on, e.URL, e.Waiting, e.Dead, orNever(e.LastSuccessAt),
				e.DisabledReason, e.LastError)
			for _, event := range e.Events {
				t.row("\t  %s", event)
			}
		}
		return t.flush()
	})
}

type webhookAddCmd struct {
	URL         string   `arg:"" help:"https://HOST/PATH, in a public network or one of WEBHOOK_ALLOW_PRIVATE."`
	Events      []string `arg:"" help:"Types of events, such as entry.created; \"*\" is all."`
	Description string   `help:"What the endpoint is, at most 200 bytes." placeholder:"TEXT"`
	Off         bool     `help:"Add it switched off."`
}

func (c webhookAddCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "addWebhook", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		e, secret, err := core.Webhooks.Add(ctx, webhook.Endpoint{
			URL: c.URL, Events: c.Events, Description: c.Description, Enabled: !c.Off,
		})
		if err != nil {
			return webhookError(err)
		}
		streams.Messagef("the secret is shown only now:")
		return command.Printf(streams.Out, "%s %s\n", e.ID, secret)
	})
}

type webhookSetCmd struct {
	webhookID
	URL         *string  `help:"Another URL." placeholder:"URL"`
	Events      []string `help:"Other types of events, separated by commas; * is all." placeholder:"TYPE"`
	Description *string  `help:"Another description." placeholder:"TEXT"`
	Enabled     *bool    `help:"Switch it on or, with --no-enabled, off." negatable:""`
}

func (c webhookSetCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := webhook.Change{URL: c.URL, Description: c.Description, Enabled: c.Enabled}
	if len(c.Events) > 0 {
		change.Events = &c.Events
	}
	return g.withRecord(ctx, streams, "changeWebhook", c.target(), func(ctx context.Context, core *app.Core) error {
		_, _, err := core.Webhooks.Change(ctx, c.ID, change)
		return webhookError(err)
	})
}

type webhookRotateCmd struct{ webhookID }

func (c webhookRotateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "changeWebhook", c.target(), func(ctx context.Context, core *app.Core) error {
		_, secret, err := core.Webhooks.Change(ctx, c.ID, webhook.Change{RotateSecret: true})
		if err != nil {
			return webhookError(err)
		}
		streams.Messagef("the secret is shown only now; the one before also signs for 24 hours:")
		return command.Printf(streams.Out, "%s\n", secret)
	})
}

type webhookDeleteCmd struct{ webhookID }

func (c webhookDeleteCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "removeWebhook", c.target(), func(ctx context.Context, core *app.Core) error {
		return webhookError(core.Webhooks.Remove(ctx, c.ID))
	})
}

type webhookTestCmd struct{ webhookID }

func (c webhookTestCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "testWebhook", c.target(), func(ctx context.Context, core *app.Core) error {
		attempt, err := core.Webhooks.Test(ctx, c.ID)
		if err != nil {
			return webhookError(err)
		}
		if attempt.Err != nil {
			return attempt.Err
		}
		return command.Printf(streams.Out, "delivered: %d after %d ms\n", attempt.Status, attempt.Duration.Milliseconds())
	})
}

type webhookDeliveriesCmd struct {
	webhookID
	State string `enum:"all,waiting,dead,done" default:"all" help:"Only those that wait, are dead, or were delivered."`
	Type  string `help:"Only those of this type." placeholder:"TYPE"`
	Limit int    `default:"50" help:"The largest number to print."`
	JSON  bool   `name:"json" help:"Print JSON, one delivery a line."`
}

// jsonDelivery is the JSON of a delivery, as GET /v1/webhooks/{id}/deliveries returns it.
type jsonDelivery struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	State     string    `json:"state"`
	Attempts  int64     `json:"attempts"`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at,omitzero"`
	MemberID  string    `json:"member_id,omitempty"`
	CardID    string    `json:"card_id,omitempty"`
	Code      string    `json:"code,omitempty"`
}

func (c webhookDeliveriesCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.Limit < 1 {
		return command.Usagef("--limit: must be 1 or more")
	}
	if c.State == "all" {
		c.State = ""
	}
	return g.withCore(ctx, streams, func(core *app.Core) error {
		list, err := core.Webhooks.Deliveries(ctx, c.ID, webhook.Filter{State: c.State, Type: c.Type}, webhook.Mark{}, c.Limit)
		if err != nil {
			return webhookError(err)
		}
		t := newTable(streams.Out)
		for _, d := range list {
			if c.JSON {
				err = printJSON(streams.Out, jsonDelivery{
					d.ID, d.Type, d.State, d.Attempts, d.LastError, d.HappenedAt, d.DueAt, d.MemberID, d.CardID, d.Code,
				})
			} else {
				t.row("%s\t%s\t%s\tfailed %d×\tsince %s\t%s", d.State, d.ID, d.Type, d.Attempts, d.HappenedAt.Format(time.DateTime), d.LastError)
			}
			if err != nil {
				return err
			}
		}
		return t.flush()
	})
}

type webhookResendCmd struct {
	webhookID
	Deliveries []string  `arg:"" optional:"" help:"The ids of deliveries, as deliveries prints them."`
	From       time.Time `help:"All that were delivered or are dead, from this time on: 2026-11-30T08:00:00Z." placeholder:"TIME"`
	To         time.Time `help:"And before this time." placeholder:"TIME"`
	Events     []string  `help:"Only of these types, separated by commas." placeholder:"TYPE"`
}

func (c webhookResendCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	span := webhook.Span{From: c.From, To: c.To, Types: c.Events}
	if (len(c.Deliveries) > 0) == (!c.From.IsZero() && c.From.Before(c.To)) || len(c.Deliveries) > 0 && len(c.Events) > 0 {
		return command.Usagef("give either the deliveries' ids, or --from and a later --to")
	}
	return g.withRecord(ctx, streams, "resendWebhook", c.target(), func(ctx context.Context, core *app.Core) error {
		count := int64(len(c.Deliveries))
		for _, id := range c.Deliveries {
			if err := core.Webhooks.Resend(ctx, c.ID, id); err != nil {
				return fmt.Errorf("%s: %w", id, webhookError(err))
			}
		}
		for more := count == 0; more; {
			n, next, err := core.Webhooks.ResendSpan(ctx, c.ID, span)
			if err != nil {
				return webhookError(err)
			}
			count, span.From, more = count+n, next, !next.IsZero()
		}
		return command.Printf(streams.Out, "%d\n", count)
	})
}

// webhookError returns an error with a message for the command line.
func webhookError(err error) error {
	var invalid *webhook.InvalidError
	switch {
	case errors.As(err, &invalid):
		return command.Usagef("%s: %s", invalid.Field, invalid.Message)
	case errors.Is(err, webhook.ErrNotFound):
		return errors.New("there is no such endpoint or delivery; \"server webhook list\" prints the endpoints")
	case errors.Is(err, webhook.ErrTooMany):
		return fmt.Errorf("there are at most %d endpoints", webhook.MaxEndpoints)
	case errors.Is(err, webhook.ErrNoKeys):
		return errors.New("DATA_KEYS has no key with which the secret can be sealed or opened; see docs/configuration.md")
	}
	return err
}
