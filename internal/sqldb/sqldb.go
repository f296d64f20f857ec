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
type DB struct{ engine engine }

// engine is what SQLite and PostgreSQL do in ways of their own.
type engine interface {
	read() Querier
	write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error
	version(ctx context.Context) int64
	migrate(ctx context.Context, to int64) (applied int, err error)
	skipLocked() string
	rowsPerInsert() int
	hold(ctx context.Context, tx Querier, lock int64, alone bool) (bool, error)
	close() error
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

// Read returns a Querier outside any transaction: each statement sees what was
// committed before it began. It never waits for a writer.
func (db *DB) Read() Querier { return db.engine.read() }

// SkipLocked is what a sub-select ends with that picks rows to update for one
// of several workers: on PostgreSQL without it they wait for each other, or
// deadlock, and pick rows that another has just taken. table is the sub-select's
// name for the rows. SQLite has one writer and needs nothing.
func (db *DB) SkipLocked(table string) string {
	if words := db.engine.skipLocked(); words != "" {
		return " for update of " + table + " " + words
	}
	return ""
}

// RowsPerInsert is how many rows a statement should insert of very many: to
// PostgreSQL each statement is a journey; SQLite keeps a journal of its own for
// one of several rows.
func (db *DB) RowsPerInsert() int { return db.engine.rowsPerInsert() }

// Hold waits for a lock of the fleet's and has tx hold it until it ends, beside
// others or alone. The number names the lock. It reports whether tx holds it
// alone: on SQLite, which has one writer, always.
func (db *DB) Hold(ctx context.Context, tx Querier, lock int64, alone bool) (bool, error) {
	return db.engine.hold(ctx, tx, lock, alone)
}

// Version returns a number that differs from an earlier one if anything may
// have been committed in between: on SQLite at once for what this process
// wrote, within a tenth of a second for what others did, and cheap enough for
// every request. PostgreSQL tells nobody of commits, so there every call gives
// another number: what was read is not kept.
func (db *DB) Version(ctx context.Context) int64 { return db.engine.version(ctx) }

// Migrate brings the tables up to date and returns how many steps it took.
// Several processes may call it at once; it blocks until it is done.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	return db.engine.migrate(ctx, latest)
}

// Write runs fn in one durable transaction and returns once that is on disk.
//
// fn must use the context and the Querier it is given, and must have no effect
// but on variables that it sets anew: it may run more than once, because SQLite
// commits several callers' transactions together and, after a failed commit,
// each alone, and PostgreSQL refuses one of two that got in each other's way.
// An error from fn undoes only fn's own work and is returned as it is. A ctx
// that ends while fn waits for its turn gives ctx's error.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return db.engine.write(ctx, fn)
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.Read().QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}

// Close finishes the writes that have begun, refuses new ones and closes the
// database.
func (db *DB) Close() error {
	return db.engine.close()
}
