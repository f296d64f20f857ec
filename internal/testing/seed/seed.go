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
	"time"

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

// A transaction writes about so many rows: few at first, and more while it takes less
// than half a second. The databases end a transaction that takes 15 seconds, and on a
// busy machine thousands of rows do.
const (
	fewRows  = 250
	manyRows = 5_000
	fast     = time.Second / 2
)

// Fill writes the members and all their data to db, which must have been
// migrated, in the order in which they joined. It continues where an earlier
// call was interrupted; what exists is complete at any time.
func Fill(ctx context.Context, db *sqldb.DB, o Options) error {
	ctx = sqldb.Each(ctx, time.Minute) // a block of members takes longer than a request may
	if o.Members < 1 || o.Entries < 0 || o.Entries/o.Members > MaxEntries {
		return fmt.Errorf("seed: cannot create %d entries for %d members", o.Entries, o.Members)
	}
	from, err := o.existing(ctx, db)
	if err != nil {
		return err
	}
	t := newTables(db.RowsPerInsert())
	for rows := fewRows; from < o.Members; {
		to := min(from+min(blockSize, max(1, rows/(7+o.Entries/o.Members))), o.Members)
		began := time.Now()
		t.clear()
		o.fill(t, from, to)
		if err := db.Write(ctx, t.insert); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
		if rows = max(rows/2, fewRows); time.Since(began) < fast {
			rows = min(4*rows, manyRows)
		}
		from = to
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

// fill adds the members from to to-1, and their entries in the order of time, so that
// the entries of a ledger are scattered over the table as they are when it grows over
// time.
func (o Options) fill(t tables, from, to int) {
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
}
