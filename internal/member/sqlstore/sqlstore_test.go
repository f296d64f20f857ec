package sqlstore_test

import (
	"testing"

	"addcard/internal/member"
	"addcard/internal/member/membertest"
	"addcard/internal/member/sqlstore"
	"addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	membertest.Run(t, func(t *testing.T) member.Store { return sqlstore.New(sqldbtest.New(t)) })
}
