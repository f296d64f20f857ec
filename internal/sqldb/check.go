package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrDamaged marks an error that says that the file of a SQLite database is damaged.
// It wraps ErrUnavailable.
var ErrDamaged = fmt.Errorf("%w: its file is damaged; stop the server and restore a backup, as docs/backup.md says", ErrUnavailable)

// CheckFile looks for damage of a SQLite file for at most limit, and reports whether
// it has looked at all of it. It returns ErrDamaged, wrapped, for the first damage.
// PostgreSQL checks its own files.
func (db *DB) CheckFile(ctx context.Context, limit time.Duration) (complete bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := db.examine(limited, "pragma quick_check(1)")
	switch {
	case len(found) > 0:
		return true, fmt.Errorf("%w: %s", ErrDamaged, found[0])
	case errors.Is(err, ErrDamaged):
		return true, err
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return false, nil
	}
	return err == nil, err
}

// Damage returns what is damaged in a SQLite file, up to a hundred things: pages,
// indexes, and references to rows that are missing. It reads the whole file, and is
// limited by ctx alone. PostgreSQL checks its own files.
func (db *DB) Damage(ctx context.Context) (found []string, err error) {
	for _, pragma := range []string{"pragma integrity_check(100)", "pragma foreign_key_check"} {
		more, err := db.examine(ctx, pragma)
		if errors.Is(err, ErrDamaged) {
			more, err = append(more, err.Error()), nil // too damaged for a list
		}
		if err != nil {
			return found, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (p *postgres) examine(context.Context, string) ([]string, error) { return nil, nil }

// examine uses a connection of its own, because it may take long.
func (s *sqlite) examine(ctx context.Context, pragma string) (found []string, err error) {
	db, err := open(s.path, callTime, "query_only(1)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return findings(ctx, db, pragma)
}

// findings returns what a pragma finds that looks for damage.
func findings(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, pragma string,
) (found []string, err error) {
	rows, err := db.QueryContext(ctx, pragma)
	if err != nil {
		return nil, asDamage(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, asDamage(err)
	}
	for rows.Next() {
		text, err := scanFinding(rows, len(columns))
		if err != nil {
			return found, err
		}
		for line := range strings.Lines(text) { // several findings, after a heading in asterisks
			if line = strings.TrimSpace(line); line != "ok" && !strings.HasPrefix(line, "***") {
				found = append(found, line)
			}
		}
	}
	return found, asDamage(rows.Err())
}

// scanFinding reads a row of integrity_check, which is a text, or of
// foreign_key_check: table, rowid, referenced table, number of the constraint.
func scanFinding(rows *sql.Rows, columns int) (text string, err error) {
	if columns == 1 {
		err = rows.Scan(&text)
		return text, err
	}
	var table, parent string
	var row, constraint sql.NullInt64
	err = rows.Scan(&table, &row, &parent, &constraint)
	return fmt.Sprintf("row %d of %s refers to a row of %s that is missing", row.Int64, table, parent), err
}

// asDamage wraps an error that says that the file is damaged by ErrDamaged.
func asDamage(err error) error {
	if damaged(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
