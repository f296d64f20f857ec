package plan

import (
	"context"
	"regexp"
	"strings"

	"github.com/addcard/addcard/internal/sqldb"
)

// sqliteProblems returns the steps of the plan that read all rows of a growing
// table, or all rows with a common value, such as those of one card.
func sqliteProblems(ctx context.Context, db *sqldb.DB, query string, args []any) (found []string, err error) {
	steps, err := Steps(ctx, db, query, args...)
	if err != nil {
		return nil, err
	}
	limited := strings.Contains(query, "limit ") && !strings.Contains(strings.Join(steps, "\n"), "TEMP B-TREE FOR ORDER BY")
	names := aliases(query)
	for _, step := range steps {
		what, where, _ := strings.Cut(step, " ")
		name, _, _ := strings.Cut(where, " ")
		if growingTables[names[name]] && (what == "SCAN" || what == "SEARCH" && !limited && isWide(step)) {
			found = append(found, step)
		}
	}
	return found, nil
}

// Steps returns the steps in which SQLite would run a query.
func Steps(ctx context.Context, db *sqldb.DB, query string, args ...any) ([]string, error) {
	return sqldb.All(ctx, db.Read(), "explain a query", func(scan sqldb.Scan) (step string, err error) {
		var id, parent, unused int
		err = scan(&id, &parent, &unused, &step)
		return step, err
	}, "explain query plan "+query, args...)
}

var tableRef = regexp.MustCompile(`(?i)\b(?:from|join|update|into)\s+(\w+)(?:\s+as)?(?:\s+(\w+))?`)

// aliases returns the growing tables of a query by the names that the query
// gives them.
func aliases(query string) map[string]string {
	names := map[string]string{}
	for _, m := range tableRef.FindAllStringSubmatch(query, -1) {
		if growingTables[m[1]] {
			names[m[1]] = m[1]
			names[m[2]] = m[1]
		}
	}
	return names
}

var (
	indexConstraints = regexp.MustCompile(`(?:INDEX|KEY) ?\w* \((.*)\)`)
	// equality is a constraint that few rows meet, unless its column is in
	// unselective: most rows have the same card, app or state.
	equality    = regexp.MustCompile(`^(\w+)=\?$`)
	unselective = map[string]bool{
		"card_id": true, "app_id": true, "state": true, "status": true, "kind": true, "event": true, "erased_at": true,
	}
)

// isWide reports whether an index is searched for a value that many rows have,
// and not for a range with two ends.
func isWide(step string) bool {
	m := indexConstraints.FindStringSubmatch(step)
	if m == nil {
		return true
	}
	for _, c := range strings.Split(m[1], " AND ") {
		if n := equality.FindStringSubmatch(c); n != nil && !unselective[n[1]] {
			return false
		}
	}
	return !strings.Contains(m[1], ">") || !strings.Contains(m[1], "<")
}
