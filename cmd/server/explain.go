package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/cardext"
)

type explainCmd struct {
	CardID  string `arg:"" help:"The card_id beside the cardExt."`
	CardExt string `arg:"" optional:"" default:"-" help:"The cardExt that was passed to wx.addCard; - reads standard input."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
	signedFlags
	ticketFlag
}

// signedFlags are the values that the signer used. They can prove that other
// values were signed than were sent.
type signedFlags struct {
	SignedCardID    string `name:"signed-card-id" help:"The card_id that was signed, as far as you know." placeholder:"ID"`
	SignedCode      string `help:"The code that was signed, as far as you know." placeholder:"CODE"`
	SignedOpenID    string `name:"signed-openid" help:"The openid that was signed, as far as you know." placeholder:"OPENID"`
	SignedNonceStr  string `help:"The nonce_str that was signed, as far as you know." placeholder:"NONCE"`
	SignedTimestamp string `help:"The timestamp that was signed, as far as you know." placeholder:"SECONDS"`
}

func (f signedFlags) signed() cardext.Signed {
	return cardext.Signed{
		CardID: f.SignedCardID, Code: f.SignedCode, OpenID: f.SignedOpenID,
		NonceStr: f.SignedNonceStr, Timestamp: f.SignedTimestamp,
	}
}

func (c explainCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.CardExt == "-" {
		if c.TicketFile == "-" {
			return command.Usagef("the cardExt and the ticket cannot both come from standard input")
		}
		raw, err := readText(streams.In)
		if err != nil {
			return command.Usagef("read the cardExt: %w", err)
		}
		c.CardExt = raw
	}
	report, err := c.report(ctx, g, streams)
	if err != nil {
		return err
	}
	write := writeReport
	if c.JSON {
		write = writeJSON
	}
	if err := write(streams.Out, report); err != nil {
		return err
	}
	if report.Cause != "" {
		return command.ErrReported
	}
	return nil
}

func (c explainCmd) report(ctx context.Context, g *globals, streams command.Streams) (report cardext.Report, err error) {
	if c.TicketFile != "" {
		ticket, err := c.read(streams)
		if err != nil {
			return report, err
		}
		return cardext.Explain(ticket, c.CardID, c.CardExt, cardext.Facts{Now: time.Now(), Signed: c.signed()}), nil
	}
	err = g.withCore(ctx, streams, func(core *app.Core) error {
		report, err = core.CardLists.Explain(ctx, c.CardID, c.CardExt, cardext.Facts{Signed: c.signed()})
		return err
	})
	return report, err
}

// The JSON of a report, as POST /v1/explain returns it.
type (
	jsonReport struct {
		Verifies  bool          `json:"verifies"`
		Cause     string        `json:"cause,omitempty"`
		Detail    string        `json:"detail,omitempty"`
		Also      []jsonFinding `json:"also,omitempty"`
		Values    []string      `json:"values,omitempty"`
		Timestamp time.Time     `json:"timestamp,omitzero"`
	}
	jsonFinding struct {
		Cause  string `json:"cause"`
		Detail string `json:"detail"`
	}
)

func writeJSON(w io.Writer, r cardext.Report) error {
	out := jsonReport{Verifies: r.Verifies, Cause: r.Cause, Detail: r.Detail, Values: r.Values, Timestamp: r.Timestamp}
	for _, f := range r.Also {
		out.Also = append(out.Also, jsonFinding(f))
	}
	return printJSON(w, out)
}

func writeReport(w io.Writer, r cardext.Report) error {
	t := newTable(w)
	if r.Verifies {
		t.row("signature: right for these values and this ticket")
	} else {
		t.row("signature: does not verify")
	}
	if r.Cause == "" {
		t.row("cause:     nothing wrong was found")
	} else {
		t.row("cause:     %s: %s", r.Cause, r.Detail)
	}
	for _, f := range r.Also {
		t.row("also:      %s: %s", f.Cause, f.Detail)
	}
	if len(r.Values) > 0 {
		t.row("hash over: %s", strings.Join(r.Values, " + "))
	}
	return t.flush()
}
