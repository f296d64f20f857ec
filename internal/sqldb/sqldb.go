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
var ErrUnsupported = errors.New("sqldb: DATABASE_URL must be sqlite:PATH")

// ErrClosed is returned by Write once Close has begun.
var ErrClosed = errors.New("sqldb: database is closed")

// ErrBusy is returned by Write when the transaction could not begin, because
// another process holds the database or it is gone. Nothing was written.
var ErrBusy = errors.New("sqldb: the database did not take up the transaction")

// Querier runs SQL. Inside Write it is the transaction; DB.Read gives one that
// sees the last committed state. Statements are prepared once and kept.
type Querier interface {
	Exec(ctx context.Context, query string, args ...any) (sql.Result, error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	path     string
	writer   *sql.DB
	reader   *pool
	group    *committer
	versions *versions
}

// CheckURL tells whether Open would understand url, without touching anything.
func CheckURL(url string) error {
	if path, ok := strings.CutPrefix(url, "sqlite:"); !ok || path == "" {
		return ErrUnsupported
	}
	return nil
}

// Open opens the database at url (sqlite:PATH), creating the file, readable by
// its owner only, when it is not there. It changes no table: see Migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	return openSQLite(ctx, strings.TrimPrefix(url, "sqlite:"))
}

// Read returns a Querier outside any transaction: each statement sees what was
// committed before it began. It never waits for a writer.
func (db *DB) Read() Querier { return db.reader }

// Write runs fn in one durable transaction and returns once that is on disk.
//
// fn must use the context and the Querier it is given, and must have no effect
// but on variables that it sets anew: several callers' transactions are
// committed together, and after a failed commit each is tried again alone, so
// fn may run more than once. An error from fn undoes only fn's own work and is
// returned as it is. A ctx that ends while fn waits for its turn gives ctx's
// error; once fn has begun, its fate is the commit's.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return db.group.write(ctx, fn)
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.reader.QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}

// Close finishes the writes that have begun, refuses new ones and closes the
// database.
func (db *DB) Close() error {
	return errors.Join(db.group.close(), db.versions.conn.Close(), db.reader.close(), db.writer.Close())
}
