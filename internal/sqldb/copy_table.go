package sqldb

import (
	"cmp"
	"context"
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
var filledByMigrations = map[string]bool{"revocation": true, "schema_reader": true, "statistic_progress": true}

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
