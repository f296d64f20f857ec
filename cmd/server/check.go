package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/member"
)

type checkCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (checkCmd) Help() string {
	return `Adds up the ledger of every card, and says which cards show other figures at WeChat than here and which messages
WeChat has refused for good. It changes nothing and asks WeChat nothing; it may run beside a running server. Exits with 1 when
somebody has to look at something. Examples:
  server check
  server check --json`
}

// listed is how many of each kind are written out.
const listed = 100

// findings are what the check found, as it is printed as JSON.
type findings struct {
	Unbalanced []unbalancedCard `json:"unbalanced"`
	Drifts     []driftingCard   `json:"drifts"`
	Dead       int64            `json:"dead"`
	Waiting    int64            `json:"waiting"`
	OldestS    int64            `json:"oldest_seconds"`
}

type unbalancedCard struct {
	CardID     string `json:"card_id"`
	Code       string `json:"code"`
	Bonus      int64  `json:"bonus"`
	Balance    int64  `json:"balance"`
	SumBonus   int64  `json:"sum_bonus"`
	SumBalance int64  `json:"sum_balance"`
	Seq        int64  `json:"seq"`
	Entries    int64  `json:"entries"`
}

type driftingCard struct {
	CardID      string    `json:"card_id"`
	Code        string    `json:"code"`
	Bonus       int64     `json:"bonus"`
	Balance     int64     `json:"balance"`
	FaceBonus   int64     `json:"face_bonus"`
	FaceBalance int64     `json:"face_balance"`
	SeenAt      time.Time `json:"seen_at"`
}

// Run checks and prints.
func (c checkCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.withCore(ctx, io, func(core *app.Core) error {
		found, err := check(ctx, core.Members)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(io.Out, found)
		} else {
			err = found.print(io.Out)
		}
		if err == nil && (len(found.Unbalanced) > 0 || len(found.Drifts) > 0 || found.Dead > 0) {
			err = command.ErrSaid
		}
		return err
	})
}

func check(ctx context.Context, members *member.Service) (found findings, err error) {
	wrong, err := members.Unbalanced(ctx, listed)
	if err != nil {
		return found, err
	}
	found.Unbalanced = make([]unbalancedCard, len(wrong))
	for i, w := range wrong {
		found.Unbalanced[i] = unbalancedCard(w)
	}
	drifts, err := members.Drifts(ctx, listed)
	if err != nil {
		return found, err
	}
	found.Drifts = make([]driftingCard, len(drifts))
	for i, d := range drifts {
		found.Drifts[i] = driftingCard(d)
	}
	b, err := members.Backlog(ctx)
	found.Dead, found.Waiting, found.OldestS = b.Dead, b.Waiting, int64(b.Oldest/time.Second)
	return found, err
}

func (f findings) print(w io.Writer) error {
	say := func(n int, good, bad string) string {
		if n == 0 {
			return "ok    " + good
		}
		return fmt.Sprintf("LOOK  %d %s", n, bad)
	}
	lines := []string{say(len(f.Unbalanced), "every card's totals are the sum of its ledger", "cards have totals that are not the sum of their ledger:")}
	for _, u := range f.Unbalanced {
		lines = append(lines, fmt.Sprintf("        card %s code %s: bonus %d, its ledger says %d; balance %s, its ledger says %s; entries counted %d, there are %d",
			u.CardID, u.Code, u.Bonus, u.SumBonus, yuan(u.Balance), yuan(u.SumBalance), u.Seq, u.Entries))
	}
	lines = append(lines, say(len(f.Drifts), "no card's figures were changed by WeChat itself", "cards show figures that WeChat has changed by itself (book what makes both equal, see docs/ledger.md):"))
	for _, d := range f.Drifts {
		lines = append(lines, fmt.Sprintf("        card %s code %s: bonus %d, shown %d; balance %s, shown %s; since %s",
			d.CardID, d.Code, d.Bonus, d.FaceBonus, yuan(d.Balance), yuan(d.FaceBalance), d.SeenAt.Format(time.DateTime)))
	}
	lines = append(lines,
		say(int(f.Dead), "WeChat has refused nothing for good", "messages were refused by WeChat for good (server outbox list --state dead)"),
		fmt.Sprintf("      %d messages wait for WeChat, the oldest for %s", f.Waiting, time.Duration(f.OldestS)*time.Second))
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
