package statistics

import (
	"context"
	"time"
)

// Source is a table whose rows are counted.
type Source int

// The sources: the member cards, which change, and the entries, which do not.
const (
	Cards Source = iota
	Entries
	sources
)

// Key identifies a row of a source: a card_id and a code, or an entry's ID and "".
type Key [2]string

// Cursor is how far a source was read, in the order of its keys: up to After, or to
// its end. What is behind the cursor was there before, and is counted when the cursor
// reaches it. The zero Cursor is at the beginning.
type Cursor struct {
	After Key
	End   bool
}

// Progress is how far the roll-up is.
type Progress struct {
	Zone    string // of the days
	Cleared bool   // the rows of the zone before are deleted
	Cursors [sources]Cursor
	Until   time.Time // everything committed before is counted; zero while a cursor is not at its end
}

// Item is a row of a source, as it was read at some time. Version grows with each
// change of the row.
type Item struct {
	Key     Key
	Version int64
	Subject
}

// Change is a change of a row that is not counted yet. Was is nil for a row that was
// added. Behind reports that the row is behind the cursor.
type Change struct {
	ID     string
	Was    Subject
	Now    Item
	Behind bool
}

// Tx counts within one transaction.
type Tx interface {
	// Progress makes other transactions that call it wait until this one ends, and
	// returns how far the roll-up is and the present time of the database. It must be
	// the first call.
	Progress(ctx context.Context) (p Progress, now time.Time, err error)
	SetProgress(ctx context.Context, p Progress) error
	// Clear deletes up to n rows of the figures and returns how many.
	Clear(ctx context.Context, n int) (int, error)
	// Page returns up to n rows of a source behind the cursor, in the order of their
	// keys.
	Page(ctx context.Context, of Source, c Cursor, n int) ([]Item, error)
	// Changes returns up to n changes of rows of a source, in any order. It sees
	// whatever was committed before the call, and so all changes that Page saw.
	Changes(ctx context.Context, of Source, c Cursor, n int) ([]Change, error)
	// Forget deletes changes.
	Forget(ctx context.Context, of Source, ids []string) error
	// Add adds to the figures. A row that becomes zero is deleted.
	Add(ctx context.Context, cell Cell, f Figures) error
}

// Store keeps the figures. It is safe for concurrent use.
type Store interface {
	// Write runs fn in one transaction, which is durable when Write returns nil. If
	// fn returns an error, Write undoes the transaction and returns the error. fn may
	// run more than once, so each run must set anew whatever it sets outside the
	// transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// StartJob reports whether the caller must roll up. It returns true to one caller
	// in each period.
	StartJob(ctx context.Context, every time.Duration) (bool, error)
	// Progress returns how far the roll-up was at its last commit.
	Progress(ctx context.Context) (Progress, error)
	// Days returns the figures of each day of the span that has any, in order.
	Days(ctx context.Context, span Span) ([]Row, error)
	// Channels returns the figures of the n channels with the most issued and claimed
	// cards, the first first, and of all others together in a last row, if there are
	// others.
	Channels(ctx context.Context, span Span, n int) ([]Row, error)
}
