package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/audit/audittest"
	"github.com/addcard/addcard/internal/audit/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/plan"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		audittest.Run(t, func(t *testing.T) audit.Store { return sqlstore.New(open(t)) })
	})
}
