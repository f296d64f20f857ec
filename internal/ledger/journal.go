package ledger

import (
	"cmp"
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

// Export writes the entries of all cards as CSV, newest first, with times of zone. It
// begins with a byte order mark, without which spreadsheets misread Chinese, and no
// text is a formula. It reads page by page, and blocks on w. Entries that are added
// meanwhile are not in it.
func (s *Service) Export(ctx context.Context, w io.Writer, f Filter, zone *time.Location) error {
	out, err := sheet.NewFile(w)
	if err != nil {
		return err
	}
	err = out.Row("time ("+zone.String()+")", "card_id", "code", "entry_id", "seq", "add_bonus", "bonus", "add_balance_fen", "balance_fen",
		"record_bonus", "record_balance", "actor", "store", "order", "reverses", "reversed")
	for before := (Mark{}); err == nil; {
		var page []CardEntry
		if page, err = s.store.AllEntries(ctx, f, before, exportPage); err != nil {
			break
		}
		for _, e := range page {
			if err = exportEntry(out, e, zone); err != nil {
				break
			}
			before = e.Mark()
		}
		if len(page) < exportPage {
			break
		}
	}
	return cmp.Or(err, out.Flush())
}

func exportEntry(out *sheet.Writer, e CardEntry, zone *time.Location) error {
	return out.Row(e.CreatedAt.In(zone).Format(time.RFC3339), e.CardID, e.Code, e.ID, e.Seq, e.AddBonus, e.Bonus, e.AddBalance, e.Balance,
		e.RecordBonus, e.RecordBalance, e.Actor, e.Store, e.Order, e.Reverses, strconv.FormatBool(e.Reversed))
}
