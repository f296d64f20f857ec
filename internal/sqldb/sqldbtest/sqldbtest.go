// Package sqldbtest gives tests real, migrated databases.
package sqldbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
)

// New returns a migrated SQLite database in a temporary folder of t and closes
// it when the test ends.
func New(t testing.TB) *sqldb.DB {
	t.Helper()
	return Open(t, "sqlite:"+File(t))
}

// File returns the path of a new, migrated SQLite database in a temporary folder of t.
func File(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "addcard.db")
	empty, err := migrated()
	if err == nil {
		err = os.WriteFile(path, empty, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// migrated returns the file of an empty database after all migrations, which take
// longer than most tests.
var migrated = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "addcard")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "addcard.db")
	db, err := sqldb.Open(context.Background(), "sqlite:"+path)
	if err != nil {
		return nil, err
	}
	_, err = db.Migrate(context.Background())
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

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
