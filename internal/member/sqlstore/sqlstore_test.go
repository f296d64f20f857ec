package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/membertest"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"left join entry e on e.card_id":    "the ledger is added up once a day, a thousand cards at a time",
	"count(case when state = 'waiting'": "what waits for WeChat is counted for the metrics: it is little, however many members there are",
	"delete from identity_conflict":     "few identities ever contradict each other, and it is asked when somebody's data is deleted",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		membertest.Run(t, func(t *testing.T) member.Store { return sqlstore.New(open(t)) })
	})
}

// A message whose lease was not committed is nobody's: whoever sent it would
// send it beside another.
func TestTake_whose_commit_fails_takes_nothing(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]struct {
		url    func(t *testing.T) string
		refuse []string
	}{
		"sqlite": {
			func(t *testing.T) string { t.Helper(); return "sqlite:" + t.TempDir() + "/a.db" },
			[]string{
				"create table parent (id bigint primary key)",
				"create table refused (id bigint references parent (id) deferrable initially deferred)",
				"create trigger refuse after update on outbox begin insert into refused values (1); end",
			},
		},
		"postgres": {
			func(t *testing.T) string { t.Helper(); return sqldbtest.Postgres(t) },
			[]string{
				"create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end; $$",
				"create constraint trigger refuse after update on outbox deferrable initially deferred for each row execute function refuse()",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqldbtest.Open(t, e.url(t))
			store := sqlstore.New(db)
			if err := store.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
				return tx.Enqueue(ctx, member.Message{CardID: "c", Code: "1", Kind: "look"})
			}); err != nil {
				t.Fatal(err)
			}
			for _, statement := range e.refuse {
				if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
					_, err := tx.Exec(ctx, statement)
					return err
				}); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			messages, err := store.Take(t.Context(), "lease", time.Minute, 10)
			if err == nil || len(messages) > 0 {
				t.Errorf("got %+v, %v", messages, err)
			}
		})
	}
}
