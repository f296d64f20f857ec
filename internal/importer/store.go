package importer

import (
	"context"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// Lease is the right to work on an import. The import that begins or is taken again has
// another owner.
type Lease struct{ ImportID, Owner string }

// LeaseTime is how long a lease lasts after the last progress.
const LeaseTime = time.Minute

// Tx is member.Tx with the lines of imports.
type Tx interface {
	member.Tx
	// Line returns what became of a line in an earlier run, or ErrNotFound.
	Line(ctx context.Context, importID, key string) (Result, error)
	// AddLine records what became of a line.
	AddLine(ctx context.Context, importID string, r Result) error
	// Advance adds to the counts of an import and renews the lease. It returns ErrTaken
	// if that has another owner.
	Advance(ctx context.Context, l Lease, c Counts) error
}

// Store keeps imports. It is safe for concurrent use.
type Store interface {
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Begin begins the import with the name, the card and the DryRun of o, which it adds
	// if there is none: it sets the counts to zero, and forgets the lines without a
	// digest. If content is empty, owner leases the import. Else content is kept until
	// the end, and no owner has the lease. An import with a content that is running stays
	// as it is; then Begin returns it and false.
	Begin(ctx context.Context, o Options, owner, content string) (Import, bool, error)
	// Take leases the import with a content that is running and whose lease is over, or
	// owner's own, and returns it and the content. It returns ErrNotFound if there is none.
	Take(ctx context.Context, owner string) (i Import, content string, err error)
	// Found records the number of lines of the file and renews the lease. It returns
	// ErrTaken if that has another owner.
	Found(ctx context.Context, l Lease, total int) error
	// End ends an import with a state and a problem, and deletes the content. It returns
	// ErrTaken if the lease has another owner.
	End(ctx context.Context, l Lease, state State, problem string) error
	// Expire deletes the dry runs that ended a week ago, and ends with problem the imports
	// without a content whose lease is over.
	Expire(ctx context.Context, problem string) error

	// Named returns the ID of the import with this name and card that is no dry run, or "".
	Named(ctx context.Context, name, cardID string) (importID string, err error)
	// Import returns an import, or ErrNotFound. Imports lists up to n, newest first.
	Import(ctx context.Context, id string) (Import, error)
	Imports(ctx context.Context, n int) ([]Import, error)
	// Lines lists up to n lines of an import after the mark that have the outcome, or any
	// if it is empty.
	Lines(ctx context.Context, importID, outcome string, after Mark, n int) ([]Result, error)
}
