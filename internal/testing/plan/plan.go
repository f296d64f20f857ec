// Package plan fails the suite of a store when one of the statements that it
// runs would read more the more members there are. Nobody lists the statements:
// what the suite runs is what is looked at.
package plan

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/seed"
)

// growing are the tables that have the more rows the more members there are, or
// the more goes on among them.
var growing = map[string]bool{
	"member": true, "identity": true, "member_card": true, "entry": true, "event": true, "form": true,
	"outbox": true, "identity_conflict": true, "revoked_session": true,
}

// Exceptions say why a statement may read a whole table, by a part of its text.
type Exceptions map[string]string

// Engines runs test as sqldbtest.Engines does, and then has each engine plan
// every statement that it ran, on a database with thousands of members. App IDs
// and card IDs are those of the suites.
func Engines(t *testing.T, but Exceptions, test func(t *testing.T, open func(t *testing.T) *sqldb.DB)) {
	t.Helper()
	for name, engine := range map[string]struct {
		open    func(t testing.TB) *sqldb.DB
		members int // enough for its planner to see the difference between some and all
		bad     func(ctx context.Context, db *sqldb.DB, query string, args []any) ([]string, error)
	}{
		"sqlite":   {func(t testing.TB) *sqldb.DB { t.Helper(); return sqldbtest.New(t) }, 100, sqlite},
		"postgres": {func(t testing.TB) *sqldb.DB { t.Helper(); return sqldbtest.Open(t, sqldbtest.Postgres(t)) }, 5000, postgres},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ran record
			t.Run("suite", func(t *testing.T) {
				test(t, func(t *testing.T) *sqldb.DB { t.Helper(); return sqldbtest.Observe(engine.open(t), ran.see) })
			})
			db := engine.open(t)
			fill(t, db, engine.members)
			for _, query := range ran.order {
				bad, err := engine.bad(t.Context(), db, query, ran.args[query])
				if err != nil {
					t.Errorf("%v\n%s", err, query)
				}
				if len(bad) > 0 && !but.allow(query) {
					t.Errorf("with the number of members grows what this reads:\n  %s\n%s", strings.Join(bad, "\n  "), query)
				}
			}
			for part := range but {
				if !strings.Contains(strings.Join(ran.order, "\n"), part) {
					t.Errorf("no statement has %q: the exception is of no use", part)
				}
			}
		})
	}
}

func (e Exceptions) allow(query string) bool {
	for part := range e {
		if strings.Contains(query, part) {
			return true
		}
	}
	return false
}

// record keeps each statement with the first arguments that it ran with.
type record struct {
	mu    sync.Mutex
	order []string
	args  map[string][]any
}

func (r *record) see(query string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.args[query]; seen {
		return
	}
	if r.args == nil {
		r.args = map[string][]any{}
	}
	r.order, r.args[query] = append(r.order, query), args
}

func fill(t *testing.T, db *sqldb.DB, members int) {
	t.Helper()
	err := seed.Fill(t.Context(), db, seed.Options{Members: members, Entries: 3 * members, CardID: "c1", MiniProgram: "wxapp", Official: "wxofficial"})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		for _, statement := range []string{
			`insert into outbox (outbox_id, card_id, code, seq, kind, due_at, created_at)
				select 'o' || code, card_id, code, 1, 'entry', created_at, created_at from member_card`,
			`insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
				select app_id, openid, member_id, 'x' || member_id, created_at from identity`,
			`insert into revoked_session (seq, jti, expires_at) select created_at, member_id, created_at from member`,
			`analyze`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
