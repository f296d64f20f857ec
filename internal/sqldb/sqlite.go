package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"

	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// busyTimeout is how long a statement waits for a lock of another process before
// it fails. Between two waits the committer looks for callers that have left.
const busyTimeout = time.Second

// sqlite is the Engine of a SQLite file.
type sqlite struct {
	path      string
	writer    *sql.DB
	reader    *pooledQuerier
	committer *committer
	versions  *versions
	copyUse   int // the application_id of a copy when it was opened; see begin
}

func (s *sqlite) Read() Querier            { return s.reader }
func (s *sqlite) SkipLocked(string) string { return "" }
func (s *sqlite) RowsPerInsert() int       { return 1 }

func (s *sqlite) Hold(context.Context, Querier, int64, bool) (bool, error) { return true, nil }

func (s *sqlite) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return s.committer.write(ctx, fn)
}

func (s *sqlite) Version(ctx context.Context) int64 { return s.versions.current(ctx) }

func (s *sqlite) Close() error {
	err := errors.Join(s.committer.close(), s.versions.conn.Close(), s.reader.close(), s.writer.Close())
	s.end()
	return err
}

// writable takes and gives back the lock of the writer.
func (s *sqlite) writable(ctx context.Context) error {
	var one int
	if err := s.reader.QueryRow(ctx, "select 1 from goose_db_version limit 1").Scan(&one); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	return s.Write(ctx, func(context.Context, Querier) error { return nil })
}

// commit has no transactions that wait before it: there is one writer.
func (s *sqlite) commit(ctx context.Context, query string, args ...any) error {
	return s.Write(ctx, func(ctx context.Context, tx Querier) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

// openSQLite opens one connection that writes and a pool that only reads.
//
// synchronous=FULL makes a commit survive a power loss: with WAL, NORMAL
// flushes only at checkpoints.
func openSQLite(ctx context.Context, path string) (Engine, error) {
	registerNowMS()
	copyUse := useOfCopy(path)
	if err := createFile(path); err != nil {
		return nil, err
	}
	// An entry changes a page in each of many indexes. The default cache of 2 MB
	// is too small for the indexes of a hundred thousand members.
	writer, err := open(path, busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-32000)", secureDelete)
	if err != nil {
		return nil, err
	}
	conn, err := firstConn(ctx, writer)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, asDamage(err)), writer.Close())
	}
	reader, err := open(path, busyTimeout, "query_only(1)", "cache_size(-8000)")
	if err != nil {
		return nil, errors.Join(err, conn.Close(), writer.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	reader.SetMaxOpenConns(readers + 1) // one is for versions
	reader.SetMaxIdleConns(readers + 1)
	versions, err := newVersions(ctx, reader)
	if err != nil {
		return nil, errors.Join(asDamage(err), reader.Close(), conn.Close(), writer.Close())
	}
	return &sqlite{
		path: path, writer: writer, versions: versions, copyUse: copyUse,
		reader:    &pooledQuerier{preparedQuerier{db: reader}, make(chan struct{}, readers)},
		committer: newCommitter(conn, func() { versions.count.Add(1) }),
	}, nil
}

// firstConn retries where busy_timeout does not apply: when two connections
// switch a file to WAL at the same time, SQLite fails one of them at once.
func firstConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		conn, err := db.Conn(ctx)
		var failed *sqlitedriver.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != sqlitelib.SQLITE_BUSY || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-time.After(time.Millisecond + rand.N(20*time.Millisecond)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open opens the file. Statements wait for the locks of other processes for at
// most wait.
func open(path string, wait time.Duration, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds())}, pragmas...)}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	return db, nil
}

// createFile creates the file with mode 0600: it holds openids and the shared
// credentials. SQLite gives its journal the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return f.Close()
}

// registerNowMS defines for SQLite the function now_ms() that PostgreSQL gets
// from a migration.
var registerNowMS = sync.OnceFunc(func() {
	sqlitedriver.MustRegisterScalarFunction("now_ms", 0, func(*sqlitedriver.FunctionContext, []driver.Value) (driver.Value, error) {
		return time.Now().UnixMilli(), nil
	})
})
