package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
	"github.com/addcard/addcard/internal/webhook/sqlstore"
	"github.com/addcard/addcard/internal/webhook/webhooktest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	exceptions := plan.Exceptions{
		"count(*) from webhook_delivery d where": "it counts the deliveries that wait for one endpoint, from an index",
		"due_at - $1":                            "the test lets time pass",
		"ended_at - $1":                          "the test lets time pass",
	}
	plan.Engines(t, exceptions, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		webhooktest.Run(t, func(t *testing.T) webhooktest.World {
			db := open(t)
			return webhooktest.World{
				Store: sqlstore.New(db),
				Tell: func(ctx context.Context, kind, memberID, cardID, code string) error {
					_, err := db.Change(ctx, "tell", `insert into webhook_event (type, member_id, card_id, code, data) values ($1, $2, $3, $4, '{}')`,
						kind, memberID, cardID, code)
					return err
				},
				Pass: func(d time.Duration) { pass(t, db, d) },
			}
		})
	})
}

// pass lets all times that are stored be longer ago.
func pass(t *testing.T, db *sqldb.DB, d time.Duration) {
	t.Helper()
	for _, statement := range []string{
		`update webhook_queue set due_at = due_at - $1`, `update webhook_delivery set ended_at = ended_at - $1 where ended_at > 0`,
		`update webhook set paused_until = paused_until - $1, created_at = created_at - $1`,
	} {
		sqldbtest.Exec(t, db, statement, d.Milliseconds())
	}
}
