package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"addcard/internal/app"
	"addcard/internal/cardext"
)

// ticketFlag says where the api_ticket comes from. It is a file and not a
// value, because arguments can be seen by everybody on the machine.
type ticketFlag struct {
	TicketFile string `help:"Use the api_ticket in this file (- is standard input) instead of the one this deployment shares." placeholder:"FILE"`
}

func (f ticketFlag) read(io streams) (string, error) {
	raw, err := readArg(f.TicketFile, io)
	if err == nil && raw == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", &misused{fmt.Errorf("read the ticket: %w", err)}
	}
	return raw, nil
}

func readArg(file string, io_ streams) (string, error) {
	const most = 64 << 10
	in := io_.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, most))
	return strings.TrimRight(string(raw), "\r\n"), err
}

type signCmd struct {
	CardID              string `arg:"" help:"The card's card_id."`
	Code                string `help:"Only for a custom-code card that delivers in real time."`
	OpenID              string `name:"openid" help:"Only for a card with bind_openid: the person's openid in the Official Account."`
	OuterStr            string `help:"The channel; not signed."`
	FixedBeginTimestamp int64  `name:"fixed-begintimestamp" help:"Unix seconds, only for DATE_TYPE_FIX_TERM; not signed."`
	Timestamp           int64  `help:"Unix seconds to sign; now by default."`
	Nonce               string `name:"nonce-str" help:"nonce_str to sign; a fresh one by default."`
	ticketFlag
}

// Help implements kong.HelpProvider.
func (signCmd) Help() string {
	return `Prints the cardExt on standard output; the ticket is never printed. Examples:
  server sign pXch-jnOlGtbuWwIO2NDftZeynRE --code 6028931476502182
  server sign pXch-jnOlGtbuWwIO2NDftZeynRE --ticket-file ticket.txt`
}

// Run signs and prints.
func (c signCmd) Run(ctx context.Context, g *globals, io streams) error {
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
	_, err = fmt.Fprintln(io.out, cardext.Sign(ticket, params, c.Timestamp, c.Nonce))
	return err
}

func (c signCmd) ticket(ctx context.Context, g *globals, io streams) (string, time.Time, error) {
	if c.TicketFile != "" {
		ticket, err := c.read(io)
		return ticket, time.Now(), err
	}
	cfg, err := g.config()
	if err != nil {
		return "", time.Time{}, err
	}
	core, err := app.Open(ctx, cfg, cfg.Logger(os.Stderr))
	if err != nil {
		return "", time.Time{}, err
	}
	ticket, err := core.APITicket(ctx)
	return ticket, core.Now(), errors.Join(err, core.Close())
}

type explainCmd struct {
	CardID  string `arg:"" help:"The card_id beside the cardExt."`
	CardExt string `arg:"" optional:"" default:"-" help:"The cardExt as the mini-program passed it to wx.addCard; - reads it from standard input."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
	ticketFlag
}

// Help implements kong.HelpProvider.
func (explainCmd) Help() string {
	return `Exits with 0 when nothing is wrong, with 1 when something is. The ticket is never printed. Examples:
  server explain pXch-jnOlGtbuWwIO2NDftZeynRE '{"timestamp":1404896688,"nonce_str":"kq3","signature":"f137ab68b7f8112d20ee528ab6074564e2796250"}'
  server explain pXch-jnOlGtbuWwIO2NDftZeynRE --json --ticket-file ticket.txt < cardext.json`
}

// Run explains and prints.
func (c explainCmd) Run(ctx context.Context, g *globals, io streams) error {
	if c.CardExt == "-" {
		if c.TicketFile == "-" {
			return &misused{errors.New("the cardExt and the ticket cannot both come from standard input")}
		}
		raw, err := readArg("-", io)
		if err != nil {
			return err
		}
		c.CardExt = raw
	}
	report, err := c.report(ctx, g, io)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(io.out).Encode(reportJSON(report))
	} else {
		err = printReport(io.out, report)
	}
	if err == nil && report.Cause != "" {
		return errQuiet
	}
	return err
}

func (c explainCmd) report(ctx context.Context, g *globals, io streams) (cardext.Report, error) {
	if c.TicketFile != "" {
		ticket, err := c.read(io)
		if err != nil {
			return cardext.Report{}, err
		}
		return cardext.Explain(ticket, c.CardID, c.CardExt, cardext.Facts{Now: time.Now()}), nil
	}
	cfg, err := g.config()
	if err != nil {
		return cardext.Report{}, err
	}
	core, err := app.Open(ctx, cfg, cfg.Logger(os.Stderr))
	if err != nil {
		return cardext.Report{}, err
	}
	report, err := core.CardLists.Explain(ctx, c.CardID, c.CardExt, false)
	return report, errors.Join(err, core.Close())
}

type jsonReport struct {
	Verifies  bool              `json:"verifies"`
	Cause     string            `json:"cause,omitempty"`
	Detail    string            `json:"detail,omitempty"`
	Also      []cardext.Finding `json:"also,omitempty"`
	Values    []string          `json:"values,omitempty"`
	Timestamp time.Time         `json:"timestamp,omitzero"`
}

func reportJSON(r cardext.Report) jsonReport { return jsonReport(r) }

func printReport(w io.Writer, r cardext.Report) error {
	var b strings.Builder
	if r.Verifies {
		fmt.Fprintln(&b, "signature: right for these values and this ticket")
	} else {
		fmt.Fprintln(&b, "signature: does not verify")
	}
	if r.Cause == "" {
		fmt.Fprintln(&b, "cause:     nothing wrong was found")
	} else {
		fmt.Fprintf(&b, "cause:     %s: %s\n", r.Cause, r.Detail)
	}
	for _, f := range r.Also {
		fmt.Fprintf(&b, "also:      %s: %s\n", f.Cause, f.Detail)
	}
	if len(r.Values) > 0 {
		fmt.Fprintln(&b, "hash over: "+strings.Join(r.Values, " + "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
