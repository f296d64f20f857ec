package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is the Engine of a PostgreSQL database. Reads and writes have
// separate pools: a transaction may wait for a read, and must not wait for one
// that waits for the transaction.
type postgres struct {
	target   *target
	reader   directQuerier
	writer   *sql.DB
	versions atomic.Int64
	patient  chan struct{} // a place for each transaction that waits for a lock for long
}

const (
	// lockTime is how long a transaction waits for a lock at first, and maxPatient
	// bounds those that wait longer. So the transactions that wait for one card, which
	// an operator's session or a stopped replica has locked, do not have all connections.
	lockTime   = 100 * time.Millisecond
	maxPatient = 2
)

// poolSize bounds each of the two pools of a replica.
var poolSize = max(8, 4*runtime.GOMAXPROCS(0))

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// readOnlyTransaction is the error code of a write on a standby or on a primary that
// was demoted.
const readOnlyTransaction = "25006"

// applicationName is the name of addcard's connections in pg_stat_activity.
const applicationName = "addcard"

// sessionSettings make commits durable regardless of the server's default, and bound
// statements and transactions that a dead client left open.
var sessionSettings = settings{
	"synchronous_commit": "on", "statement_timeout": "15s", "idle_in_transaction_session_timeout": "5s",
}

// with returns the settings with one changed.
func (s settings) with(name, value string) settings {
	changed := maps.Clone(s)
	changed[name] = value
	return changed
}

// local returns the statements that make the settings those of one transaction.
func (s settings) local() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		list = append(list, "set local "+name+" = '"+s[name]+"'")
	}
	return strings.Join(list, "; ")
}

// writeSettings are those of the connections that run transactions.
var writeSettings = sessionSettings.with("lock_timeout", lockTime.String())

func openPostgres(_ context.Context, url string) (Engine, error) {
	t, err := newTarget(url)
	if err != nil {
		return nil, err
	}
	return &postgres{
		target: t, writer: pool(t.open(writeSettings)), reader: directQuerier{pool(t.open(sessionSettings))},
		patient: make(chan struct{}, maxPatient),
	}, nil
}

func pool(db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

// directQuerier is a Querier that lets pgx keep the prepared statements.
type directQuerier struct {
	db interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
}

func (d directQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return d.db.ExecContext(ctx, query, args...)
}

func (d directQuerier) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	return openRows(d.db.QueryContext(ctx, query, args...))
}

func (d directQuerier) QueryRow(ctx context.Context, query string, args ...any) Row {
	return d.db.QueryRowContext(ctx, query, args...)
}

func (p *postgres) Read() Querier { return persistentQuerier{p.reader} }

// persistentQuerier is a Querier whose statements change nothing. They run again while
// the server is away.
type persistentQuerier struct{ directQuerier }

func (q persistentQuerier) Query(ctx context.Context, query string, args ...any) (rows Rows, err error) {
	err = persist(ctx, func() error {
		rows, err = q.directQuerier.Query(ctx, query, args...)
		return err
	})
	return rows, err
}

func (q persistentQuerier) QueryRow(ctx context.Context, query string, args ...any) Row {
	return scanned(func(dest ...any) error {
		return persist(ctx, func() error { return q.directQuerier.QueryRow(ctx, query, args...).Scan(dest...) })
	})
}

// persist runs do again while the server is away, as long as ctx leaves time for it: the
// server has crashed, starts, or another one takes its place. Such an error of do must
// mean that do had no effect.
func persist(ctx context.Context, do func() error) error {
	const first, longest = 20 * time.Millisecond, 250 * time.Millisecond
	for wait := first; ; wait = min(2*wait, longest) {
		err := do()
		if !isAway(err) {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return err
		}
	}
}

func (p *postgres) SkipLocked(table string) string { return " for update of " + table + " skip locked" }

func (p *postgres) RowsPerInsert() int { return 200 }

func (p *postgres) Hold(ctx context.Context, tx Querier, lock int64, alone bool) (bool, error) {
	query := "select pg_advisory_xact_lock_shared($1)"
	if alone {
		query = "select pg_advisory_xact_lock($1)"
	}
	_, err := tx.Exec(ctx, query, lock)
	return alone, err
}

