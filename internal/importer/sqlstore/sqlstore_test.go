package sqlstore_test

import (
	"testing"
	"time"

	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/importer/importertest"
	"github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		importertest.Run(t, func(t *testing.T) (importer.Store, func(time.Duration)) {
			db := open(t)
			return sqlstore.New(db), func(d time.Duration) {
				const earlier = `update import set created_at = created_at - $1, lease_until = lease_until - $1,
					ended_at = case when ended_at = 0 then 0 else ended_at - $1 end`
				if _, err := db.Change(t.Context(), "let time pass", earlier, d.Milliseconds()); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}
