package sqldb_test

import (
	"context"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// SQL that is run by hand must not change the ledger.
func TestMigrate_MakesTheLedgerAppendOnly(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		sqldbtest.Exec(t, db, `insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance,
			record_bonus, record_balance, notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at)
			values ('e1', 'c1', 'A1', 1, 5, 5, 0, 0, '', '', 1, 1, '', '', '', '', '', '', 1)`)
		for _, query := range []string{"update entry set bonus = 6", "delete from entry"} {
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
				_, err := tx.Exec(ctx, query)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: got %v, want an error", query, err)
			}
		}
		var bonus int64
		if err := db.Read().QueryRow(t.Context(), "select bonus from entry").Scan(&bonus); err != nil || bonus != 5 {
			t.Errorf("the entry: %d, %v", bonus, err)
		}
	})
}

func TestMigrate_MakesTheAuditLogAppendOnly(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		sqldbtest.Exec(t, db, `insert into audit (audit_id, at, actor, role, source, address, action, card_id, code, subject, request_id)
			values ('a', 1, 'owner', '', '', '', '', '', '', '', '')`)
		sqldbtest.Exec(t, db, `insert into audit_outcome (audit_id, ended_at, result, problem, changes) values ('a', 1, 'done', '', '')`)
		for _, query := range []string{
			"update audit set actor = 'Zoe'", "delete from audit", "update audit_outcome set result = 'refused'", "delete from audit_outcome",
		} {
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
				_, err := tx.Exec(ctx, query)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: got %v, want an error", query, err)
			}
		}
	})
}
