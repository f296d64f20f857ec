package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/cardsync/cardsynctest"
	"github.com/addcard/addcard/internal/cardsync/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/plan"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, plan.Exceptions{}, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		cardsynctest.Run(t, func(t *testing.T) cardsync.Store { return sqlstore.New(open(t)) })
	})
}
