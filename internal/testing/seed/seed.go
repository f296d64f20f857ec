// Package seed fills a database with members as if they had joined over two
// years: identities, cards, ledgers and events that keep every rule of package
// member. It is for benchmarks and demonstrations; only tests and cmd/sandbox
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

// ErrNotEmpty is returned for a database with members that the same Options
// have not created.
var ErrNotEmpty = errors.New("seed: the database has other members")

// MaxEntries is the largest average number of entries of a member. All data of
// a member is written in one transaction.
const MaxEntries = 1000

// Options describe the data. The same Options create the same rows.
type Options struct {
	Members     int
	Entries     int // of all ledgers together, at most MaxEntries × Members
	Seed        uint64
	CardID      string // the card of all members
	MiniProgram string // AppID
	Official    string // AppID
	// Progress is called after each transaction, unless it is nil, with what
	// exists by then.
	Progress func(members, entries int)
}

// rowsAtOnce is about how many rows one transaction writes: a batch of SQLite
// may take 15 seconds.
const rowsAtOnce = 5_000

// Fill writes the members and all their data to db, which must have been
// migrated, in the order in which they joined. It continues where an earlier
// call was interrupted; what exists is complete at any time.
func Fill(ctx context.Context, db *sqldb.DB, o Options) error {
	if o.Members < 1 || o.Entries < 0 || o.Entries/o.Members > MaxEntries {
		return fmt.Errorf("seed: cannot create %d entries for %d members", o.Entries, o.Members)
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

// existing returns the number of members that an earlier call has created.
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

// write writes the members from to to-1, and their entries in the order of
// time, so that the entries of a ledger are scattered over the table as they
// are when it grows over time.
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
