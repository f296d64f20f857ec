package plan_test

import (
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

// The checks must find the statements that read too much.
func TestProblems_FindWhatGrowsWithTheNumberOfMembers(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *sqldb.DB{
		"sqlite":   func(t *testing.T) *sqldb.DB { t.Helper(); return sqldbtest.New(t) },
		"postgres": func(t *testing.T) *sqldb.DB { t.Helper(); return sqldbtest.Open(t, sqldbtest.Postgres(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			plan.Fill(t, db, 3000)
			for _, tt := range []struct {
				query string
				args  []any
				grows bool
			}{
				{"select status from member_card where card_id = $1 and code = $2", []any{"c1", "A1"}, false},
				{"select code from member_card where member_id = $1", []any{"m1"}, false},
				{"select code from member_card where check_at <= $1 and status in ('issued', 'claimed', 'active', 'deleted') order by check_at limit 5", []any{5}, false},
				{"select name from schedule", nil, false},
				{"update member_card set bonus = 0 where card_id = $1 and code = $2", []any{"c1", "A1"}, false},
				{"delete from identity where openid = $1", []any{"o1"}, false},
				{"select count(*) from member", nil, true},
				{"select code from member_card where outer_str = $1", []any{"table1"}, true},
				{"select code from member_card where card_id = $1", []any{"c1"}, true},
				{"select code from member_card where card_id = $1 and outer_str = $2", []any{"c1", "table1"}, true},
				{"select e.seq from member_card c join entry e on e.card_id = c.card_id where c.code = $1", []any{"A1"}, true},
				{"update member_card set bonus = 0 where bonus > $1", []any{5}, true},
				{"delete from identity where unionid like $1", []any{"u%"}, true},
			} {
				problems, err := plan.Problems[name](t.Context(), db, tt.query, tt.args)
				if err != nil || len(problems) > 0 != tt.grows {
					t.Errorf("%s: got %q, %v, want problems: %v", tt.query, problems, err, tt.grows)
				}
			}
		})
	}
}
