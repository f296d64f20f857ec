package sqldb_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// A copy from SQLite to PostgreSQL moves every table, column by column.
func TestColumns_AreThoseOfTheOtherEngine(t *testing.T) {
	t.Parallel()
	// SQLite counts only a column of the type integer by itself, which has 64 bits.
	sqlite := columnsOf(t, sqldbtest.New(t), `select m.name, p.name, case lower(p.type) when 'integer' then 'bigint' else p.type end, p."notnull"
		from sqlite_schema m
		join pragma_table_info(m.name) p where m.type = 'table' and m.name not like 'sqlite_%' order by m.name, p.cid`)
	postgres := columnsOf(t, sqldbtest.Open(t, sqldbtest.Postgres(t)), `select c.table_name, c.column_name, c.data_type,
		case c.is_nullable when 'NO' then 1 else 0 end from information_schema.columns c
		join information_schema.tables b on b.table_schema = c.table_schema and b.table_name = c.table_name
		where c.table_schema = 'public' and b.table_type = 'BASE TABLE' order by c.table_name collate "C", c.ordinal_position`)
	if len(sqlite) < 100 {
		t.Fatalf("SQLite has only %d columns", len(sqlite))
	}
	for i := range max(len(sqlite), len(postgres)) {
		// Only the first difference is reported: what follows it is shifted.
		if i == len(sqlite) || i == len(postgres) || sqlite[i] != postgres[i] {
			t.Fatalf("the engines' columns differ, in name, order, type or not null, from the %dth on:\n  SQLite:     %q\n  PostgreSQL: %q",
				i+1, sqlite[i:min(i+3, len(sqlite))], postgres[i:min(i+3, len(postgres))])
		}
	}
}

// columnsOf returns the columns that the query lists, in its order: table, name,
// type family, and whether they are not null. It leaves out goose's table, which no
// copy moves.
func columnsOf(t *testing.T, db *sqldb.DB, query string) []string {
	t.Helper()
	columns, err := sqldb.All(t.Context(), db.Read(), "list columns", func(scan sqldb.Scan) (string, error) {
		var table, name, typ string
		var notNull int64
		err := scan(&table, &name, &typ, &notNull)
		column := table + "." + name + " " + strings.ToLower(typ)
		if notNull == 1 {
			column += " not null"
		}
		return column, err
	}, query)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(columns, func(c string) bool { return strings.HasPrefix(c, "goose_db_version.") })
}
