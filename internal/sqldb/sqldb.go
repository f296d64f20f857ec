// Package sqldb opens the one database addcard keeps everything in, runs its
// migrations, and turns many small durable writes into few disk flushes.
//
// It is the only place that knows which engine is behind DATABASE_URL. What it
// hands out, a [Querier], takes the same SQL text on either: placeholders are
// $1, $2, …, times are BIGINT milliseconds, and now_ms() is the database's own
// clock. It knows no table: those belong to the sqlstore packages.
//
// An answer may be given to a client as soon as [DB.Write] has returned nil:
// the commit has reached the disk by then.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrUnsupported is returned by Open for a DATABASE_URL of an unknown form.
var ErrUnsupported = errors.New("sqldb: DATABASE_URL must be sqlite:PATH or postgres://user:password@host:port/database")

// ErrClosed is returned by Write once Close has begun.
var ErrClosed = errors.New("sqldb: database is closed")

// ErrBusy is returned by Write when the transaction could not begin, because
// another process holds the database or it is gone, or when others got in its
// way again and again. Nothing was written.
var ErrBusy = errors.New("sqldb: the database did not take up the transaction")

// ErrUnknown is returned by Write when the connection broke while the database
// was committing: it may be done or not. Whoever asks again finds out.
var ErrUnknown = errors.New("sqldb: whether the transaction was committed is not known")

// Querier runs SQL. Inside Write it is the transaction; DB.Read gives one that
// sees the last committed state. Statements are prepared once and kept.
type Querier interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database. It is safe for concurrent use.
type DB struct{ Engine }

// Engine is what SQLite and PostgreSQL do differently.
type Engine interface {
	// Read returns a Querier outside any transaction: each statement sees what
	// was committed before it began. It never waits for a writer.
	Read() Querier

	// Write runs fn in one durable transaction and returns once the commit is on
	// disk.
	//
	// fn must use the context and the Querier that it is given. It may run more
	// than once, so it must assign to the caller's variables and not add to them:
	// SQLite commits the transactions of several callers together and, after a
	// failed commit, each of them alone; PostgreSQL is asked again after a deadlock
	// or a serialization failure. An error from fn undoes only the work of fn and
	// is returned unchanged. If ctx ends while fn waits for its turn, Write returns
	// the error of ctx.
	Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error

	// SkipLocked returns the end of a sub-select that picks rows to update for one
	// of several workers; table is the sub-select's name for the rows. Without it,
	// workers on PostgreSQL wait for each other or deadlock, and pick rows that
	// another worker has just taken. On SQLite, which has one writer, it is empty.
	SkipLocked(table string) string

	// RowsPerInsert returns how many rows one statement should insert when there
	// are very many: PostgreSQL pays a round trip for each statement, SQLite keeps
	// a statement journal for each insert of several rows.
	RowsPerInsert() int

	// Hold waits for the advisory lock with this number and holds it until tx ends,
	// shared with others or exclusively (alone). It reports whether tx holds the
	// lock exclusively: on SQLite, which has one writer, always.
	Hold(ctx context.Context, tx Querier, lock int64, alone bool) (bool, error)

	// Version returns a number that changes if anything may have been committed
	// since an earlier call. On SQLite it shows this process's own commits at once
	// and those of other processes within 100 ms, and is cheap enough to call for
	// every request. PostgreSQL does not announce commits, so there each call
	// returns another number and nothing that was read can be kept.
	Version(ctx context.Context) int64

	// Close finishes the writes that have begun, refuses new ones and closes the
	// database.
	Close() error

	// migrate applies the migrations up to the version to and returns how many.
	migrate(ctx context.Context, to int64) (applied int, err error)
}

// CheckURL tells whether Open would understand url, without touching anything.
// Its error holds none of url: there may be a password in it.
func CheckURL(url string) error {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok && path != "" {
		return nil
	}
	if isPostgres(url) {
		_, err := postgresConfig(url)
		return err
	}
	return ErrUnsupported
}

// Open opens the database at url. A SQLite file (sqlite:PATH) is created,
// readable by its owner only, when it is not there; a PostgreSQL database
// (postgres://…) must be there, and is reached when it is first needed. It
// changes no table: see Migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	open := openSQLite
	if isPostgres(url) {
		open = openPostgres
	}
	e, err := open(ctx, strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		return nil, err
	}
	return &DB{e}, nil
}

// Migrate brings the tables up to date and returns how many steps it took.
// Several processes may call it at once; it blocks until it is done.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	return db.migrate(ctx, latest)
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.Read().QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}
