package sqldb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// schemaFeatures name what the tables, as they are in PostgreSQL's catalog, need of it.
var schemaFeatures = []string{
	`select 'extension ' || extname from pg_extension where extname <> 'plpgsql'`,
	`select distinct 'index ' || m.amname || case when i.indpred is not null then ', partial' else '' end ||
		case when i.indexprs is not null then ', of an expression' else '' end ||
		case when i.indnkeyatts <> i.indnatts then ', with included columns' else '' end
		from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam`,
	`select distinct 'relation ' || c.relkind::text || c.relpersistence::text from pg_class c`,
	`select distinct 'constraint ' || k.contype::text || case when k.condeferrable then ', deferrable' else '' end
		from pg_constraint k join pg_class c on c.oid = k.conrelid`,
	`select distinct 'trigger ' || case when g.tgtype & 2 > 0 then 'before' when g.tgtype & 64 > 0 then 'instead of' else 'after' end ||
		case when g.tgtype & 1 > 0 then ', row' else ', statement' end || case when g.tgtype & 32 > 0 then ', truncate' else '' end ||
		case when g.tgattr <> '' then ', of columns' else '' end || case when g.tgqual is not null then ', when' else '' end
		from pg_trigger g join pg_class c on c.oid = g.tgrelid where not g.tgisinternal`,
	`select distinct 'function ' || l.lanname || ', ' || f.provolatile::text || case when f.prosecdef then ', security definer' else '' end
		from pg_proc f join pg_language l on l.oid = f.prolang where f.pronamespace = 'public'::regnamespace`,
	`select distinct 'column ' || format_type(a.atttypid, a.atttypmod) || case when a.attidentity <> '' then ', identity' else '' end ||
		case when a.attgenerated <> '' then ', generated' else '' end
		from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attnum > 0 and not a.attisdropped and c.relkind = 'r'`,
	`select distinct 'collation ' || o.collname from pg_attribute a join pg_class c on c.oid = a.attrelid
		join pg_collation o on o.oid = a.attcollation where a.attnum > 0`,
	`select distinct 'policy' from pg_policy p join pg_class c on c.oid = p.polrelid`,
	`select 'type ' || t.typtype::text from pg_type t where t.typtype in ('d', 'e', 'r', 'm') and t.typnamespace = 'public'::regnamespace`,
	`select 'event trigger' from pg_event_trigger`,
	`select 'publication' from pg_publication`,
}

// ownTables leaves out PostgreSQL's own relations, and goose's table.
const ownTables = `c.relnamespace = 'public'::regnamespace and c.relname not like 'goose_%'`

// Nothing is used of PostgreSQL that docs/scale.md does not name, which says what other
// engines lack.
func TestFeatures_OfTheSchemaAreDocumented(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	used := map[string]bool{}
	for _, query := range schemaFeatures {
		if strings.Contains(query, "pg_class c") {
			joined, where := " where ", strings.LastIndex(query, " where ")
			if where > strings.LastIndex(query, "pg_class c") {
				joined = " and "
			}
			query += joined + ownTables
		}
		list, err := sqldb.All(patient(t), db.Read(), query, sqldb.Text, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			used[name] = true
		}
	}
	compareDocumented(t, "The schema", used)
}

// compareDocumented compares what is used with the first column of a table in
// docs/scale.md, below its heading.
func compareDocumented(t *testing.T, heading string, used map[string]bool) {
	t.Helper()
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+heading+"\n")
	if !found {
		t.Fatalf("docs/scale.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	documented := map[string]bool{}
	for _, row := range strings.Split(section, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !documented[name] {
			t.Errorf("%q is used and not in docs/scale.md: look up which engines have it, and add it there", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !used[name] {
			t.Errorf("%q is in docs/scale.md and not used", name)
		}
	}
}

// everywhere are the words of SQL that each engine has.
var everywhere = strings.Fields(`all and any as asc between by case check commit constraint cross default delete desc distinct drop else end
	except exists from group having in index inner insert into is join key left like limit not null offset on or order outer primary
	references right select set table then to transaction union unique update using values view when where with begin rollback only read
	isolation level create column add alter if of row each for raise exception declare execute replace after before cast rename trigger
	function returns language return begin coalesce nullif true false both year month day`)

// unreserved are words that only a feature has, although PostgreSQL reserves none of them.
var unreserved = strings.Fields(`conflict skip locked recursive materialized filter over share nowait merge partition listen notify temporary
	unlogged savepoint cascade truncate vacuum copy lock`)

// Statements use no function and no reserved word of PostgreSQL that docs/scale.md does
// not name.
func TestFeatures_OfTheStatementsAreDocumented(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	functions := set(t, db, "select distinct proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace")
	words := set(t, db, "select word from pg_get_keywords() where catcode in ('R', 'T', 'C')")
	for _, w := range unreserved {
		words[w] = true
	}
	used := map[string]bool{}
	for _, text := range statements(t) {
		sql := withoutTexts(text)
		for _, m := range regexp.MustCompile(`([a-z_0-9]+)(\(?)`).FindAllStringSubmatch(sql, -1) {
			if (words[m[1]] || m[2] != "" && functions[m[1]]) && !slices.Contains(everywhere, m[1]) {
				used[m[1]] = true
			}
		}
		for _, operator := range []string{"::", "->", "@>", "[]"} {
			if strings.Contains(sql, operator) {
				used[operator] = true
			}
		}
	}
	compareDocumented(t, "The statements", used)
}

func set(t *testing.T, db *sqldb.DB, query string) map[string]bool {
	t.Helper()
	list, err := sqldb.All(patient(t), db.Read(), query, sqldb.Text, query)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]bool{}
	for _, name := range list {
		members[name] = true
	}
	return members
}

// withoutTexts removes comments and string literals.
func withoutTexts(sql string) string {
	return regexp.MustCompile(`(?m)--.*$|'[^']*'`).ReplaceAllString(sql, "''")
}

var (
	isSQL    = regexp.MustCompile(`\b(select|insert into|update|delete from|with|lock table|vacuum|set local|where|from|join|on conflict|order by|values|update|skip locked|offset|begin)\b`)
	ofSQLite = regexp.MustCompile(`sqlite|sandbox|wirejson`)
)

// statements returns the texts with SQL for PostgreSQL: the migrations, and the string
// literals of the stores and of this package.
func statements(t *testing.T) (texts []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || ofSQLite.MatchString(path) && !strings.Contains(path, "sqlstore"):
			return err
		case strings.HasSuffix(path, ".sql"):
			text, err := os.ReadFile(path)
			up, _, _ := strings.Cut(string(text), "-- +goose Down")
			texts = append(texts, up)
			return err
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") &&
			(strings.Contains(path, "sqlstore/") || filepath.Dir(path) == "../sqldb"):
			list, err := literals(path)
			texts = append(texts, list...)
			return err
		}
		return nil
	})
	if err != nil || len(texts) < 200 {
		t.Fatalf("%d texts, %v", len(texts), err)
	}
	return texts
}

func literals(path string) (texts []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Errorf" || f.Sel.Name == "New") {
				return false // English
			}
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && isSQL.MatchString(text) && !strings.Contains(text, "pragma") {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts, nil
}
