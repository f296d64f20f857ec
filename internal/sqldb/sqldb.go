// Package sqldb opens the database of addcard, migrates it, and combines many
// small durable writes into few disk flushes. It contains no queries of the
// application: those belong to the sqlstore packages.
//
// It is the only package that depends on the engine behind DATABASE_URL. A
// [Querier] takes the same SQL text on SQLite and PostgreSQL: placeholders are
// $1, $2, …, times are BIGINT milliseconds, and now_ms() is the clock of the
// database.
//
// When [DB.Write] has returned nil, the commit is on disk and the client may
// get its answer.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrUnsupported is returned by Open for a DATABASE_URL in an unknown form.
var ErrUnsupported = errors.New("sqldb: DATABASE_URL must be sqlite:PATH or postgres://user:password@host:port/database")

// ErrClosed is returned by Write once Close has begun.
var ErrClosed = errors.New("sqldb: database is closed")

// ErrUnavailable marks an error of which the database is the cause: it cannot be
// reached, does not answer in time, is locked, read-only, full or damaged, or
// refuses this program. The same operation may succeed later.
var ErrUnavailable = errors.New("sqldb: the database is not available")

// ErrBusy is returned by Write when the transaction could not begin, because
// another process holds the database or the database is down, or when it
// conflicted with others several times in a row. Nothing was written.
var ErrBusy = errors.New("sqldb: the transaction could not be run")

// ErrUnknown is returned by Write when the connection broke during the commit, or
// the commit took too long: the transaction may be committed or not. The caller
// can find out by repeating the request.
var ErrUnknown = errors.New("sqldb: no answer to the commit; the outcome is unknown")

// A Querier runs SQL. In Write it is the transaction; Engine.Read returns one
// that sees the last committed state. Statements are prepared once and kept.
type Querier interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	// Query returns rows that the caller must close.
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// QueryRow returns a row that the caller must scan.
	QueryRow(ctx context.Context, query string, args ...any) Row
}

// Row is the first row of a result, as [sql.Row] is.
type Row interface{ Scan(dest ...any) error }

// Rows is a result, as [sql.Rows] is.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	ColumnTypes() ([]*sql.ColumnType, error)
	Err() error
	Close() error
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	Engine
	health health
}

// Engine has the operations that SQLite and PostgreSQL implement differently.
type Engine interface {
	// Read is DB.Read without its limit; the end of the context ends the wait for
	// a connection.
	Read() Querier

	// Write runs fn in one durable transaction and returns once the commit is
	// on disk. ctx must have a deadline.
	//
	// fn must use the context and the Querier that it gets. It may run more
	// than once, so its only effect besides the SQL must be to set variables of
	// the caller, from scratch each time: SQLite commits the transactions of
	// several callers together and, if that fails, each one alone; on
	// PostgreSQL a transaction that conflicted with another is repeated. An
	// error of fn undoes only the work of fn and is returned unchanged. If ctx
	// ends before fn runs, Write returns the error of ctx.
	Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error

	// SkipLocked returns the end of a sub-select that picks rows to update for
	// one of several workers; table is the sub-select's name for the rows.
	// Without it, workers on PostgreSQL wait for each other or deadlock, and
	// pick rows that another worker has just taken. For SQLite, which has one
	// writer, it is empty.
	SkipLocked(table string) string

	// RowsPerInsert returns how many rows a statement should insert when there
	// are very many: PostgreSQL needs a round trip for each statement; SQLite
	// keeps a statement journal for a statement that inserts several rows.
	RowsPerInsert() int

	// Hold waits for the lock of the fleet with this number, and tx holds it
	// until it ends: shared with other transactions or, with alone,
	// exclusively. It reports whether tx holds the lock exclusively: on SQLite,
	// which has one writer, always.
	Hold(ctx context.Context, tx Querier, lock int64, alone bool) (bool, error)

	// Version returns a number that differs from an earlier one if anything may
	// have been committed in between. On SQLite it shows commits of this
	// process at once and those of other processes within 0.1 s, and is cheap
	// enough for every request. PostgreSQL does not announce commits, so there
	// each call returns another number and nothing that was read can be kept.
	Version(ctx context.Context) int64

	// Scrub removes what was deleted or replaced from the database's own copies:
	// on SQLite from the journal, on PostgreSQL dead rows. It waits until no reader
	// needs them, or ctx ends, and blocks other transactions only for moments. It
	// does not reach backups, archived logs and what the file system keeps.
	Scrub(ctx context.Context) error

	// Rewrite rewrites a SQLite file that an earlier version has written, once,
	// without what that version has deleted; a file with more than most bytes stays
	// as it is. It blocks all writers, for about a second per 50 MB, and needs as
	// much free space on the disk.
	Rewrite(ctx context.Context, most int64) error

	// Close finishes the writes that have begun, refuses new ones and closes the
	// database.
	Close() error

	// writable returns an error if nothing can be read or written. It writes
	// nothing.
	writable(ctx context.Context) error

	// commit runs a statement as a transaction. It does not wait for a connection
	// behind transactions that wait for a lock.
	commit(ctx context.Context, query string, args ...any) error

	// examine runs a pragma that looks for damage and returns what it has found.
	// It takes as long as ctx allows.
	examine(ctx context.Context, pragma string) (found []string, err error)

	// migrate applies the migrations up to version to and returns their number.
	migrate(ctx context.Context, to int64) (applied int, err error)
}

// CheckURL reports whether Open would accept url, without opening anything. The
// error contains no part of url, which may contain a password.
func CheckURL(url string) error {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok && path != "" {
		return nil
	}
	if isPostgres(url) {
		_, err := newTarget(url)
		return err
	}
	return ErrUnsupported
}

// Open opens the database at url. It creates a missing SQLite file
// (sqlite:PATH), readable by its owner only. A PostgreSQL database
// (postgres://…) must exist; Open does not connect to it. Open does not change
// the schema: see Migrate.
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
	return &DB{Engine: e}, nil
}

// Migrate applies the missing migrations and returns their number. It blocks
// until they are done; several processes may call it at once. It returns
// ErrUnfinished while a copy into the database is not finished.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	applied, err = db.migrate(ctx, latest)
	if err == nil {
		err = db.checkFinished(ctx)
	}
	return applied, err
}

// Ping returns an error if the database does not answer.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.Read().QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}
