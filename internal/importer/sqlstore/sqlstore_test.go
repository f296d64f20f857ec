package sqlstore_test

import (
	"testing"

	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/importer/importertest"
	"github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		importertest.Run(t, func(t *testing.T) (importer.Store, func(string) (string, importer.Counts)) {
			db := open(t)
			return sqlstore.New(db), func(importID string) (state string, c importer.Counts) {
				const query = `select state, lines, waiting, joined, unchanged, refused from import where import_id = $1`
				err := db.Read().QueryRow(t.Context(), query, importID).
					Scan(&state, &c.Lines, &c.Waiting, &c.Joined, &c.Unchanged, &c.Refused)
				if err != nil {
					t.Fatal(err)
				}
				return state, c
			}
		})
	})
}
