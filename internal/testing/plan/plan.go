// Package plan fails the suite of a store if one of its statements would read
// more rows the more members there are. The statements are not listed: every
// statement that the suite runs is checked.
package plan

import (
	"context"
	"flag"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/seed"
)

// growingTables are the tables that grow with the number of members or with
// their activity.
var growingTables = map[string]bool{
	"member": true, "identity": true, "member_card": true, "entry": true, "event": true, "form": true,
	"outbox": true, "identity_conflict": true, "revoked_session": true, "ignored_unionid": true, "code_proof": true,
	"trail": true, "webhook_queue": true, "webhook_delivery": true,
}

// Exceptions map a part of a statement's text to the reason why it may read a
// whole table.
type Exceptions map[string]string

// Engines runs test like sqldbtest.Engines. Then each engine explains every
// statement that test ran, on a database with thousands of members. The app IDs
// and card IDs are those of the suites.
func Engines(t *testing.T, exceptions Exceptions, test func(t *testing.T, open func(t *testing.T) *sqldb.DB)) {
	t.Helper()
	for name, engine := range map[string]struct {
		open     func(t testing.TB) *sqldb.DB
		filled   func(t *testing.T) *sqldb.DB
		problems func(ctx context.Context, db *sqldb.DB, query string, args []any) ([]string, error)
	}{
		"sqlite": {func(t testing.TB) *sqldb.DB { t.Helper(); return sqldbtest.New(t) }, filledSQLite, sqliteProblems},
		"postgres": {
			func(t testing.TB) *sqldb.DB { t.Helper(); return sqldbtest.Open(t, sqldbtest.Postgres(t)) },
			filledPostgres, postgresProblems,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ran recorder
			t.Run("suite", func(t *testing.T) {
				test(t, func(t *testing.T) *sqldb.DB { t.Helper(); return sqldbtest.Observe(engine.open(t), ran.add) })
			})
			db := engine.filled(t)
			for _, query := range ran.queries {
				problems, err := engine.problems(sqldb.Each(t.Context(), time.Minute), db, query, ran.args[query])
				if err != nil {
					t.Errorf("%v\n%s", err, query)
				}
				if len(problems) > 0 && !exceptions.allows(query) {
					t.Errorf("this statement reads more the more members there are: use an index, or give a reason in "+
						"the exceptions of this test:\n  %s\n%s",
						strings.Join(problems, "\n  "), query)
				}
			}
			if isPart(flag.Lookup("test.run").Value.String()) {
				return
			}
			for part := range exceptions {
				if !strings.Contains(strings.Join(ran.queries, "\n"), part) {
					t.Errorf("no statement contains %q: the exception is unused", part)
				}
			}
		})
	}
}

// isPart reports whether -test.run, as in ^TestStore$/^sqlite$/^suite$/erase, leaves out
// parts of a suite, and so statements that have an exception.
func isPart(run string) bool { return strings.Count(run, "/") > 2 }

func (e Exceptions) allows(query string) bool {
	for part := range e {
		if strings.Contains(query, part) {
			return true
		}
	}
	return false
}

// recorder keeps each statement with the first arguments that it ran with.
type recorder struct {
	mu      sync.Mutex
	queries []string
	args    map[string][]any
}

func (r *recorder) add(query string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.args[query]; seen {
		return
	}
	if r.args == nil {
		r.args = map[string][]any{}
	}
	r.queries, r.args[query] = append(r.queries, query), args
}

func filledSQLite(t *testing.T) *sqldb.DB {
	t.Helper()
	db := sqldbtest.New(t)
	fill(t, db, 100)
	return db
}

// filledPostgres has so many members that its planner prefers an index to a scan.
func filledPostgres(t *testing.T) *sqldb.DB {
	t.Helper()
	return sqldbtest.Filled(t, func(db *sqldb.DB) { fill(t, db, 5000) })
}

func fill(t *testing.T, db *sqldb.DB, members int) {
	t.Helper()
	options := seed.Options{Members: members, Entries: 3 * members, CardID: "c1", MiniProgram: "wxapp", Official: "wxofficial"}
	err := seed.Fill(t.Context(), db, options)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(sqldb.Each(t.Context(), time.Minute), func(ctx context.Context, tx sqldb.Querier) error {
		for _, statement := range []string{
			`insert into outbox (outbox_id, card_id, code, seq, kind, due_at, created_at)
				select 'o' || code, card_id, code, 1, 'entry', created_at, created_at from member_card`,
			`insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
				select app_id, openid, member_id, 'x' || member_id, created_at from identity`,
			`insert into ignored_unionid (app_id, openid, unionid, ignored_at)
				select app_id, openid, 'x' || openid, created_at from identity`,
			`insert into code_proof (member_id, openid, created_at) select member_id, openid, created_at from identity`,
			`insert into trail (trail_id, member_id, card_id, code, kind, at)
				select 't' || code, member_id, card_id, code, 'card_ext', created_at from member_card`,
			`insert into webhook_queue (webhook_id, queue, due_at) select 'w', member_id, created_at from member`,
			`insert into webhook_delivery (webhook_id, queue, event_id, type, member_id, card_id, code, data, happened_at)
				select 'w', member_id, 'e' || code, 'card.claimed', member_id, card_id, code, '{}', created_at from member_card`,
			`update webhook_delivery set state = 'done', ended_at = happened_at where seq % 2 = 0`,
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
