package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/outbox/outboxtest"
	"github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"count(case when state = 'waiting'":            "the outbox is counted for the metrics and the operator: it is short, however many members there are",
	"select count(*) from outbox where state = $6": "a retry of many messages counts them once, as it will read each of them",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		outboxtest.Run(t, func(t *testing.T) outbox.Store { return sqlstore.New(open(t)) })
	})
}

// A message is not leased if its lease was not committed: a sender that handled it
// would send it beside another sender.
func TestLease_CommitFailsLeasesNothing(t *testing.T) {
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
			if err := store.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error {
				return tx.Enqueue(ctx, outbox.Message{CardID: "c", Code: "1", Kind: "look"})
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
			messages, err := store.Lease(t.Context(), "lease", time.Minute, 10)
			if err == nil || len(messages) > 0 {
				t.Errorf("got %+v, %v", messages, err)
			}
		})
	}
}
