package sqlstore_test

import (
	"testing"

	"addcard/internal/auth"
	"addcard/internal/auth/authtest"
	"addcard/internal/auth/sqlstore"
	"addcard/internal/sqldb"
	"addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		authtest.Run(t, func(t *testing.T) auth.Store { return sqlstore.New(open(t)) })
	})
}
