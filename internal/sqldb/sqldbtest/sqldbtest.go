// Package sqldbtest gives tests real, migrated databases.
package sqldbtest

import (
	"path/filepath"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
)

// New returns a migrated SQLite database in a temporary folder of t and closes
// it when the test ends.
func New(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, "sqlite:"+filepath.Join(t.TempDir(), "addcard.db"))
}

// Open opens and migrates the database at url and closes it when the test ends.
func Open(t testing.TB, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// Exec runs one statement in a transaction of its own.
func Exec(t testing.TB, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Change(t.Context(), query, query, args...); err != nil {
		t.Fatal(err)
	}
}
