package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/auth/authtest"
	"github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/plan"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(
		t,
		plan.Exceptions{"delete from revoked_session": "it reads the thousand that it deletes"},
		func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
			authtest.Run(t, func(t *testing.T) auth.Store { return sqlstore.New(open(t)) })
		},
	)
}
