package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/addcard/addcard/internal/sqldb"
)

// postgresProblems returns the nodes of the plan that read a large part of a
// growing table. With enable_seqscan off, the planner uses a sequential scan
// only where there is no index for the condition.
func postgresProblems(ctx context.Context, db *sqldb.DB, query string, args []any) ([]string, error) {
	var chosen planNode
	err := db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		for _, statement := range []string{
			"set local enable_seqscan = off", "set local plan_cache_mode = force_generic_plan", "prepare checked as " + query,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		nulls := strings.TrimSuffix(strings.Repeat("null, ", len(args)), ", ")
		if nulls != "" {
			nulls = "(" + nulls + ")"
		}
		generic, err := explain(ctx, tx, "execute checked"+nulls)
		if err != nil {
			return err
		}
		custom, err := explain(ctx, tx, query, args...)
		if err != nil {
			return err
		}
		// The server chooses in the same way between a plan for these arguments
		// and a generic one.
		if chosen = custom; generic.Cost <= custom.Cost {
			chosen = generic
		}
		_, err = tx.Exec(ctx, "deallocate checked")
		return errors.Join(err, errRollback)
	})
	if !errors.Is(err, errRollback) {
		return nil, err
	}
	return chosen.problems(false), nil
}

var errRollback = errors.New("plan: roll back")

func explain(ctx context.Context, tx sqldb.Querier, query string, args ...any) (planNode, error) {
	var text []byte
	if err := tx.QueryRow(ctx, "explain (format json) "+query, args...).Scan(&text); err != nil {
		return planNode{}, err
	}
	var plans []struct{ Plan planNode }
	err := json.Unmarshal(text, &plans)
	return plans[0].Plan, err
}

type planNode struct {
	Type  string  `json:"Node Type"`
	Table string  `json:"Relation Name"`
	Index string  `json:"Index Name"`
	Cond  string  `json:"Index Cond"`
	Cost  float64 `json:"Total Cost"`
	Plans []planNode
}

// maxCost is the cost of a node that reads a large part of a table. Reading the
// rows of one member by an index costs about 10.
const maxCost = 50

// problems checks the nodes of the plan. A node that returns rows in the order
// in which they are needed reads no more of them than a limit above it.
func (s planNode) problems(limited bool) (found []string) {
	switch s.Type {
	case "Limit":
		limited = true
	case "Sort", "Aggregate", "Hash", "Unique", "Materialize":
		limited = false
	}
	if growingTables[s.Table] && s.Type != "ModifyTable" && (strings.HasPrefix(s.Type, "Seq") || s.Cost > maxCost && !limited) {
		found = append(found, fmt.Sprintf("%s of %s by %s %s, cost %.0f", s.Type, s.Table, s.Index, s.Cond, s.Cost))
	}
	for _, child := range s.Plans {
		found = append(found, child.problems(limited)...)
	}
	return found
}
