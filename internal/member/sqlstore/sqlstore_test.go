package sqlstore_test

import (
	"testing"

	"addcard/internal/member"
	"addcard/internal/member/membertest"
	"addcard/internal/member/sqlstore"
	"addcard/internal/sqldb"
	"addcard/internal/sqldb/plantest"
)

// whole are the statements that read a whole table, and why they may.
var whole = plantest.Exceptions{
	"left join entry e on e.card_id":    "the ledger is added up once a day, a thousand cards at a time",
	"count(case when state = 'waiting'": "what waits for WeChat is counted for the metrics: it is little, however many members there are",
	"delete from identity_conflict":     "few identities ever contradict each other, and it is asked when somebody's data is deleted",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plantest.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		membertest.Run(t, func(t *testing.T) member.Store { return sqlstore.New(open(t)) })
	})
}
