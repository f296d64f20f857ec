package ledger

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/addcard/addcard/internal/sheet"
)

// Filter selects entries of all cards. What is empty selects all; what is given must
// all hold. From is included, To is not.
type Filter struct {
	From, To                    time.Time
	CardID, Order, Actor, Store string
}

// Mark is the place of an entry in the list of all entries.
type Mark struct {
	CreatedAt time.Time
	ID        string
}

// CardEntry is an entry with its card, and the code that this card has now.
type CardEntry struct {
	Entry
	CardID, Code string
}

// Mark returns the entry's place in the list of all entries.
func (e CardEntry) Mark() Mark { return Mark{e.CreatedAt, e.ID} }

// AllEntries lists up to n entries of all cards, newest first. Unless before is zero,
// it lists only those behind it.
func (s *Service) AllEntries(ctx context.Context, f Filter, before Mark, n int) ([]CardEntry, error) {
	return s.store.AllEntries(ctx, f, before, n)
}

// exportPage is how many entries an export reads at once.
const exportPage = 500

// Export writes the entries of all cards, newest first, with times of zone, to be
// opened with a spreadsheet. It reads page by page, and blocks on w. Entries that are
// added meanwhile are not in it.
func (s *Service) Export(ctx context.Context, w io.Writer, file sheet.File, f Filter, zone *time.Location) error {
	return sheet.Write(w, file, func(row sheet.Row) error {
		err := row("time ("+zone.String()+")", "card_id", "code", "entry_id", "seq", "add_bonus", "bonus", "add_balance_fen", "balance_fen",
			"record_bonus", "record_balance", "actor", "store", "order", "reverses", "reversed")
		for before := (Mark{}); err == nil; {
			var page []CardEntry
			if page, err = s.store.AllEntries(ctx, f, before, exportPage); err != nil {
				return err
			}
			for _, e := range page {
				if err := exportEntry(row, e, zone); err != nil {
					return err
				}
				before = e.Mark()
			}
			if len(page) < exportPage {
				return nil
			}
		}
		return err
	})
}

func exportEntry(row sheet.Row, e CardEntry, zone *time.Location) error {
	return row(e.CreatedAt.In(zone), sheet.Key(e.CardID), e.Code, e.ID, e.Seq, e.AddBonus, e.Bonus, sheet.Fen(e.AddBalance),
		sheet.Fen(e.Balance), e.RecordBonus, e.RecordBalance, e.Actor, e.Store, e.Order, e.Reverses,
		sheet.Key(strconv.FormatBool(e.Reversed)))
}
