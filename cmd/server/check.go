package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/member"
)

type checkCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// maxListed is the largest number of cards of each kind that are listed.
const maxListed = 100

// checkResult is the result of the check and its JSON.
type checkResult struct {
	Empty      bool             `json:"empty"`
	Recovering bool             `json:"recovering"`
	Damage     []string         `json:"damage"`
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

func (c checkCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		damage, err := core.Damage(ctx)
		if err != nil {
			return err
		}
		result, err := check(ctx, core)
		if err != nil {
			return errors.Join(err, damageError(damage))
		}
		result.Damage = append([]string{}, damage...)
		if c.JSON {
			err = printJSON(streams.Out, result)
		} else {
			err = result.print(streams.Out)
		}
		if err == nil && result.needsOperator() {
			err = command.ErrReported
		}
		return err
	})
}

func (c checkResult) needsOperator() bool {
	return c.Empty || c.Recovering || len(c.Damage) > 0 || len(c.Unbalanced) > 0 || len(c.Drifts) > 0 || c.Dead > 0
}

// damageError is the error of a check that a damaged file has ended.
func damageError(damage []string) error {
	if len(damage) == 0 {
		return nil
	}
	return fmt.Errorf("the database file is damaged: %s", strings.Join(damage, "; "))
}

func check(ctx context.Context, core *app.Core) (result checkResult, err error) {
	result.Recovering = core.Recovery.Active()
	if result.Empty, err = isEmpty(ctx, core); err != nil {
		return result, err
	}
	unbalanced, err := core.Ledger.Unbalanced(ctx, maxListed)
	if err != nil {
		return result, err
	}
	result.Unbalanced = make([]unbalancedCard, len(unbalanced))
	for i, u := range unbalanced {
		result.Unbalanced[i] = unbalancedCard(u)
	}
	drifts, err := core.CardSync.Drifts(ctx, maxListed)
	if err != nil {
		return result, err
	}
	result.Drifts = make([]driftingCard, len(drifts))
	for i, d := range drifts {
		result.Drifts[i] = driftingCard(d)
	}
	b, err := core.Outbox.Backlog(ctx)
	result.Dead, result.Waiting, result.OldestS = b.Parked, b.Waiting, int64(b.Oldest/time.Second)
	return result, err
}

// isEmpty reports whether the database has neither members nor cards, as a new one and a
// copy that was cut off.
func isEmpty(ctx context.Context, core *app.Core) (bool, error) {
	people, err := core.Members.People(ctx, member.Mark{}, 1)
	if err != nil || len(people) > 0 {
		return false, err
	}
	cards, err := core.Operator.List(ctx)
	return len(cards) == 0, err
}

func (c checkResult) print(w io.Writer) error {
	t := newTable(w)
	count := func(n int, none, some string) {
		if n == 0 {
			t.row("ok    %s", none)
		} else {
			t.row("LOOK  %d %s", n, some)
		}
	}
	if c.Empty {
		t.row("LOOK  the database has neither members nor cards: is DATABASE_URL right? " +
			"The file of a database in use, copied alone, is empty or old")
	}
	if c.Recovering {
		t.row("LOOK  the database was restored from a copy, and its recovery has not ended (server recover status)")
	}
	count(len(c.Damage), "no damage of the database was found",
		"things are damaged in the database file (stop the server and restore a backup, see docs/backup.md):")
	for _, what := range c.Damage {
		t.row("        %s", what)
	}
	count(len(c.Unbalanced), "every card's totals are the sum of its ledger",
		"cards have totals that are not the sum of their ledger:")
	for _, u := range c.Unbalanced {
		t.row("        card %s code %s: bonus %d, in its ledger %d; balance %s, in its ledger %s; entries counted %d, found %d",
			u.CardID, u.Code, u.Bonus, u.SumBonus, yuan(u.Balance), yuan(u.SumBalance), u.Seq, u.Entries)
	}
	count(len(c.Drifts), "no card's figures were changed by WeChat itself",
		"cards have figures that WeChat itself changed (add entries that make both equal, see docs/ledger.md):")
	for _, d := range c.Drifts {
		t.row("        card %s code %s: bonus %d, at WeChat %d; balance %s, at WeChat %s; since %s",
			d.CardID, d.Code, d.Bonus, d.FaceBonus, yuan(d.Balance), yuan(d.FaceBalance), d.SeenAt.Format(time.DateTime))
	}
	count(int(c.Dead), "WeChat has refused nothing for good",
		"messages were refused by WeChat for good (server outbox list --state dead)")
	t.row("      %d messages wait for WeChat, the oldest for %s", c.Waiting, time.Duration(c.OldestS)*time.Second)
	return t.flush()
}
