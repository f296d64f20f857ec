package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/ledger"
)

type entriesCmd struct {
	CardID string `arg:"" name:"card-id" help:"The card_id."`
	Code   string `arg:"" help:"The member's code of the card."`
	Limit  int    `default:"50" help:"The largest number to print: the newest."`
	Before int64  `help:"Only entries with a smaller number: the page before." placeholder:"NO"`
	JSON   bool   `name:"json" help:"Print JSON, one entry a line."`
}

// Validate implements kong's hook.
func (c entriesCmd) Validate() error {
	switch {
	case c.Limit < 1:
		return command.Usagef("--limit: must be 1 or more")
	case c.Before < 0:
		return command.Usagef("--before: must be 1 or more")
	}
	return nil
}

// jsonEntry is the JSON of an entry, as GET …/entries returns it.
type jsonEntry struct {
	ID            string    `json:"id"`
	Seq           int64     `json:"seq"`
	AddBonus      int64     `json:"add_bonus"`
	Bonus         int64     `json:"bonus"`
	AddBalance    int64     `json:"add_balance"`
	Balance       int64     `json:"balance"`
	RecordBonus   string    `json:"record_bonus"`
	RecordBalance string    `json:"record_balance"`
	CreatedAt     time.Time `json:"created_at"`
	Actor         string    `json:"actor,omitempty"`
	Store         string    `json:"store,omitempty"`
	Order         string    `json:"order,omitempty"`
	Reverses      string    `json:"reverses,omitempty"`
	Reversed      bool      `json:"reversed,omitempty"`
	Push          string    `json:"push"`
}

func jsonEntryOf(e ledger.Entry) jsonEntry {
	return jsonEntry{
		e.ID, e.Seq, e.AddBonus, e.Bonus, e.AddBalance, e.Balance, e.RecordBonus, e.RecordBalance, e.CreatedAt,
		e.Actor, e.Store, e.Order, e.Reverses, e.Reversed, string(e.Sent),
	}
}

func (c entriesCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		list, err := core.Ledger.Entries(ctx, c.CardID, c.Code, c.Before, c.Limit)
		if err != nil {
			return entryError(err)
		}
		t := newTable(streams.Out)
		for _, e := range slices.Backward(list) {
			if c.JSON {
				if err := printJSON(streams.Out, jsonEntryOf(e)); err != nil {
					return err
				}
				continue
			}
			t.row("no. %d\t%s\tbonus %+d\tnow %d\tbalance %s\tnow %s\t%s\t%s\t%s", e.Seq, e.CreatedAt.Format(time.DateTime),
				e.AddBonus, e.Bonus, signedYuan(e.AddBalance), yuan(e.Balance), e.ID, e.Sent, aboutEntry(e))
		}
		return t.flush()
	})
}

// aboutEntry returns the texts of an entry, for one cell.
func aboutEntry(e ledger.Entry) string {
	text := strings.Join([]string{e.RecordBonus, e.RecordBalance, e.Store, e.Order, e.Actor}, " ")
	if e.Reverses != "" {
		text += " reverses " + e.Reverses
	}
	if e.Reversed {
		text += " reversed"
	}
	return strings.Join(strings.Fields(text), " ")
}
