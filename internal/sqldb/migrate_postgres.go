package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// nowSQL defines for PostgreSQL the function now_ms() that SQLite gets from
// this program. It is STABLE, the time of the statement: otherwise a comparison
// with it would not use an index.
const nowSQL = `create or replace function now_ms() returns bigint language sql stable as
	$$ select (extract(epoch from statement_timestamp()) * 1000)::bigint $$`

// migrate applies the migrations under a lock, so that processes migrate one after the
// other.
func (p *postgres) migrate(ctx context.Context, to int64) (applied int, err error) {
	unlimited := sessionSettings.with("statement_timeout", "0") // a migration may take longer on a large table
	db := p.target.open(unlimited)
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, unlock, err := lockMigrations(ctx, db)
	if err != nil {
		return 0, err
	}
	defer func() {
		if lost := unlock(); lost != nil {
			err = errors.Join(err, fmt.Errorf("migrate: the lock was lost: %w", lost))
		}
	}()
	if err := p.createNow(ctx, db); err != nil {
		return 0, err
	}
	return migrate(ctx, db, to, goose.DialectPostgres, "*_sqlite.sql")
}

const (
	// migrateWait bounds the wait for another process that migrates.
	migrateWait = "120s"
	// lockPing is how often the transaction that holds the lock runs a statement. The
	// server ends a transaction that runs none for idle_in_transaction_session_timeout.
	lockPing = time.Second
)

// lockMigrations begins a transaction that holds an advisory lock until unlock ends it.
// Unlike a lock of the session, it works through a pooler. The lock ends when the
// connection does, so a process that was killed blocks nothing, and within five seconds
// after its machine has died. The context that it returns ends when the lock is lost.
// The number is that of goose, whose session lock earlier versions hold meanwhile.
func lockMigrations(ctx context.Context, db *sql.DB) (locked context.Context, unlock func() error, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("open the database: %w", err)
	}
	wait := sessionSettings.with("statement_timeout", "0").with("lock_timeout", migrateWait)
	for _, statement := range []string{wait.local(), fmt.Sprintf("select pg_advisory_xact_lock(%d)", lock.DefaultLockID)} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("wait until no other process migrates: %w", err), tx.Rollback())
		}
	}
	locked, cancel := context.WithCancel(ctx)
	lost, stop := make(chan error, 1), make(chan struct{})
	go func() {
		defer cancel()
		lost <- holdOpen(ctx, tx, stop)
	}()
	return locked, func() error {
		close(stop)
		defer func() { _ = tx.Rollback() }() // if it fails, the server ends the transaction
		return <-lost
	}, nil
}

// holdOpen runs a statement now and then until stop is closed. It returns the error with
// which the transaction has ended before.
func holdOpen(ctx context.Context, tx *sql.Tx, stop <-chan struct{}) error {
	for {
		select {
		case <-time.After(lockPing):
		case <-stop:
			return nil
		}
		if _, err := tx.ExecContext(ctx, "select 1"); err != nil {
			return err
		}
	}
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
