package sqlstore

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/sqldb"
)

// listSQL is what a list adds to entry e of card c: how far it was sent, and what its
// reversal v has taken back, or which entry r it reverses. listJoins has the others.
const (
	listSQL = `, case when c.code is null or e.seq > c.told then 'held' else coalesce(o.state, 'sent') end,
	coalesce(v.add_bonus, 0), coalesce(v.add_balance, 0), coalesce(r.order_id, ''), coalesce(r.created_at, 0)`
	listJoins = `
	left join outbox o on o.outbox_id = e.entry_id
	left join entry v on v.reverses = e.entry_id and v.reverses <> ''
	left join entry r on r.entry_id = e.reverses`
)

// scanListed reads the columns of selectSQL and listSQL, and those that come after them
// into more.
func scanListed(scan sqldb.Scan, more ...any) (ledger.Entry, error) {
	var sent ledger.Sent
	var u ledger.Undo
	e, err := scanEntry(scan, append([]any{&sent, &u.BackBonus, &u.BackBalance, &u.Order, (*sqldb.Time)(&u.BookedAt)}, more...)...)
	e.Sent, e.Undo = sent, u
	return e, err
}

// The code that has a ledger now has its name, unless the card was given away or an
// imported account joined it; those have an index. An account that waits has no code.
var journalSQL = selectSQL + listSQL + `, e.card_id, coalesce(c.code, '') from entry e
	left join member_card c on c.card_id = e.card_id and c.code = coalesce(
		(select m.code from member_card m where m.card_id = e.card_id and m.ledger = e.ledger and m.ledger <> m.code), e.ledger)` + listJoins + `
	where e.created_at >= $1 and (e.created_at, e.entry_id) < ($2, $3)`

// AllEntries implements ledger.Store.
func (s *Store) AllEntries(ctx context.Context, f ledger.Filter, before ledger.Mark, n int) ([]ledger.CardEntry, error) {
	query, args := journalQuery(f, before, n)
	return sqldb.All(ctx, s, "list all entries", func(scan sqldb.Scan) (e ledger.CardEntry, err error) {
		e.Entry, err = scanListed(scan, &e.CardID, &e.Code)
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
