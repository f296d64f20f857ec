package sqlstore_test

import (
	"testing"

	"addcard/internal/auth"
	"addcard/internal/auth/authtest"
	"addcard/internal/auth/sqlstore"
	"addcard/internal/sqldb"
	"addcard/internal/sqldb/plantest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plantest.Engines(t, plantest.Exceptions{"delete from revoked_session": "it reads the thousand that it deletes"}, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		authtest.Run(t, func(t *testing.T) auth.Store { return sqlstore.New(open(t)) })
	})
}
