package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/recovery/recoverytest"
	"github.com/addcard/addcard/internal/recovery/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/plan"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"update outbox set started":                 "once, when a recovery begins",
	"update card set read_at":                   "once, when a recovery begins",
	"delete from staff_key":                     "once, when a recovery begins",
	"select state, count(*) from recovery_card": "server recover status and finish",
	"update recovery_card set state = 'left'":   "once, when a recovery ends",
	"update member_card set modified":           "once, when a recovery ends",
	"delete from recovery_card":                 "once, when a database is marked",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		recoverytest.Run(t, func(t *testing.T) recoverytest.Database {
			db := open(t)
			return recoverytest.Database{
				Store: sqlstore.New(db, "official"),
				AddCard: func(t *testing.T, code string, issued bool) {
					status, known := "active", 1
					if issued {
						status, known = "issued", 0
					}
					change(t, db, `insert into member (member_id, created_at) values ('m ' || $1, 1)`, code)
					change(t, db, `insert into member_card (card_id, code, ledger, member_id, status, face_known, created_at, issued_at)
						values ('c1', $1, $1, 'm ' || $1, $2, $3, now_ms(), now_ms())`, code, status, known)
				},
				AddWallet: func(t *testing.T, openID string) {
					change(t, db, `insert into member (member_id, created_at) values ('m ' || $1, 1)`, openID)
					change(t, db, `insert into identity (app_id, openid, member_id, created_at) values ('official', $1, 'm ' || $1, 1)`, openID)
				},
				Face: func(t *testing.T, code string) (bonus int64) {
					err := db.Read().QueryRow(t.Context(),
						`select case when face_at > 0 then face_bonus else 0 end from member_card where code = $1 and card_id = 'c1'`, code).Scan(&bonus)
					if err != nil {
						t.Fatal(err)
					}
					return bonus
				},
			}
		})
	})
}

func change(t *testing.T, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Change(t.Context(), "prepare", query, args...); err != nil {
		t.Fatal(err)
	}
}
