package main

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/cardext"
)

type signCmd struct {
	CardID              string `arg:"" help:"The card's card_id."`
	Code                string `help:"Only for a card with real-time custom codes."`
	OpenID              string `name:"openid" help:"Only for a card with bind_openid: the openid in the Official Account."`
	OuterStr            string `help:"The channel; not signed."`
	FixedBeginTimestamp int64  `name:"fixed-begintimestamp" help:"Unix seconds, only for DATE_TYPE_FIX_TERM." placeholder:"SECONDS"`
	Timestamp           int64  `help:"Unix seconds to sign; now by default." placeholder:"SECONDS"`
	Nonce               string `name:"nonce-str" help:"The nonce_str to sign; a new one by default."`
	ticketFlag
}

func (c signCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	ticket, now, err := c.ticket(ctx, g, streams)
	if err != nil {
		return err
	}
	if c.Timestamp == 0 {
		c.Timestamp = now.Unix()
	}
	if c.Nonce == "" {
		c.Nonce = cardext.NewNonce()
	}
	params := cardext.Params{
		CardID: c.CardID, Code: c.Code, OpenID: c.OpenID, OuterStr: c.OuterStr, FixedBeginTimestamp: c.FixedBeginTimestamp,
	}
	ext := cardext.Sign(ticket, params, c.Timestamp, c.Nonce).String()
	_, err = fmt.Fprintf(streams.Out, "%s\n", command.VisibleJSON([]byte(ext)))
	return err
}

// ticket returns the api_ticket to sign with, and the time.
func (c signCmd) ticket(ctx context.Context, g *globals, streams command.Streams) (ticket string, now time.Time, err error) {
	if c.TicketFile != "" {
		ticket, err = c.read(streams)
		return ticket, time.Now(), err
	}
	err = g.withCore(ctx, streams, func(core *app.Core) error {
		ticket, err = core.APITicket(ctx)
		now = core.Now()
		return err
	})
	return ticket, now, err
}
