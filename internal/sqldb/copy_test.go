package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// copies runs test for each pair of engines, with the URLs of a filled database and of
// one without tables.
func copies(t *testing.T, test func(t *testing.T, from, to string)) {
	t.Helper()
	pairs(t, true, test)
}

// moves is like copies, but only for pairs of different engines.
func moves(t *testing.T, test func(t *testing.T, from, to string)) {
	t.Helper()
	pairs(t, false, test)
}

func pairs(t *testing.T, same bool, test func(t *testing.T, from, to string)) {
	t.Helper()
	t.Parallel()
	sources := map[string]func(t *testing.T) string{
		"sqlite":   newSQLite,
		"postgres": func(t *testing.T) string { return sqldbtest.Postgres(t) },
	}
	targets := map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "b.db") },
		"postgres": func(t *testing.T) string { return sqldbtest.EmptyPostgres(t) },
	}
	for from, source := range sources {
		for to, target := range targets {
			if from == to && !same {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				url := source(t)
				fill(t, url)
				test(t, url, target(t))
			})
		}
	}
}

func newSQLite(t *testing.T) string { t.Helper(); return "sqlite:" + sqldbtest.File(t) }

// connect opens a database without package sqldb.
func connect(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", "file:"+path
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// run runs statements and closes the database.
func run(t *testing.T, url string, statements ...string) {
	t.Helper()
	db := connect(t, url)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// texts returns the rows of a query of texts.
func texts(t *testing.T, db *sql.DB, query string) (list [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = fmt.Sprint(v)
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// tablesOf returns the names of all tables but those that are about the database.
func tablesOf(t *testing.T, url string) (names []string) {
	t.Helper()
	db := connect(t, url)
	defer func() { _ = db.Close() }()
	query := `select tablename from pg_tables where schemaname = 'public' order by 1`
	if strings.HasPrefix(url, "sqlite:") {
		query = `select name from sqlite_schema where type = 'table' and name not like 'sqlite%' order by 1`
	}
	for _, row := range texts(t, db, query) {
		if row[0] != "goose_db_version" && row[0] != "unfinished_copy" {
			names = append(names, row[0])
		}
	}
	return names
}

// dump returns all rows of all tables, sorted.
func dump(t *testing.T, url string) (lines []string) {
	t.Helper()
	tables := tablesOf(t, url)
	db := connect(t, url)
	defer func() { _ = db.Close() }()
	for _, table := range tables {
		for _, row := range texts(t, db, "select * from "+table) {
			lines = append(lines, fmt.Sprintf("%s %q", table, row))
		}
	}
	slices.Sort(lines)
	return lines
}

const filledRows = 7

// fill adds rows to each table of a migrated database, with values that are hard to
// copy.
func fill(t *testing.T, url string) {
	t.Helper()
	schema := connect(t, newSQLite(t))
	oneOf, positive := regexp.MustCompile(`(\w+) in \('(\w+)'`), regexp.MustCompile(`(\w+) >= 0`)
	db := connect(t, url)
	for _, table := range slices.Insert(tablesOf(t, url), 0, "member") {
		create := texts(t, schema, "select sql from sqlite_schema where type = 'table' and name = '"+table+"'")[0][0]
		fixed := map[string]any{}
		for _, m := range oneOf.FindAllStringSubmatch(create, -1) {
			fixed[m[1]] = m[2]
		}
		for _, m := range positive.FindAllStringSubmatch(create, -1) {
			fixed[m[1]] = int64(math.MaxInt64)
		}
		columns := texts(t, schema, "select name, type from pragma_table_info('"+table+"')")
		for i := range filledRows {
			var names, places []string
			var values []any
			for n, c := range columns {
				names, places = append(names, `"`+c[0]+`"`), append(places, fmt.Sprintf("$%d", n+1))
				values = append(values, valueOf(table, c[0], c[1], i, fixed[c[0]]))
			}
			query := fmt.Sprintf("insert into %s (%s) values (%s) on conflict do nothing", // members are there, and what triggers add
				table, strings.Join(names, ", "), strings.Join(places, ", "))
			if _, err := db.ExecContext(t.Context(), query, values...); err != nil {
				t.Fatalf("fill %s: %v", table, err)
			}
		}
	}
	if err := errors.Join(db.Close(), schema.Close()); err != nil {
		t.Fatal(err)
	}
}

// valueOf returns a value of the i-th row.
func valueOf(table, column, typ string, i int, fixed any) any {
	switch {
	case fixed != nil:
		return fixed
	case strings.EqualFold(typ, "integer") || typ == "bigint":
		return []int64{math.MaxInt64, math.MinInt64, 0, -1, math.MaxInt64 - 1, 1 << 53, 7}[i]
	case column == "member_id":
		return fmt.Sprint("m", i)
	}
	name := table + "." + column
	return []string{name, "", name + " 会员卡😀", name + `'"\` + "\r\n\t\x01", strings.Repeat(name, 300), name + " ", "A" + name}[i]
}

func doCopy(t *testing.T, from, to string) error {
	t.Helper()
	_, err := sqldb.Copy(t.Context(), from, to, func(sqldb.CopyStep) {})
	return err
}

func TestCopy_HasEveryRowOfEveryTable(t *testing.T) {
	copies(t, func(t *testing.T, from, to string) {
		before := dump(t, from)
		last := map[string]sqldb.CopyStep{}
		copied, err := sqldb.Copy(t.Context(), from, to, func(s sqldb.CopyStep) { last[s.Table] = s })
		if err != nil {
			t.Fatal(err)
		}
		if got := dump(t, to); !slices.Equal(got, before) {
			t.Errorf("the copy differs:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
		}
		if after := dump(t, from); !slices.Equal(after, before) {
			t.Error("the source has changed")
		}
		var names []string
		for _, c := range copied {
			names = append(names, c.Name)
			if s := last[c.Name]; c.Rows < filledRows || s.Done != c.Rows || s.Total != c.Rows || !s.Comparing {
				t.Errorf("%s: %d rows, last step %+v", c.Name, c.Rows, s)
			}
		}
		slices.Sort(names)
		if want := tablesOf(t, to); !slices.Equal(names, want) || len(names) < 30 {
			t.Errorf("copied %q, the schema has %q", names, want)
		}
		if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrNotEmpty) {
			t.Errorf("copied again: %v", err)
		}
	})
}

// The triggers of the target are those of the schema, and fire.
func TestCopy_LeavesTriggersOn(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		if err := doCopy(t, from, to); err != nil {
			t.Fatal(err)
		}
		fresh, query := newSQLite(t), "select name, sql from sqlite_schema where type = 'trigger' order by 1"
		if strings.HasPrefix(to, "postgres") {
			fresh = sqldbtest.Postgres(t)
			query = "select tgname::text, pg_get_triggerdef(oid), tgenabled::text from pg_trigger where not tgisinternal order by 1"
		}
		got, want := fmt.Sprint(texts(t, connect(t, to), query)), fmt.Sprint(texts(t, connect(t, fresh), query))
		if got != want || len(want) < 100 {
			t.Errorf("triggers:\n%s\nwant\n%s", got, want)
		}
		db := sqldbtest.Open(t, to)
		if _, err := db.Change(t.Context(), "change an entry", "update entry set bonus = 6"); err == nil {
			t.Error("an entry can be changed")
		}
		sqldbtest.Exec(t, db, "delete from uncounted_card")
		sqldbtest.Exec(t, db, "update member_card set status = 'deleted'")
		var n int64
		if err := db.Read().QueryRow(t.Context(), "select count(*) from uncounted_card").Scan(&n); err != nil || n != filledRows {
			t.Errorf("%d changes of %d cards are counted, %v", n, filledRows, err)
		}
	})
}

// What the database numbers goes on after the numbers that were copied.
func TestCopy_GoesOnNumbering(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{
		newSQLite(t): sqldbtest.EmptyPostgres(t), sqldbtest.Postgres(t): "sqlite:" + filepath.Join(t.TempDir(), "b.db"),
	} {
		const tell = "insert into webhook_event (type, member_id, card_id, code, data) values ('card.claimed', 'm1', 'c1', '1', '{}')"
		run(t, from, `insert into webhook (webhook_id, url, description, enabled, secret, created_at) values ('w', '', '', 1, '', 1)`,
			"insert into webhook_subscription (type, webhook_id) values ('*', 'w')", tell, tell, tell)
		if err := doCopy(t, from, to); err != nil {
			t.Fatal(err)
		}
		target := sqldbtest.Open(t, to)
		sqldbtest.Exec(t, target, tell)
		var rows, newest int64
		err := target.Read().QueryRow(t.Context(), "select count(*), max(seq) from webhook_delivery").Scan(&rows, &newest)
		if err != nil || rows != 4 || newest != 4 {
			t.Errorf("%d rows, the newest is %d, %v", rows, newest, err)
		}
	}
}

// A copy that is interrupted after each page goes on, and adds nothing twice. No server
// starts on it until it is done.
func TestCopy_GoesOnWhereItWasInterrupted(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		const most = 12 // pages in a run
		for run, comparing := 0, false; !comparing; run++ {
			ctx, cancel := context.WithCancel(t.Context())
			steps := 0
			_, err := sqldb.Copy(ctx, from, to, func(s sqldb.CopyStep) {
				if steps++; steps > run%most {
					cancel()
				}
				comparing = s.Comparing
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("run %d: %v", run, err)
			}
			if steps > run%most+1 {
				t.Fatalf("run %d: %d steps after the interruption", run, steps)
			}
			if run%16 == 0 || comparing {
				mustBeUnfinished(t, to)
			}
		}
		if err := doCopy(t, from, to); err != nil {
			t.Fatal(err)
		}
		if got, want := dump(t, to), dump(t, from); !slices.Equal(got, want) {
			t.Errorf("the copy differs:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if _, err := sqldbtest.Open(t, to).Migrate(t.Context()); err != nil {
			t.Errorf("a server does not start: %v", err)
		}
	})
}

func mustBeUnfinished(t *testing.T, url string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); !errors.Is(err, sqldb.ErrUnfinished) {
		t.Errorf("a server starts on an unfinished copy: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// interrupt begins a copy and leaves it unfinished.
func interrupt(t *testing.T, from, to string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := sqldb.Copy(ctx, from, to, func(s sqldb.CopyStep) {
		if s.Table == "member_card" {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the copy was not interrupted: %v", err)
	}
}
