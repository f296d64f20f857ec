package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A SQLite file says in its application_id whether a program may be using it: anything
// but unused says so. If a program is, or was killed, the journal is beside the file. So a
// file that is in use and has no journal is a copy: of the file without its journal, which
// lacks the latest commits, or one that SQLite has made. Both are an older state of a
// database that went on. Of several programs that open a copy at once, the first exchanges
// inUse and inUseToo, so that the others see that it was marked.
const (
	unused   = 0
	inUse    = 1
	inUseToo = 2
)

// What the header of a file has, says "The SQLite Database File Format".
const (
	headerMagic   = "SQLite format 3\x00"
	headerUse     = 68 // where the application_id is, in four bytes
	headerUseEnds = 72
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

func useIn(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (use int, err error) {
	if err := q.QueryRowContext(ctx, "pragma application_id").Scan(&use); err != nil {
		return 0, fmt.Errorf("read whether the file is in use: %w", err)
	}
	return use, nil
}

// useOfCopy returns the application_id of a copy, or unused for any other file. It must be
// called before the file is opened, which makes a journal. While another program opens or
// closes the file, the header changes before the journal comes and goes, or after it: so
// the header is read twice.
func useOfCopy(path string) int {
	before := headerUseOf(path)
	_, err := os.Stat(path + "-wal")
	if before == unused || !errors.Is(err, os.ErrNotExist) || headerUseOf(path) != before {
		return unused
	}
	return before
}

// headerUseOf returns what the header of a file says, or unused if it is no database.
func headerUseOf(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return unused
	}
	defer func() { _ = f.Close() }()
	var header [headerUseEnds]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:len(headerMagic)]) != headerMagic {
		return unused
	}
	return int(binary.BigEndian.Uint32(header[headerUse:]))
}

// begin records that the file is in use, and marks the database as a copy if it is one.
// The tables must be up to date.
func (s *sqlite) begin(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("record that the file is in use: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	was, err := useIn(ctx, tx)
	if err != nil {
		return err
	}
	switch was {
	case unused:
		err = setUse(ctx, tx, inUse)
	case s.copyUse:
		if _, err = tx.ExecContext(ctx, markCopySQL, int64(0)); err == nil {
			err = setUse(ctx, tx, inUse+inUseToo-was)
		}
	default:
		return nil // another process uses it, or was killed
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("record that the file is in use: %w", err)
	}
	s.copyUse = unused
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
	if was, err := useIn(ctx, db); err == nil && was != unused {
		_ = setUse(ctx, db, unused)
	}
}
