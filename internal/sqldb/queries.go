package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Queries runs the statements of a store: on a transaction, or on the read pool.
// Its errors say what was being done. It is as safe for concurrent use as its
// Querier is.
type Queries struct {
	Querier
	DB *DB
}

// Change runs a statement and reports whether it changed a row.
func (q Queries) Change(ctx context.Context, what, query string, args ...any) (bool, error) {
	res, err := q.Exec(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Run runs a statement that may change any number of rows.
func (q Queries) Run(ctx context.Context, what, query string, args ...any) error {
	_, err := q.Change(ctx, what, query, args...)
	return err
}

// Any reports whether a statement that counts rows counts at least one.
func (q Queries) Any(ctx context.Context, what, query string, args ...any) (bool, error) {
	var n int64
	if err := q.QueryRow(ctx, query, args...).Scan(&n); err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return n > 0, nil
}

// Change runs one statement in a transaction of its own, and reports whether it
// changed a row.
func (db *DB) Change(ctx context.Context, what, query string, args ...any) (changed bool, err error) {
	err = db.Write(ctx, func(ctx context.Context, tx Querier) error {
		changed, err = Queries{tx, db}.Change(ctx, what, query, args...)
		return err
	})
	return changed && err == nil, err
}

// Try runs, in a transaction of its own, one statement that returns a number if
// its condition holds and no row otherwise, and reports whether it held.
func (db *DB) Try(ctx context.Context, what, query string, args ...any) (held bool, err error) {
	err = db.Write(ctx, func(ctx context.Context, tx Querier) error {
		var n int64
		err := tx.QueryRow(ctx, query, args...).Scan(&n)
		if held = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return held, nil
}

// Scan reads the columns of one row into dest, as [sql.Rows.Scan] does.
type Scan func(dest ...any) error

// All runs a query and returns what scan makes of each row.
func All[T any](ctx context.Context, q Querier, what string, scan func(Scan) (T, error), query string, args ...any) ([]T, error) {
	list, err := all(ctx, q, scan, query, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return list, nil
}

func all[T any](ctx context.Context, q Querier, scan func(Scan) (T, error), query string, args []any) (list []T, err error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// One returns notFound for the error of a query that found no row, and wraps any
// other error with what was being done.
func One(what string, err, notFound error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return notFound
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Text scans a column of text.
func Text(scan Scan) (s string, err error) {
	err = scan(&s)
	return s, err
}

// Time is a time as the database keeps it: Unix milliseconds, 0 for the zero
// time. A *time.Time converts to *Time.
type Time time.Time

// Scan implements [sql.Scanner].
func (t *Time) Scan(src any) error {
	ms, ok := src.(int64)
	if !ok {
		return fmt.Errorf("sqldb: a time is a %T, not milliseconds", src)
	}
	*t = Time{}
	if ms != 0 {
		*t = Time(time.UnixMilli(ms).UTC())
	}
	return nil
}

// Value implements [driver.Valuer].
func (t Time) Value() (driver.Value, error) {
	if time.Time(t).IsZero() {
		return int64(0), nil
	}
	return time.Time(t).UnixMilli(), nil
}

// Bool is a bool as the database keeps it: 1 or 0. A *bool converts to *Bool.
type Bool bool

// Scan implements [sql.Scanner].
func (b *Bool) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("sqldb: a bool is a %T, not 1 or 0", src)
	}
	*b = n != 0
	return nil
}

// Value implements [driver.Valuer].
func (b Bool) Value() (driver.Value, error) {
	if b {
		return int64(1), nil
	}
	return int64(0), nil
}

// Field is a column, and a pointer to the variable that it is read into and
// written from. A field that is only written may have a value instead.
type Field struct {
	Column  string
	Pointer any
}

// Col returns a Field.
func Col(column string, pointer any) Field { return Field{column, pointer} }

// Fields are the fields of one row, in the order in which a store reads and writes
// them.
type Fields []Field

// Pointers returns the pointers, for a Scan or as arguments of a statement.
func (f Fields) Pointers() []any {
	list := make([]any, len(f))
	for i, field := range f {
		list[i] = field.Pointer
	}
	return list
}

// Columns returns the names of the columns.
func (f Fields) Columns() Columns {
	list := make(Columns, len(f))
	for i, field := range f {
		list[i] = field.Column
	}
	return list
}

// Columns are the names of columns in the order in which a store reads and
// writes their values.
type Columns []string

// List is the columns, separated by commas, each after the prefix.
func (c Columns) List(prefix string) string { return prefix + strings.Join(c, ", "+prefix) }

// Values is a placeholder for each column, from $first on.
func (c Columns) Values(first int) string {
	list := make([]string, len(c))
	for i := range c {
		list[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(list, ", ")
}

// Set assigns a placeholder to each column, from $first on.
func (c Columns) Set(first int) string {
	list := make([]string, len(c))
	for i, name := range c {
		list[i] = name + " = $" + strconv.Itoa(first+i)
	}
	return strings.Join(list, ", ")
}
