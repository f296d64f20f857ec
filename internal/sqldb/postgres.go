package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// postgres is the Engine of a PostgreSQL database. Reads and writes have
// separate pools: a transaction may wait for a read, and must not wait for one
// that waits for the transaction.
type postgres struct {
	config   *pgx.ConnConfig
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

// keepAlive finds idle connections of which a firewall has dropped the packets
// without an answer.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// keepsConnection reports whether a connection is used again after an error of the
// server. A server that has become read-only is not the primary any more: the next
// connection may reach the new one.
func keepsConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return err.Severity != "FATAL" && err.SeverityUnlocalized != "FATAL" && err.Code != readOnlyTransaction
}

// readOnlyTransaction is the error code of a write on a standby or on a primary that
// was demoted.
const readOnlyTransaction = "25006"

// postgresConfig parses the URL. It makes commits durable regardless of the
// server's default, and bounds statements and transactions that a dead client
// left open.
func postgresConfig(url string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil || c.Database == "" {
		return nil, ErrUnsupported // err would quote the URL
	}
	c.ConnectTimeout = callTime
	c.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	c.OnPgError = keepsConnection
	for name, value := range map[string]string{
		"application_name": "addcard", "timezone": "UTC", "synchronous_commit": "on",
		"statement_timeout": "15s", "idle_in_transaction_session_timeout": "5s",
	} {
		c.RuntimeParams[name] = value
	}
	return c, nil
}

func openPostgres(_ context.Context, url string) (Engine, error) {
	c, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	impatient := c.Copy()
	impatient.RuntimeParams["lock_timeout"] = lockTime.String()
	return &postgres{config: c, writer: connect(impatient), reader: directQuerier{connect(c)}, patient: make(chan struct{}, maxPatient)}, nil
}

func connect(c *pgx.ConnConfig) *sql.DB {
	db := stdlib.OpenDB(*c)
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

func (p *postgres) Read() Querier { return p.reader }

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

// Write runs a transaction that has waited for a lock again, as one of few that wait
// for theirs until ctx ends.
func (p *postgres) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
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
	tx, err := p.writer.BeginTx(ctx, nil)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the database: %w", ctx.Err())
		}
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := fn(ctx, directQuerier{tx}); err != nil {
		return err
	}
	err = tx.Commit()
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused), errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
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

// nowSQL defines for PostgreSQL the function now_ms() that SQLite gets from
// this program. It is STABLE, the time of the statement: otherwise a comparison
// with it would not use an index.
const nowSQL = `create or replace function now_ms() returns bigint language sql stable as
	$$ select (extract(epoch from statement_timestamp()) * 1000)::bigint $$`

// migrate holds a session lock, so that processes migrate one after the other.
func (p *postgres) migrate(ctx context.Context, to int64) (applied int, err error) {
	c := p.config.Copy()
	delete(c.RuntimeParams, "statement_timeout") // a migration may take longer on a large table
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	if err := p.createNow(ctx, db); err != nil {
		return 0, err
	}
	return migrate(ctx, db, to, goose.DialectPostgres, "*_sqlite.sql", goose.WithSessionLocker(locker))
}

// createNow creates now_ms under a lock: two processes that replace a function
// at the same time conflict.
func (p *postgres) createNow(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{"select pg_advisory_xact_lock(7325092514)", nowSQL} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
