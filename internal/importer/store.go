package importer

import (
	"context"

	"github.com/addcard/addcard/internal/member"
)

// Tx is member.Tx with the lines of imports.
type Tx interface {
	member.Tx
	// Line returns what became of a line in an earlier run, or ErrNotFound.
	Line(ctx context.Context, importID, key string) (Result, error)
	// AddLine records what became of a line.
	AddLine(ctx context.Context, importID string, r Result) error
	// Advance adds to the counts of an import.
	Advance(ctx context.Context, importID string, c Counts) error
}

// Store keeps imports. It is safe for concurrent use.
type Store interface {
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Begin returns the ID of the import with this name and card, which it adds if
	// there is none, sets its counts to zero, and forgets the lines that were refused.
	Begin(ctx context.Context, o Options) (importID string, err error)
	// End records that the last run of an import has come to its end.
	End(ctx context.Context, importID string) error
}
