package plan

import (
	"context"
	"regexp"
	"strings"

	"github.com/addcard/addcard/internal/sqldb"
)

// sqlite returns the steps of the plan that read a growing table as a whole, or
// all of it that has the same card, say.
func sqlite(ctx context.Context, db *sqldb.DB, query string, args []any) (bad []string, err error) {
	rows, err := db.Read().Query(ctx, "explain query plan "+query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	limited := strings.Contains(query, "limit ") && !strings.Contains(strings.Join(steps, "\n"), "TEMP B-TREE FOR ORDER BY")
	names := aliases(query)
	for _, step := range steps {
		what, where, _ := strings.Cut(step, " ")
		name, _, _ := strings.Cut(where, " ")
		if growing[names[name]] && (what == "SCAN" || what == "SEARCH" && !limited && wide(step)) {
			bad = append(bad, step)
		}
	}
	return bad, rows.Err()
}

var named = regexp.MustCompile(`(?i)\b(?:from|join|update|into)\s+(\w+)(?:\s+as)?(?:\s+(\w+))?`)

// aliases maps what a query calls its tables to the tables.
func aliases(query string) map[string]string {
	names := map[string]string{}
	for _, m := range named.FindAllStringSubmatch(query, -1) {
		if growing[m[1]] {
			names[m[1]] = m[1]
			names[m[2]] = m[1]
		}
	}
	return names
}

var (
	constraints = regexp.MustCompile(`(?:INDEX|KEY) ?\w* \((.*)\)`)
	// narrow is a constraint that few rows meet; most rows have the same card,
	// app or state.
	narrow = regexp.MustCompile(`^(\w+)=\?$`)
	shared = map[string]bool{"card_id": true, "app_id": true, "state": true, "status": true, "kind": true, "event": true, "erased_at": true}
)

// wide tells whether an index is searched for something that many rows have, and
// not between two places.
func wide(step string) bool {
	m := constraints.FindStringSubmatch(step)
	if m == nil {
		return true
	}
	for _, c := range strings.Split(m[1], " AND ") {
		if n := narrow.FindStringSubmatch(c); n != nil && !shared[n[1]] {
			return false
		}
	}
	return !strings.Contains(m[1], ">") || !strings.Contains(m[1], "<")
}
