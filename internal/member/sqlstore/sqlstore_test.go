package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/membertest"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/plan"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"delete from identity_conflict": "few identities ever contradict each other, and it runs when a member is erased",
}

// patient is a Store whose transactions may take long: the suite runs many at once,
// on a machine that may be busy.
type patient struct{ *sqlstore.Store }

func (p patient) Write(ctx context.Context, fn func(ctx context.Context, tx member.Tx) error) error {
	return p.Store.Write(sqldb.Each(ctx, time.Minute), fn)
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		membertest.Run(t, func(t *testing.T) member.Store { return patient{sqlstore.New(open(t))} })
	})
}
