package web

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/ledger"
)

// Entry is one line of a ledger as both APIs show it.
type Entry struct {
	ID            string    `json:"id" format:"uuid"`
	Seq           int64     `json:"seq" doc:"Counts the entries of the card from 1."`
	AddBonus      int64     `json:"add_bonus"`
	Bonus         int64     `json:"bonus" doc:"The total after it."`
	AddBalance    int64     `json:"add_balance"`
	Balance       int64     `json:"balance" doc:"The total after it, in fen (分)."`
	RecordBonus   string    `json:"record_bonus"`
	RecordBalance string    `json:"record_balance"`
	CreatedAt     time.Time `json:"created_at"`
}

// EntryOf returns e without what only the operator sees.
func EntryOf(e ledger.Entry) Entry {
	return Entry{e.ID, e.Seq, e.AddBonus, e.Bonus, e.AddBalance, e.Balance, e.RecordBonus, e.RecordBalance, e.CreatedAt}
}

// EntriesInput asks for a page of the ledger of one code.
type EntriesInput struct {
	CodePath
	PageInput

	before int64 // a seq; 0 for the first page
}

// Resolve reads the cursor.
func (in *EntriesInput) Resolve(huma.Context) []error {
	return in.ReadCursor(1, func(parts []string) (err error) {
		if in.before, err = strconv.ParseInt(parts[0], 10, 64); in.before < 1 {
			err = strconv.ErrRange
		}
		return err
	})
}

// EntryLister reads a ledger. Entries returns up to n entries with a seq below
// before, or the newest if that is 0; the newest come first.
type EntryLister interface {
	Entries(ctx context.Context, cardID, code string, before int64, n int) ([]ledger.Entry, error)
}

// Read returns the page of the ledger that in asks for, and the cursor of the
// next page, which is empty on the last.
func (in *EntriesInput) Read(ctx context.Context, l EntryLister) (list []ledger.Entry, next string, err error) {
	list, err = l.Entries(ctx, in.CardID, in.Code, in.before, in.Limit+1)
	list, next = Page(in.PageInput, list, func(e ledger.Entry) []string { return []string{strconv.FormatInt(e.Seq, 10)} })
	return list, next, err
}
