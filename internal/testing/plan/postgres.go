package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/addcard/addcard/internal/sqldb"
)

// postgres returns the steps of the plan that read much of a growing table. The
// planner avoids a scan of a table whatever else costs: one that is left has no
// index to go by.
func postgres(ctx context.Context, db *sqldb.DB, query string, args []any) (bad []string, err error) {
	var chosen step
	err = db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		for _, statement := range []string{"set local enable_seqscan = off", "set local plan_cache_mode = force_generic_plan", "prepare looked_at as " + query} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		nothing := strings.TrimSuffix(strings.Repeat("null, ", len(args)), ", ")
		if nothing != "" {
			nothing = "(" + nothing + ")"
		}
		general, err := plan(ctx, tx, "execute looked_at"+nothing)
		if err != nil {
			return err
		}
		special, err := plan(ctx, tx, query, args...)
		if err != nil {
			return err
		}
		// As the server does: it plans for the arguments at hand while that is
		// worth it.
		if chosen = special; general.Cost <= special.Cost {
			chosen = general
		}
		_, err = tx.Exec(ctx, "deallocate looked_at")
		return errors.Join(err, errUndo)
	})
	if !errors.Is(err, errUndo) {
		return nil, err
	}
	return chosen.bad(false), nil
}

var errUndo = errors.New("nothing is kept")

func plan(ctx context.Context, tx sqldb.Querier, query string, args ...any) (step, error) {
	var text []byte
	if err := tx.QueryRow(ctx, "explain (format json) "+query, args...).Scan(&text); err != nil {
		return step{}, err
	}
	var plans []struct{ Plan step }
	err := json.Unmarshal(text, &plans)
	return plans[0].Plan, err
}

type step struct {
	Type  string  `json:"Node Type"`
	Table string  `json:"Relation Name"`
	Index string  `json:"Index Name"`
	Cond  string  `json:"Index Cond"`
	Cost  float64 `json:"Total Cost"`
	Plans []step
}

// much is what it costs to read a good part of a table; by an index to what one
// member has it is about 10.
const much = 50

// bad looks through the steps. One that gets its rows in the order in which they
// are wanted reads no more than a limit above it lets through.
func (s step) bad(limited bool) (bad []string) {
	switch s.Type {
	case "Limit":
		limited = true
	case "Sort", "Aggregate", "Hash", "Unique", "Materialize":
		limited = false
	}
	if growing[s.Table] && s.Type != "ModifyTable" && (strings.HasPrefix(s.Type, "Seq") || s.Cost > much && !limited) {
		bad = append(bad, fmt.Sprintf("%s of %s by %s %s, cost %.0f", s.Type, s.Table, s.Index, s.Cond, s.Cost))
	}
	for _, below := range s.Plans {
		bad = append(bad, below.bad(limited)...)
	}
	return bad
}
