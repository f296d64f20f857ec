package sqldb

import (
	"context"
	"time"

	sqlitedriver "modernc.org/sqlite"
)

// MigrateTo applies the migrations up to version, like an earlier version of
// addcard.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	_, err := db.migrate(ctx, version)
	return err
}

// OnCommit has a SQLite database call fn during each commit.
func (db *DB) OnCommit(fn func()) error {
	return db.Engine.(*sqlite).committer.conn.Raw(func(conn any) error {
		conn.(sqlitedriver.HookRegisterer).RegisterCommitHook(func() int32 { fn(); return 0 })
		return nil
	})
}

// IsFault reports whether an error is about the database.
var IsFault = isFault

// IsAway reports whether a transaction with this error is run again.
var IsAway = isAway

// IsRolledBack reports whether nothing was committed by a commit with this error.
var IsRolledBack = isRolledBack

// FaultOf is what a call of the database with ctx that ended with err returns.
func FaultOf(ctx context.Context, err error) error { return new(DB).fault(ctx, err, true) }

// BusyTimeout is how long one statement waits for the lock of another process.
const BusyTimeout = busyTimeout

// PoolSize bounds each of the two pools of PostgreSQL.
var PoolSize = poolSize

// Checked returns a DB that fn checks for readiness, and whose writes return what
// write returns.
func Checked(fn func(ctx context.Context) error, write func() error) *DB {
	return &DB{Engine: checkedEngine{fn: fn, write: write}}
}

type checkedEngine struct {
	Engine
	fn    func(ctx context.Context) error
	write func() error
}

func (e checkedEngine) writable(ctx context.Context) error { return e.fn(ctx) }

func (e checkedEngine) commit(context.Context, string, ...any) error { return e.write() }

func (e checkedEngine) Write(context.Context, func(context.Context, Querier) error) error {
	return e.write()
}

func init() {
	copyPage = 2
	goneTime = 500 * time.Millisecond
}
