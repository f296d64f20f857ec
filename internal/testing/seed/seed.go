// Package seed fills a database with members as if they had come over two
// years: identities, cards, ledgers and events that keep every rule of package
// member. It is for measuring and for trying things out; the product does not
// import it.
package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/addcard/addcard/internal/sqldb"
)

// ErrNotEmpty is returned for a database that has members other than those that
// the same Options have made.
var ErrNotEmpty = errors.New("seed: the database has other members")

// MaxEntries is how many entries there may be for each member on average. What
// is written of a member is one transaction.
const MaxEntries = 1000

// Options say what is made. The same ones make the same rows.
type Options struct {
	Members     int
	Entries     int // of all ledgers together, at most MaxEntries for each member
	Seed        uint64
	CardID      string // what they hold
	MiniProgram string // AppID
	Official    string // AppID
	// Progress, if there is one, is told after each transaction how far it is.
	Progress func(members, entries int)
}

// rowsAtOnce is about how many rows one transaction writes: a group of SQLite
// may take 15 seconds.
const rowsAtOnce = 5_000

// Fill writes the members and everything about them to db, which must have been
// migrated, in the order in which they came. One that was broken off goes on
// where it stopped; what is there is complete at any time.
func Fill(ctx context.Context, db *sqldb.DB, o Options) error {
	if o.Members < 1 || o.Entries < 0 || o.Entries/o.Members > MaxEntries {
		return fmt.Errorf("seed: %d entries for %d members cannot be made", o.Entries, o.Members)
	}
	from, err := o.existing(ctx, db)
	if err != nil {
		return err
	}
	rows := db.RowsPerInsert()
	step := min(blockSize, max(1, rowsAtOnce/(7+o.Entries/o.Members)))
	for ; from < o.Members; from += step {
		to := min(from+step, o.Members)
		err := db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return o.write(ctx, tx, newTables(rows), from, to) })
		if err != nil {
			return fmt.Errorf("seed: %w", err)
		}
		if o.Progress != nil {
			o.Progress(to, o.entriesBefore(to))
		}
	}
	return nil
}

// there counts the members that were made before.
func (o Options) existing(ctx context.Context, db *sqldb.DB) (n int, err error) {
	if err := db.Read().QueryRow(ctx, `select count(*) from member`).Scan(&n); err != nil {
		return 0, fmt.Errorf("seed: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	ours := 0
	if n <= o.Members {
		err = db.Read().QueryRow(ctx, `select count(*) from member where member_id in ($1, $2)`, o.person(0).id, o.person(n-1).id).Scan(&ours)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("seed: %w", err)
	case ours < min(n, 2):
		return 0, ErrNotEmpty
	}
	return n, nil
}

// write writes the members from and below to, and their entries in the order of
// time, so that a ledger lies scattered as it does where it grew.
func (o Options) write(ctx context.Context, tx sqldb.Querier, t tables, from, to int) error {
	var entries []entry
	for k := from; k < to; k++ {
		p := o.person(k)
		book := o.entries(p)
		entries = append(entries, book...)
		t.member.add(p.id, p.joinedAt)
		for _, id := range o.identities(p) {
			t.identity.add(id...)
		}
		t.card.add(o.card(p, book)...)
		if p.hasClaimed() {
			t.event.add(o.event(p)...)
		}
		if p.hasForm() {
			t.form.add(o.form(p)...)
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.createdAt, b.createdAt) })
	for _, e := range entries {
		t.entry.add(o.entryRow(e)...)
	}
	for _, filled := range []*table{t.member, t.identity, t.card, t.event, t.form, t.entry} {
		if err := filled.insert(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}
