package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/ledger/ledgertest"
	"github.com/addcard/addcard/internal/ledger/sqlstore"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"left join entry e on e.card_id": "the ledger is added up once a day, a thousand cards at a time",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		ledgertest.Run(t, func(t *testing.T) ledgertest.Stores { return stores(open(t)) })
	})
}

// The tables of entries and events may be divided, see docs/scale.md.
func TestStore_OfDividedTables(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Stores { return stores(sqldbtest.Open(t, sqldbtest.Divided(t))) })
}

func stores(db *sqldb.DB) ledgertest.Stores {
	return ledgertest.Stores{Ledger: sqlstore.New(db), Members: membersql.New(db), Outbox: outboxsql.New(db)}
}
