package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// secureDelete makes SQLite overwrite what is deleted or replaced with zeros. FAST would
// leave it in pages that become free.
const secureDelete = "secure_delete(1)"

// Scrub implements Engine. The first checkpoint makes short work of the usual copies.
// Then come those that SQLite leaves behind when it moves rows between pages, which
// secure_delete does not reach. That reads the whole file.
func (s *sqlite) Scrub(ctx context.Context) error {
	if err := s.emptyJournal(ctx); err != nil {
		return err
	}
	if err := s.cleanPages(ctx); err != nil {
		return err
	}
	return s.emptyJournal(ctx)
}

// emptyJournal moves the journal into the file and truncates it. It waits for readers
// that need it.
func (s *sqlite) emptyJournal(ctx context.Context) error {
	db, err := open(s.path, 50*time.Millisecond) // a checkpoint that waits for readers blocks writers meanwhile
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for {
		var busy, frames, moved int
		err = db.QueryRowContext(ctx, "pragma wal_checkpoint(truncate)").Scan(&busy, &frames, &moved)
		if err == nil && busy == 0 {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("empty the journal: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// tryEmptyJournal empties the journal that a process left which was killed, perhaps
// before it could do so after an erasure.
func (s *sqlite) tryEmptyJournal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_ = s.emptyJournal(ctx) // another process is using it, and will empty it
}

// Scrub implements Engine. A role that does not own the tables skips them.
func (p *postgres) Scrub(ctx context.Context) error {
	// It takes longer on a large table, and pauses as autovacuum does.
	db := p.target.open(sessionSettings.with("statement_timeout", "0").with("vacuum_cost_delay", "2ms"))
	defer func() { _ = db.Close() }()
	_, err := db.ExecContext(ctx, `vacuum (skip_locked) member, identity, member_card, event, form, outbox,
		ignored_unionid, identity_conflict, code_proof`)
	if err != nil {
		return fmt.Errorf("remove dead rows: %w", err)
	}
	return nil
}

// Rewrite implements Engine. PostgreSQL has no such file.
func (p *postgres) Rewrite(context.Context, int64) error { return nil }

// rewritten is the user_version of a file that has been written with secureDelete only.
const rewritten = 1

// Rewrite implements Engine.
func (s *sqlite) Rewrite(ctx context.Context, most int64) (err error) {
	conn, err := open(s.path, busyTimeout, secureDelete)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	done, err := isRewritten(ctx, conn)
	if err != nil || done {
		return err
	}
	if file, err := os.Stat(s.path); err != nil || file.Size() > most {
		return err
	}
	if _, err := conn.ExecContext(ctx, "vacuum"); err != nil {
		return fmt.Errorf("rewrite the database: %w", err)
	}
	return setRewritten(ctx, conn)
}

func isRewritten(ctx context.Context, conn *sql.DB) (bool, error) {
	var version int
	if err := conn.QueryRowContext(ctx, "pragma user_version").Scan(&version); err != nil {
		return false, fmt.Errorf("read the version of the file: %w", err)
	}
	return version >= rewritten, nil
}

func setRewritten(ctx context.Context, conn *sql.DB) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprint("pragma user_version = ", rewritten)); err != nil {
		return fmt.Errorf("set the version of the file: %w", err)
	}
	return nil
}

// markNew marks a file without tables as rewritten.
func markNew(ctx context.Context, conn *sql.DB) error {
	var tables int
	if err := conn.QueryRowContext(ctx, "select count(*) from sqlite_schema").Scan(&tables); err != nil || tables > 0 {
		return err
	}
	return setRewritten(ctx, conn)
}
