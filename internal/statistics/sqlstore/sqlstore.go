// Package sqlstore is statistics.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/statistics"
)

// Store keeps the figures in the database. It is safe for concurrent use.
type Store struct{ tx }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{tx{sqldb.Queries{Querier: db.Read(), DB: db}}} }

// Write implements statistics.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx statistics.Tx) error) error {
	return s.DB.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		return fn(ctx, tx{sqldb.Queries{Querier: q, DB: s.DB}})
	})
}

// tx is statistics.Tx on a transaction, and reads on the read pool.
type tx struct{ sqldb.Queries }

// StartJob implements statistics.Store.
func (s *Store) StartJob(ctx context.Context, every time.Duration) (bool, error) {
	return s.DB.StartJob(ctx, "roll up statistics", every)
}

func progressFields(p *statistics.Progress) sqldb.Fields {
	cards, entries := &p.Cursors[statistics.Cards], &p.Cursors[statistics.Entries]
	return sqldb.Fields{
		sqldb.Col("zone", &p.Zone), sqldb.Col("cleared", (*sqldb.Bool)(&p.Cleared)),
		sqldb.Col("card_id", &cards.After[0]), sqldb.Col("code", &cards.After[1]), sqldb.Col("cards_done", (*sqldb.Bool)(&cards.End)),
		sqldb.Col("entry_id", &entries.After[0]), sqldb.Col("entries_done", (*sqldb.Bool)(&entries.End)),
		sqldb.Col("until", (*sqldb.Time)(&p.Until)),
	}
}

var (
	progressColumns = progressFields(&statistics.Progress{}).Columns()
	readProgressSQL = `select ` + progressColumns.List("") + ` from statistic_progress where name = 'statistics'`
	lockProgressSQL = `update statistic_progress set steps = steps + 1 where name = 'statistics'
	returning ` + progressColumns.List("") + `, now_ms()`
	setProgressSQL = `update statistic_progress set ` + progressColumns.Set(1) + ` where name = 'statistics'`
)

// Progress implements statistics.Store.
func (s *Store) Progress(ctx context.Context) (p statistics.Progress, err error) {
	err = s.QueryRow(ctx, readProgressSQL).Scan(progressFields(&p).Pointers()...)
	return p, wrapped("read how far the figures are", err)
}

// Progress implements statistics.Tx.
func (tx tx) Progress(ctx context.Context) (p statistics.Progress, now time.Time, err error) {
	err = tx.QueryRow(ctx, lockProgressSQL).Scan(append(progressFields(&p).Pointers(), (*sqldb.Time)(&now))...)
	return p, now, wrapped("read how far the figures are", err)
}

// SetProgress implements statistics.Tx.
func (tx tx) SetProgress(ctx context.Context, p statistics.Progress) error {
	return tx.Run(ctx, "record how far the figures are", setProgressSQL, progressFields(&p).Pointers()...)
}

func figureFields(f *statistics.Figures) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("issued", &f.Issued), sqldb.Col("claimed", &f.Claimed),
		sqldb.Col("activated", &f.Activated), sqldb.Col("deleted", &f.Deleted),
		sqldb.Col("bonus_given", &f.BonusGiven), sqldb.Col("bonus_spent", &f.BonusSpent),
		sqldb.Col("balance_given", &f.BalanceGiven), sqldb.Col("balance_spent", &f.BalanceSpent),
		sqldb.Col("entries", &f.Entries),
	}
}

var (
	figures = figureFields(&statistics.Figures{}).Columns()
	addSQL  = `insert into statistic (` + figures.List("") + `, card_id, day, channel)
	values (` + figures.Values(1) + `, $10, $11, $12)
	on conflict (card_id, day, channel) do update set ` + each(`%[1]s = statistic.%[1]s + excluded.%[1]s`, ", ")
	deleteZeroSQL = `delete from statistic where card_id = $1 and day = $2 and channel = $3 and ` + each(`%[1]s = 0`, " and ")
	clearSQL      = `delete from statistic where (card_id, day, channel) in (select card_id, day, channel from statistic limit $1)`
	sums          = each(`cast(sum(%[1]s) as bigint) as %[1]s`, ", ")
)

// each returns a text for each figure, with its column in place of %[1]s.
func each(text, separator string) string {
	list := make([]string, len(figures))
	for i, column := range figures {
		list[i] = strings.ReplaceAll(text, "%[1]s", column)
	}
	return strings.Join(list, separator)
}

// Add implements statistics.Tx.
func (tx tx) Add(ctx context.Context, cell statistics.Cell, f statistics.Figures) error {
	key := []any{cell.CardID, int64(cell.Day), cell.Channel}
	err := tx.Run(ctx, "add to the figures", addSQL, append(figureFields(&f).Pointers(), key...)...)
	if err == nil && min(f.Issued, f.Claimed, f.Activated, f.Deleted) < 0 { // entries only become more
		err = tx.Run(ctx, "delete figures of nothing", deleteZeroSQL, key...)
	}
	return err
}

// Clear implements statistics.Tx.
func (tx tx) Clear(ctx context.Context, n int) (int, error) {
	res, err := tx.Exec(ctx, clearSQL, n)
	if err != nil {
		return 0, wrapped("delete the figures", err)
	}
	deleted, err := res.RowsAffected()
	return int(deleted), err
}
