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

	driver3 "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite is the engine of one file.
type sqlite struct {
	path     string
	writer   *sql.DB
	reader   *pool
	group    *committer
	versions *versions
}

func (s *sqlite) Read() Querier            { return s.reader }
func (s *sqlite) SkipLocked(string) string { return "" }
func (s *sqlite) RowsPerInsert() int       { return 1 }

func (s *sqlite) Hold(context.Context, Querier, int64, bool) (bool, error) { return true, nil }

func (s *sqlite) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return s.group.write(ctx, fn)
}

func (s *sqlite) Version(ctx context.Context) int64 { return s.versions.now(ctx) }

func (s *sqlite) Close() error {
	return errors.Join(s.group.close(), s.versions.conn.Close(), s.reader.close(), s.writer.Close())
}

// openSQLite opens one connection that writes and a pool that only reads.
//
// synchronous=FULL is what makes an acknowledged commit survive a power loss:
// in WAL mode NORMAL flushes only at checkpoints.
func openSQLite(ctx context.Context, path string) (Engine, error) {
	registerNow()
	if err := create(path); err != nil {
		return nil, err
	}
	// An entry touches a page in each of many indexes: SQLite's own 2 MB do not hold
	// those of a hundred thousand members.
	writer, err := open(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-32000)")
	if err != nil {
		return nil, err
	}
	conn, err := firstConn(ctx, writer)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, err), writer.Close())
	}
	reader, err := open(path, "query_only(1)", "cache_size(-8000)")
	if err != nil {
		return nil, errors.Join(err, conn.Close(), writer.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0)) + 1 // one watches
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	versions, err := newVersions(ctx, reader)
	if err != nil {
		return nil, errors.Join(err, reader.Close(), conn.Close(), writer.Close())
	}
	return &sqlite{
		path: path, writer: writer, reader: &pool{db: reader}, versions: versions,
		group: newCommitter(conn, func() { versions.count.Add(1) }),
	}, nil
}

// firstConn waits its turn as busy_timeout does not: of two connections that
// make a file a WAL at once, SQLite refuses one without a wait.
func firstConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		conn, err := db.Conn(ctx)
		var failed *driver3.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-time.After(time.Millisecond + rand.N(20*time.Millisecond)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func open(path string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...), "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	return db, nil
}

// create makes the file with mode 0600: it holds openids and the shared
// tickets, and SQLite gives its journal the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return f.Close()
}

// registerNow gives SQLite the now_ms() that PostgreSQL gets from a migration.
var registerNow = sync.OnceFunc(func() {
	driver3.MustRegisterScalarFunction("now_ms", 0, func(*driver3.FunctionContext, []driver.Value) (driver.Value, error) {
		return time.Now().UnixMilli(), nil
	})
})
