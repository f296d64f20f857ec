package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// copyEnd is the source or the target of a copy.
type copyEnd struct {
	db   *sql.DB
	conn *sql.Conn
	copyEngine
}

// copyEngine has what SQLite and PostgreSQL do differently in a copy.
type copyEngine interface {
	// name returns the database's name without user and password.
	name() string
	// columnsSQL lists tables, in order of their names, with their columns: table,
	// column, type and place in the primary key, which is 0 for the others.
	columnsSQL() string
	// referencesSQL lists foreign keys: a table and the one that it references.
	referencesSQL() string
	// alone returns ErrInUse if another program of addcard uses the database.
	alone(ctx context.Context) error
	// freeze keeps others from writing to the tables until the end is closed.
	freeze(ctx context.Context, tables []copyTable) error
	// refuses says why a text cannot be stored, or "".
	refuses(text string) string
	// insert inserts rows in one transaction. No trigger of the schema fires.
	insert(ctx context.Context, t copyTable, rows [][]any) error
	// prepare prepares the database for its use after the copy.
	prepare(ctx context.Context) error
}

// openEnd opens a database for a copy. It creates a missing SQLite file only if it is
// the target.
func openEnd(ctx context.Context, url string, target bool) (*copyEnd, error) {
	if isPostgres(url) {
		return openPostgresEnd(ctx, url)
	}
	return openSQLiteEnd(ctx, strings.TrimPrefix(url, "sqlite:"), target)
}

// close ends the locks. What was committed is on the disk, so an error does not matter.
func (e *copyEnd) close() {
	_ = e.conn.Close()
	_ = e.db.Close()
}

// strings returns all rows of a query of four or fewer columns as texts.
func (e *copyEnd) strings(ctx context.Context, query string) (list [][4]string, err error) {
	rows, err := e.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var row [4]string
		if err := rows.Scan([]any{&row[0], &row[1], &row[2], &row[3]}[:len(columns)]...); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

func (e *copyEnd) number(ctx context.Context, query string) (n int64, err error) {
	err = e.conn.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

func (e *copyEnd) count(ctx context.Context, t copyTable) (int64, error) {
	n, err := e.number(ctx, "select count(*) from "+quoted(t.name))
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", t.name, err)
	}
	return n, nil
}

// keyAt returns the key of the n-th row, or nil for 0.
func (e *copyEnd) keyAt(ctx context.Context, t copyTable, n int64) ([]any, error) {
	if n == 0 {
		return nil, nil
	}
	list := t.list(t.key)
	rows, err := e.read(ctx, t, t.key, fmt.Sprintf("select %s from %s order by %s limit 1 offset %d", list, quoted(t.name), list, n-1))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrDiffers
	}
	return rows[0], nil
}

// page returns rows after the key, which is nil at the beginning.
func (e *copyEnd) page(ctx context.Context, t copyTable, after []any) ([][]any, error) {
	where, key := "", t.list(t.key)
	if after != nil {
		where = fmt.Sprintf(" where (%s) > (%s)", key, placeholders(len(after)))
	}
	query := fmt.Sprintf("select %s from %s%s order by %s limit %d", t.list(t.all()), quoted(t.name), where, key, copyPage)
	return e.read(ctx, t, t.all(), query, after...)
}

// read returns rows of a query of the columns with these indexes, up to copyBytes.
func (e *copyEnd) read(ctx context.Context, t copyTable, columns []int, query string, args ...any) (list [][]any, err error) {
	size := 0
	err = e.each(ctx, t, columns, func(row []any) bool {
		list = append(list, slices.Clone(row))
		for _, value := range row {
			text, _ := value.(string)
			size += len(text)
		}
		return size < copyBytes
	}, query, args...)
	return list, err
}

// each calls fn with each row until it returns false. fn must not keep the slice.
func (e *copyEnd) each(
	ctx context.Context, t copyTable, columns []int, fn func(row []any) bool, query string, args ...any,
) error {
	rows, err := e.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, value := range values {
			if !t.columns[columns[i]].takes(value) {
				return t.rowError(values, columns[i], fmt.Sprintf("is no %s", t.columns[columns[i]].typ))
			}
		}
		if !fn(values) {
			return nil
		}
	}
	return rows.Err()
}

// add inserts rows.
func (e *copyEnd) add(ctx context.Context, t copyTable, rows [][]any) error {
	for _, row := range rows {
		for i, value := range row {
			if text, ok := value.(string); ok {
				if problem := e.refuses(text); problem != "" {
					return t.rowError(row, i, problem)
				}
			}
		}
	}
	return e.insert(ctx, t, rows)
}
