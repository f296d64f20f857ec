package sqldb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// copyPage and copyBytes bound the rows that are read and inserted at once. Tests have
// smaller pages.
var copyPage = 5000

const copyBytes = 8 << 20

// notCopied has the tables that are about one database, and why.
var notCopied = map[string]string{
	"goose_db_version": "the target has migrations of its own",
	"unfinished_copy":  "it is about the copy",
}

// filledByMigrations has the tables that are not empty in a new database.
var filledByMigrations = map[string]bool{"revocation": true, "statistic_progress": true}

// copyTable is a table as the schema of a database has it.
type copyTable struct {
	name       string
	columns    []copyColumn
	key        []int    // indexes of the primary key's columns, in its order; all columns if there is none
	references []string // tables of its foreign keys
}

type copyColumn struct{ name, typ string }

// all returns the indexes of all columns.
func (t copyTable) all() (indexes []int) {
	for i := range t.columns {
		indexes = append(indexes, i)
	}
	return indexes
}

// list returns the quoted names of the columns with these indexes.
func (t copyTable) list(indexes []int) string {
	var names []string
	for _, i := range indexes {
		names = append(names, quoted(t.columns[i].name))
	}
	return strings.Join(names, ", ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// placeholders returns $1, $2, … for n values.
func placeholders(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("$%d", i+1))
	}
	return strings.Join(list, ", ")
}

func (t copyTable) keyOf(row []any) (key []any) {
	for _, i := range t.key {
		key = append(key, row[i])
	}
	return key
}

func hasTable(tables []copyTable, name string) bool {
	return slices.ContainsFunc(tables, func(t copyTable) bool { return t.name == name })
}

// difference returns the name of a table that is not the same in both lists, or "".
func difference(a, b []copyTable) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b):
			return a[i].name
		case i >= len(a):
			return b[i].name
		case !reflect.DeepEqual(a[i], b[i]):
			return min(a[i].name, b[i].name)
		}
	}
	return ""
}

// tables lists the tables of the schema, each after those that it references.
func (e *copyEnd) tables(ctx context.Context) (list []copyTable, err error) {
	keys := map[string][][2]int{} // by table: position in the primary key, index of the column
	columns, err := e.strings(ctx, e.columnsSQL())
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	for _, c := range columns {
		table, column, position := c[0], copyColumn{c[1], c[2]}, 0
		if len(list) == 0 || list[len(list)-1].name != table {
			list = append(list, copyTable{name: table})
		}
		t := &list[len(list)-1]
		if _, err := fmt.Sscan(c[3], &position); err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		if position > 0 {
			keys[table] = append(keys[table], [2]int{position, len(t.columns)})
		}
		t.columns = append(t.columns, column)
	}
	references, err := e.strings(ctx, e.referencesSQL())
	if err != nil {
		return nil, fmt.Errorf("list the foreign keys: %w", err)
	}
	for i := range list {
		list[i].setKey(keys[list[i].name])
		for _, r := range references {
			if r[0] == list[i].name {
				list[i].references = append(list[i].references, r[1])
			}
		}
	}
	return inOrder(list), nil
}

func (t *copyTable) setKey(positions [][2]int) {
	slices.SortFunc(positions, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	for _, p := range positions {
		t.key = append(t.key, p[1])
	}
	if len(t.key) == 0 {
		t.key = t.all()
	}
}

// inOrder sorts tables by name, each after those that it references.
func inOrder(list []copyTable) (sorted []copyTable) {
	var visit func(t copyTable)
	visited := map[string]bool{}
	visit = func(t copyTable) {
		if visited[t.name] {
			return
		}
		visited[t.name] = true
		for _, other := range list {
			if slices.Contains(t.references, other.name) {
				visit(other)
			}
		}
		sorted = append(sorted, t)
	}
	for _, t := range list {
		visit(t)
	}
	return sorted
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

// takes reports whether a value has the type of the column. SQLite stores any type.
func (c copyColumn) takes(value any) bool {
	switch value.(type) {
	case nil:
		return true
	case int64:
		return c.typ == "bigint"
	case string:
		return c.typ == "text"
	}
	return false
}

// rowError returns an error about a value, which it does not quote.
func (t copyTable) rowError(row []any, column int, problem string) error {
	where := ""
	if len(row) == len(t.columns) && len(t.key) < len(row) {
		where = fmt.Sprintf(" with the key %q", fmt.Sprint(t.keyOf(row)...))
	}
	return fmt.Errorf("%w: the column %s of the row%s %s", ErrUncopyable, t.columns[column].name, where, problem)
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

// CopySums are the sums of a table's rows. Two tables with the same rows, in any order,
// have the same sums.
type CopySums struct {
	Rows           int64
	Bonus, Balance int64 // of all member cards and of all entries; balance is in fen
	digest         [2]uint64
}

// summed has the columns of which CopySums has the sums.
var summed = map[string][2]string{"entry": {"add_bonus", "add_balance"}, "member_card": {"bonus", "balance"}}

// sums reads all rows.
func (e *copyEnd) sums(ctx context.Context, t copyTable) (sums CopySums, err error) {
	err = e.each(ctx, t, t.all(), func(row []any) bool { sums.add(t, row); return true },
		fmt.Sprintf("select %s from %s", t.list(t.all()), quoted(t.name)))
	return sums, err
}

func (s *CopySums) add(t copyTable, row []any) {
	b, columns := make([]byte, 0, 1024), summed[t.name]
	for i, value := range row {
		switch value := value.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(value))
			switch t.columns[i].name {
			case columns[0]:
				s.Bonus += value
			case columns[1]:
				s.Balance += value
			}
		case string:
			b = append(binary.BigEndian.AppendUint64(append(b, 't'), uint64(len(value))), value...)
		}
	}
	hash := sha256.Sum256(b)
	s.Rows++
	for i := range s.digest {
		s.digest[i] += binary.BigEndian.Uint64(hash[8*i:])
	}
}

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
