package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/staff"
	"github.com/addcard/addcard/internal/staff/sqlstore"
	"github.com/addcard/addcard/internal/staff/stafftest"
	"github.com/addcard/addcard/internal/testing/plan"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		stafftest.Run(t, func(t *testing.T) staff.Store { return sqlstore.New(open(t)) })
	})
}
