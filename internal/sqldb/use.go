package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// A SQLite file says in its application_id whether a program may be using it. If one is,
// or was killed, the journal is beside the file. So a file that is in use and has no
// journal is a copy: of the file without its journal, which lacks the latest commits, or
// one that SQLite has made. Both are an older state of a database that went on.
const (
	unused = 0
	inUse  = 1
)

// execer is a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func setUse(ctx context.Context, e execer, use int) error {
	if _, err := e.ExecContext(ctx, fmt.Sprint("pragma application_id = ", use)); err != nil {
		return fmt.Errorf("record whether the file is in use: %w", err)
	}
	return nil
}

func use(ctx context.Context, db *sql.DB) (use int, err error) {
	if err := db.QueryRowContext(ctx, "pragma application_id").Scan(&use); err != nil {
		return 0, fmt.Errorf("read whether the file is in use: %w", err)
	}
	return use, nil
}

// hasNoJournal reports whether there is a file without a journal.
func hasNoJournal(path string) bool {
	file, err := os.Stat(path)
	if err != nil || file.Size() == 0 {
		return false
	}
	_, err = os.Stat(path + "-wal")
	return errors.Is(err, os.ErrNotExist)
}

// begin records that the file is in use, and marks the database as a copy if it is one.
// The tables must be up to date.
func (s *sqlite) begin(ctx context.Context, db *sql.DB) error {
	was, err := use(ctx, db)
	if err != nil {
		return err
	}
	if was == inUse && s.alone {
		if _, err := db.ExecContext(ctx, markCopySQL, int64(0)); err != nil {
			return fmt.Errorf("mark the copy: %w", err)
		}
	}
	s.alone = false
	if was == inUse {
		return nil
	}
	if err := setUse(ctx, db, inUse); err != nil {
		return err
	}
	s.tryEmptyJournal(ctx) // a copy of the file must show it
	return nil
}

// end records that the file is no longer in use, unless another process uses it. An
// error does not matter: the file then says that it is in use, and has its journal.
func (s *sqlite) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	db, err := open(s.path, 0, "locking_mode(exclusive)", "journal_mode(WAL)", "synchronous(FULL)")
	if err != nil {
		return
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "begin exclusive; commit"); err != nil {
		return
	}
	if was, err := use(ctx, db); err == nil && was == inUse {
		_ = setUse(ctx, db, unused)
	}
}
