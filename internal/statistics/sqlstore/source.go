package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/statistics"
)

// source has the statements about one statistics.Source. In both, $1 to $3 are the
// cursor and $4 is the number of rows.
type source struct {
	page, changes string
	scanItem      func(scan sqldb.Scan) (statistics.Item, error)
	scanChange    func(scan sqldb.Scan) (statistics.Change, error)
	forget        string
}

var bySource = map[statistics.Source]source{
	statistics.Cards:   {cardsSQL, cardChangesSQL, scanCard, scanCardChange, forgetCardsSQL},
	statistics.Entries: {entriesSQL, entryChangesSQL, scanEntry, scanEntryChange, forgetEntriesSQL},
}

// Page implements statistics.Tx.
func (tx tx) Page(ctx context.Context, of statistics.Source, c statistics.Cursor, n int) ([]statistics.Item, error) {
	if c.End {
		return nil, nil
	}
	s := bySource[of]
	return sqldb.All(ctx, tx, "list what is to be counted", s.scanItem, s.page, append(keyArgs(of, c), n)...)
}

// Changes implements statistics.Tx.
func (tx tx) Changes(ctx context.Context, of statistics.Source, c statistics.Cursor, n int) ([]statistics.Change, error) {
	s := bySource[of]
	return sqldb.All(ctx, tx, "list changes to be counted", s.scanChange, s.changes, append(keyArgs(of, c), sqldb.Bool(c.End), n)...)
}

func keyArgs(of statistics.Source, c statistics.Cursor) []any {
	if of == statistics.Entries {
		return []any{c.After[0]}
	}
	return []any{c.After[0], c.After[1]}
}

// forgotten is how many rows one statement deletes.
const forgotten = 50

var (
	placeholders     = make(sqldb.Columns, forgotten).Values(1)
	forgetCardsSQL   = `delete from uncounted_card where change_id in (` + placeholders + `)`
	forgetEntriesSQL = `delete from uncounted_entry where entry_id in (` + placeholders + `)`
)

// Forget implements statistics.Tx.
func (tx tx) Forget(ctx context.Context, of statistics.Source, ids []string) error {
	for part := range slices.Chunk(ids, forgotten) {
		args := make([]any, forgotten)
		for i := range args {
			args[i] = part[min(i, len(part)-1)] // the last one fills up
		}
		if err := tx.Run(ctx, "forget counted changes", bySource[of].forget, args...); err != nil {
			return err
		}
	}
	return nil
}

// stateSQL is what is counted of a card, from the columns of member_card with a prefix.
// The moments held_at and deleted_at are those of package member: four for each second.
func stateSQL(p string) string {
	return fmt.Sprintf(`%[1]souter_str, %[1]sissued_at, %[1]sclaimed_at, %[1]sactivated_at,
	case when %[1]sdeleted_at > %[1]sheld_at then 1 else 0 end, %[1]sdeleted_at / 4 * 1000,
	case when %[1]sgiven_from <> '' then 1 else 0 end, case when %[1]sstatus = 'gifted' then 1 else 0 end`, p)
}

func statePointers(c *statistics.Card) []any {
	return []any{
		&c.Channel, (*sqldb.Time)(&c.IssuedAt), (*sqldb.Time)(&c.ClaimedAt), (*sqldb.Time)(&c.ActivatedAt),
		(*sqldb.Bool)(&c.Deleted), (*sqldb.Time)(&c.DeletedAt), (*sqldb.Bool)(&c.Received), (*sqldb.Bool)(&c.Gifted),
	}
}

var (
	cardsSQL = `select card_id, code, version, ` + stateSQL("") + ` from member_card
	where (card_id, code) > ($1, $2) order by card_id, code limit $3`
	cardChangesSQL = `select card_id, code, version, ` + stateSQL("") + `, change_id,
	case when $3 = 0 and (card_id, code) > ($1, $2) then 1 else 0 end, ` + stateSQL("was_") + `
	from uncounted_card order by change_id limit $4`
)

// scanCard reads the columns of a card, and those that come after them into more.
func scanCardWith(scan sqldb.Scan, more ...any) (statistics.Item, error) {
	var item statistics.Item
	var c statistics.Card
	pointers := append([]any{&item.Key[0], &item.Key[1], &item.Version}, statePointers(&c)...)
	err := scan(append(pointers, more...)...)
	c.CardID = item.Key[0]
	item.Subject = c
	return item, err
}

func scanCard(scan sqldb.Scan) (statistics.Item, error) { return scanCardWith(scan) }

func scanCardChange(scan sqldb.Scan) (change statistics.Change, err error) {
	var was statistics.Card
	more := append([]any{&change.ID, (*sqldb.Bool)(&change.Behind)}, statePointers(&was)...)
	change.Now, err = scanCardWith(scan, more...)
	was.CardID = change.Now.Key[0]
	change.Was = was
	return change, err
}

// A reversal is counted like the entry that it reverses.
const entrySQL = `select e.entry_id, e.card_id, coalesce(c.outer_str, ''), e.created_at, e.add_bonus, e.add_balance,
	case when e.reverses = '' then 0 else 1 end, coalesce(o.route, e.route)`

// The ledger has the name of the first code of its card, or of the account that joined it.
const entryJoinsSQL = ` left join member_card c on c.card_id = e.card_id
		and c.code = coalesce((select a.joined_code from imported a where a.account_id = e.ledger), e.ledger)
	left join entry o on o.entry_id = e.reverses`

const (
	entriesSQL      = entrySQL + ` from entry e` + entryJoinsSQL + ` where e.entry_id > $1 order by e.entry_id limit $2`
	entryChangesSQL = entrySQL + `, case when $2 = 0 and e.entry_id > $1 then 1 else 0 end
	from uncounted_entry u join entry e on e.entry_id = u.entry_id` + entryJoinsSQL + ` order by u.entry_id limit $3`
)

func scanEntryWith(scan sqldb.Scan, more ...any) (statistics.Item, error) {
	item := statistics.Item{Version: 1}
	var e statistics.Entry
	pointers := []any{
		&item.Key[0], &e.CardID, &e.Channel, (*sqldb.Time)(&e.At), &e.AddBonus, &e.AddBalance, (*sqldb.Bool)(&e.Reversal), &e.Route,
	}
	err := scan(append(pointers, more...)...)
	item.Subject = e
	return item, err
}

func scanEntry(scan sqldb.Scan) (statistics.Item, error) { return scanEntryWith(scan) }

func scanEntryChange(scan sqldb.Scan) (change statistics.Change, err error) {
	change.Now, err = scanEntryWith(scan, (*sqldb.Bool)(&change.Behind))
	change.ID = change.Now.Key[0]
	return change, err
}
