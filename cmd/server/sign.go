package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

type signCmd struct {
	CardID              string `arg:"" help:"The card's card_id."`
	Code                string `help:"Only for a custom-code card that delivers in real time."`
	OpenID              string `name:"openid" help:"Only for a card with bind_openid: the person's openid in the Official Account."`
	OuterStr            string `help:"The channel; not signed."`
	FixedBeginTimestamp int64  `name:"fixed-begintimestamp" help:"Unix seconds, only for DATE_TYPE_FIX_TERM; not signed." placeholder:"SECONDS"`
	Timestamp           int64  `help:"Unix seconds to sign; now by default." placeholder:"SECONDS"`
	Nonce               string `name:"nonce-str" help:"nonce_str to sign; a fresh one by default."`
	ticketFlag
}

// Help implements kong.HelpProvider.
func (signCmd) Help() string {
	return `Prints the cardExt on standard output; the ticket is never printed. Examples:
  server sign pjZ8Yt1XGILfi-FUsewpnnolGgZk --code 1434008071
  server sign pjZ8Yt1XGILfi-FUsewpnnolGgZk --code 1434008071 --timestamp 1404896688 --nonce-str 123 --ticket-file ticket.txt`
}

// Run signs and prints.
func (c signCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	ticket, now, err := c.ticket(ctx, g, io)
	if err != nil {
		return err
	}
	if c.Timestamp == 0 {
		c.Timestamp = now.Unix()
	}
	if c.Nonce == "" {
		c.Nonce = cardext.NewNonce()
	}
	params := cardext.Params{CardID: c.CardID, Code: c.Code, OpenID: c.OpenID, OuterStr: c.OuterStr, FixedBeginTimestamp: c.FixedBeginTimestamp}
	_, err = fmt.Fprintln(io.Out, cardext.Sign(ticket, params, c.Timestamp, c.Nonce))
	return err
}

// ticket returns the api_ticket to sign with, and what time it is.
func (c signCmd) ticket(ctx context.Context, g *globals, io command.Streams) (ticket string, now time.Time, err error) {
	if c.TicketFile != "" {
		ticket, err = c.read(io)
		return ticket, time.Now(), err
	}
	err = g.withCore(ctx, io, func(core *app.Core) error {
		ticket, err = core.APITicket(ctx)
		now = core.Now()
		return err
	})
	return ticket, now, err
}

// withCore runs f on the capabilities of the configured deployment.
func (g *globals) withCore(ctx context.Context, io command.Streams, f func(*app.Core) error) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	log := cfg.Logger(io.Err)
	redisstore.LogTo(log)
	core, err := app.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	return errors.Join(f(core), core.Close())
}
