package sqlstore

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/sqldb"
)

// sentSQL is how far entry e of card c was sent; its message is o.
const sentSQL = `case when e.seq > c.told then 'held' else coalesce(o.state, 'sent') end`

// The code that has a ledger now has its name, unless the card was given away; those
// few have an index.
var journalSQL = selectSQL + `, ` + sentSQL + `, e.card_id, coalesce(c.code, e.ledger) from entry e
	left join member_card c on c.card_id = e.card_id and c.code = coalesce(
		(select m.code from member_card m where m.card_id = e.card_id and m.ledger = e.ledger and m.ledger <> m.code), e.ledger)
	left join outbox o on o.outbox_id = e.entry_id
	where e.created_at >= $1 and (e.created_at, e.entry_id) < ($2, $3)`

// AllEntries implements ledger.Store.
func (s *Store) AllEntries(ctx context.Context, f ledger.Filter, before ledger.Mark, n int) ([]ledger.CardEntry, error) {
	query, args := journalQuery(f, before, n)
	return sqldb.All(ctx, s, "list all entries", func(scan sqldb.Scan) (e ledger.CardEntry, err error) {
		var sent ledger.Sent
		e.Entry, err = scanEntry(scan, &sent, &e.CardID, &e.Code)
		e.Sent = sent
		return e, err
	}, query, args...)
}

// journalQuery returns the statement for a filter. Its first condition comes with what
// its index is limited to; each index has the order of the list.
func journalQuery(f ledger.Filter, before ledger.Mark, n int) (query string, args []any) {
	mark := sqldb.Time(before.CreatedAt)
	args = []any{sqldb.Time(f.From), mark, before.ID}
	switch {
	case before != ledger.Mark{}:
	case f.To.IsZero():
		args[1] = int64(math.MaxInt64)
	default:
		args[1] = sqldb.Time(f.To)
	}
	var where strings.Builder
	for _, c := range []struct{ column, value string }{
		{"order_id", f.Order}, {"actor", f.Actor}, {"store", f.Store}, {"card_id", f.CardID},
	} {
		if c.value == "" {
			continue
		}
		if len(args) == 3 && c.column != "card_id" {
			fmt.Fprintf(&where, " and e.%s <> ''", c.column)
		}
		args = append(args, c.value)
		fmt.Fprintf(&where, " and e.%s = $%d", c.column, len(args))
	}
	args = append(args, n)
	return fmt.Sprintf("%s%s order by e.created_at desc, e.entry_id desc limit $%d", journalSQL, &where, len(args)), args
}
