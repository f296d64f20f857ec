package sqlstore_test

import (
	"strings"
	"testing"

	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/statistics/sqlstore"
	"github.com/addcard/addcard/internal/statistics/statisticstest"
	"github.com/addcard/addcard/internal/testing/plan"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestMain(m *testing.M) { world.Main(m) }

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"delete from identity_conflict": "the suite erases a member, whose store has the reason",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		statisticstest.Run(t, func(t *testing.T) statisticstest.Stores {
			db := open(t)
			return statisticstest.Stores{
				Statistics: sqlstore.New(db), Members: membersql.New(db), Concurrent: strings.Contains(t.Name(), "/postgres/"),
			}
		})
	})
}