func (p *postgres) Version(context.Context) int64 { return p.versions.Add(1) }

// Write runs a transaction again while the server is away, unless it may be committed.
func (p *postgres) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return persist(ctx, func() error { return p.write(ctx, fn) })
}

// write runs a transaction that has waited for a lock again, as one of few that wait
// for theirs until ctx ends.
func (p *postgres) write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	err := p.repeat(ctx, fn)
	if codeOf(err) != lockNotAvailable {
		return err
	}
	select {
	case p.patient <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for a lock: %w", ctx.Err())
	}
	defer func() { <-p.patient }()
	return p.repeat(ctx, func(ctx context.Context, tx Querier) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = 0"); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// repeat runs a transaction again that conflicted with another: a deadlock, or a row
// that both inserted.
func (p *postgres) repeat(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	const tries = 4
	for try := 1; ; try++ {
		err := p.writeOnce(ctx, fn)
		switch {
		case !isConflict(err):
			return err
		case try == tries:
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		select {
		case <-time.After(rand.N(time.Duration(try) * 20 * time.Millisecond)):
		case <-ctx.Done():
			return fmt.Errorf("wait for the database: %w", ctx.Err())
		}
	}
}

func (p *postgres) writeOnce(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	busy := func(err error) error {
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the database: %w", ctx.Err())
		}
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	conn, err := p.writer.Conn(ctx)
	if err != nil {
		return busy(err)
	}
	defer func() { _ = conn.Close() }() // returns it to the pool
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return busy(err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if p.target.pooler.Load() == poolerFound {
		if _, err := tx.ExecContext(ctx, writeSettings.local()); err != nil {
			return busy(err)
		}
	}
	if err := fn(ctx, directQuerier{tx}); err != nil {
		return err
	}
	err = tx.Commit()
	switch {
	case err == nil && tookUnreplicated(conn):
		return fmt.Errorf("%w: the wait for the standby was cancelled", ErrUnknown)
	case err == nil:
		return nil
	case isRolledBack(err):
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// isRolledBack reports whether the error of a commit says that nothing was committed. An
// error with which a session ends does not: it may end after the commit.
func isRolledBack(err error) bool {
	var refused *pgconn.PgError
	return errors.Is(err, pgx.ErrTxCommitRollback) ||
		errors.As(err, &refused) && !isFatal(refused) && !isAway(err) && refused.Code != completionUnknown
}

// lockNotAvailable is the error code of a statement that has waited for a lock for
// lock_timeout.
const lockNotAvailable = "55P03"

// isConflict reports whether the same transaction may succeed when it is run
// again.
func isConflict(err error) bool {
	switch codeOf(err) {
	case "40001", // serialization_failure
		"40P01": // deadlock_detected
		return true
	}
	return false
}

// codeOf returns the code of an error of the server, or "".
func codeOf(err error) string {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return ""
	}
	return refused.Code
}

// writable asks the server whether it accepts writes. It does not wait for a
// connection that writes: those may all wait for one lock.
func (p *postgres) writable(ctx context.Context) error {
	var readOnly bool
	const query = "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
	if err := p.reader.QueryRow(ctx, query).Scan(&readOnly); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	if readOnly {
		p.reconnect()
		return fmt.Errorf("%w: the server is read-only or a standby", ErrUnavailable)
	}
	return nil
}

// commit does not wait for a connection that writes, either.
func (p *postgres) commit(ctx context.Context, query string, args ...any) error {
	_, err := p.reader.Exec(ctx, query, args...)
	return err
}

// reconnect closes the idle connections: new ones may reach the new primary.
func (p *postgres) reconnect() {
	for _, db := range []*sql.DB{p.writer, p.reader.db.(*sql.DB)} {
		db.SetMaxIdleConns(0)
		db.SetMaxIdleConns(poolSize)
	}
}

func (p *postgres) Close() error {
	return errors.Join(p.writer.Close(), p.reader.db.(*sql.DB).Close())
}
