package sqlstore_test

import (
	"testing"

	"addcard/internal/member"
	"addcard/internal/member/membertest"
	"addcard/internal/member/sqlstore"
	"addcard/internal/sqldb"
	"addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		membertest.Run(t, func(t *testing.T) member.Store { return sqlstore.New(open(t)) })
	})
}
