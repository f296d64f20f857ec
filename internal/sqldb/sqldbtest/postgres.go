package sqldbtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/postgres"
)

var shared struct {
	mu       sync.Mutex
	template *postgres.Server // the server that has the template
	divided  *postgres.Server // the server that has the divided template
	count    atomic.Int64
}

// Postgres returns the URL of a new, migrated PostgreSQL database. All tests of
// the binary share the server. The database is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	server := postgres.Shared(t)
	makeTemplate(t, server)
	return temporary(t, server, "addcard_template")
}

// Divided is like Postgres, after docs/scale/partition.sql.
func Divided(t testing.TB) string {
	t.Helper()
	server := postgres.Shared(t)
	makeTemplate(t, server)
	divideTemplate(t, server)
	return temporary(t, server, "addcard_divided")
}

// temporary returns the URL of a copy of the template.
func temporary(t testing.TB, server *postgres.Server, template string) string {
	t.Helper()
	name := copyTemplate(t, server, template)
	t.Cleanup(func() { exec(t, server.URL("postgres"), "drop database "+name+" with (force)") })
	return server.URL(name)
}

func divideTemplate(t testing.TB, server *postgres.Server) {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.divided == server {
		return
	}
	create(t, server, "addcard_divided", "addcard_template")
	exec(t, server.URL("addcard_divided"), Partition(t))
	shared.divided = server
}

// Partition returns the text of docs/scale/partition.sql.
func Partition(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "../../../docs/scale/partition.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var filled struct {
	mu     sync.Mutex
	server *postgres.Server // the server that has db
	db     *sqldb.DB
}

// Filled returns a PostgreSQL database that all tests of the binary share and must
// not change. The first call fills it by fill, which must be the same for all tests.
func Filled(t testing.TB, fill func(db *sqldb.DB)) *sqldb.DB {
	t.Helper()
	server := postgres.Shared(t)
	filled.mu.Lock()
	defer filled.mu.Unlock()
	if filled.server == server {
		return filled.db
	}
	makeTemplate(t, server)
	db, err := sqldb.Open(context.Background(), server.URL(copyTemplate(t, server, "addcard_template")))
	if err != nil {
		t.Fatal(err)
	}
	fill(db)
	filled.server, filled.db = server, db // it ends with the server
	return db
}

// copyTemplate returns the name of a new database, a copy of the template.
func copyTemplate(t testing.TB, server *postgres.Server, template string) string {
	t.Helper()
	name := fmt.Sprintf("t%d", shared.count.Add(1))
	// PostgreSQL refuses to copy a template that is being copied.
	shared.mu.Lock()
	defer shared.mu.Unlock()
	create(t, server, name, template)
	return name
}

// EmptyPostgres is like Postgres, but the database has no tables.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	server := postgres.Shared(t)
	name := fmt.Sprintf("e%d", shared.count.Add(1))
	create(t, server, name, "template0")
	t.Cleanup(func() { exec(t, server.URL("postgres"), "drop database "+name+" with (force)") })
	return server.URL(name)
}

func makeTemplate(t testing.TB, server *postgres.Server) {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.template == server {
		return
	}
	create(t, server, "addcard_template", "template0")
	db, err := sqldb.Open(context.Background(), server.URL("addcard_template"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	shared.template = server
}

// create creates a database as a copy of the files of another one. By default
// PostgreSQL copies through its log, which takes twice as long.
func create(t testing.TB, server *postgres.Server, name, template string) {
	t.Helper()
	exec(t, server.URL("postgres"), "create database "+name+" template "+template+" strategy file_copy")
}

func exec(t testing.TB, url, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Engines runs test on each engine. open returns a new, migrated database on
// each call.
func Engines(t *testing.T, test func(t *testing.T, open func(t *testing.T) *sqldb.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) *sqldb.DB { t.Helper(); return New(t) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) *sqldb.DB { t.Helper(); return Open(t, Postgres(t)) })
	})
}
