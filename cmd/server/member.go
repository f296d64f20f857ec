package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/member"
)

type memberCmd struct {
	Find   memberFindCmd   `cmd:"" help:"Find members by an id, card code, membership number, openid, unionid or phone."`
	Show   memberShowCmd   `cmd:"" help:"Show one member: identities and cards."`
	Adjust memberAdjustCmd `cmd:"" help:"Add points or money to a member's card, or take them away."`
	Export memberExportCmd `cmd:"" help:"Write every member and card as CSV."`
	Delete memberDeleteCmd `cmd:"" help:"Delete a person's data for good; the ledger stays, without a name."`
}

// Help implements kong.HelpProvider.
func (memberCmd) Help() string {
	return `Examples:
  server member find 4929123456781234
  server member export > members.csv`
}

type memberFindCmd struct {
	Key   string `arg:"" help:"What names the member, in full."`
	Limit int    `default:"50" help:"How many at most."`
	JSON  bool   `name:"json" help:"Print JSON, one member a line."`
}

// Help implements kong.HelpProvider.
func (memberFindCmd) Help() string {
	return `A phone number is found where DATA_KEYS let forms be kept. Exits with 1 when nobody is found. Examples:
  server member find 7810727245995652
  server member find oSimMxDjop8vVVZaUIzWFCkYEgq9 --json`
}

// Run finds and prints.
func (c memberFindCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.withCore(ctx, io, func(core *app.Core) error {
		people, err := core.Members.Find(ctx, c.Key, c.Limit)
		if err != nil {
			return err
		}
		if len(people) == 0 {
			return errors.New("nobody is known by that")
		}
		for _, p := range people {
			if err := printPerson(io.Out, p, c.JSON); err != nil {
				return err
			}
		}
		return nil
	})
}

type memberShowCmd struct {
	ID   string `arg:"" help:"The member's id; find tells it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (memberShowCmd) Help() string {
	return `Examples:
  server member show 4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11
  server member show 4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11 --json`
}

// Run shows one member.
func (c memberShowCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.withCore(ctx, io, func(core *app.Core) error {
		p, err := core.Members.Person(ctx, c.ID)
		if err != nil {
			return err
		}
		return printPerson(io.Out, p, c.JSON)
	})
}

type memberExportCmd struct {
	Out string `help:"The file to write; standard output by default. An existing one is replaced once all is written." type:"path" placeholder:"FILE"`
}

// Help implements kong.HelpProvider.
func (memberExportCmd) Help() string {
	return `One line for each card, in UTF-8 with a byte order mark; no cell begins like a formula. Examples:
  server member export > members.csv
  server member export --out members.csv`
}

// Run writes the file.
func (c memberExportCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.withCore(ctx, io, func(core *app.Core) error {
		if c.Out == "" {
			return core.Members.Export(ctx, io.Out)
		}
		return replaceFile(c.Out, func(f *os.File) error { return core.Members.Export(ctx, f) })
	})
}

// replaceFile writes a file beside path, readable by its owner only, and puts
// it there when it is whole.
func replaceFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".addcard-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

type memberDeleteCmd struct {
	ID  string `arg:"" help:"The member's id; find tells it."`
	Yes bool   `help:"Do it; without this the command only shows whose data it would delete."`
}

// Help implements kong.HelpProvider.
func (memberDeleteCmd) Help() string {
	return `Identities, form fields and what events said are deleted, sessions end, codes become unavailable; the ledger is kept under an ID
that nothing ties to the person. WeChat is not told: make the codes unavailable first if the cards shall go from the wallet. Examples:
  server member delete 4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11
  server member delete 4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11 --yes`
}

// Run deletes, or shows what it would.
func (c memberDeleteCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.withCore(ctx, io, func(core *app.Core) error {
		p, err := core.Members.Person(ctx, c.ID)
		if err != nil {
			return err
		}
		if !c.Yes {
			if err := printPerson(io.Out, p, false); err != nil {
				return err
			}
			return command.Usagef("nothing was deleted: this cannot be undone, so it wants --yes")
		}
		if err := core.Members.Erase(ctx, c.ID); err != nil {
			return err
		}
		_, err = fmt.Fprintln(io.Err, "deleted")
		return err
	})
}

// The JSON of a member, as GET /v1/members has it.
type (
	jsonPerson struct {
		ID         string         `json:"id"`
		CreatedAt  time.Time      `json:"created_at"`
		Identities []jsonIdentity `json:"identities"`
		Cards      []jsonCard     `json:"cards"`
	}
	jsonIdentity struct {
		AppID   string `json:"app_id"`
		OpenID  string `json:"openid"`
		UnionID string `json:"unionid,omitempty"`
	}
	jsonCard struct {
		CardID           string    `json:"card_id"`
		Code             string    `json:"code"`
		Status           string    `json:"status"`
		MembershipNumber string    `json:"membership_number,omitempty"`
		Bonus            int64     `json:"bonus"`
		Balance          int64     `json:"balance"`
		OuterStr         string    `json:"outer_str,omitempty"`
		ClaimedAt        time.Time `json:"claimed_at,omitzero"`
		ActivatedAt      time.Time `json:"activated_at,omitzero"`
	}
)

func printPerson(w io.Writer, p member.Person, asJSON bool) error {
	if asJSON {
		out := jsonPerson{ID: p.ID, CreatedAt: p.CreatedAt, Identities: []jsonIdentity{}, Cards: []jsonCard{}}
		for _, id := range p.Identities {
			out.Identities = append(out.Identities, jsonIdentity{id.AppID, id.OpenID, id.UnionID})
		}
		for _, c := range p.Cards {
			out.Cards = append(out.Cards, jsonCard{c.CardID, c.Code, string(c.Status), c.MembershipNumber, c.Bonus, c.Balance, c.OuterStr, c.ClaimedAt, c.ActivatedAt})
		}
		return printJSON(w, out)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "member\t%s\tsince %s\n", p.ID, p.CreatedAt.Format(time.DateTime))
	for _, id := range p.Identities {
		fmt.Fprintf(&b, "  openid\t%s\tin %s\t%s\n", id.OpenID, id.AppID, id.UnionID)
	}
	for _, c := range p.Cards {
		fmt.Fprintf(&b, "  %s\t%s\tcard %s\tbonus %d\tbalance %s\n", c.Status, c.Code, c.CardID, c.Bonus, yuan(c.Balance))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(t, b.String()); err != nil {
		return err
	}
	return t.Flush()
}

// yuan writes fen as people read money.
func yuan(fen int64) string { return fmt.Sprintf("¥%d.%02d", fen/100, fen%100) }
