package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3/lock"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// holding begins a transaction that has run the statement, and returns a function that
// ends it.
func holding(t *testing.T, url, statement string) (end func()) {
	t.Helper()
	db := connect(t, url)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"begin", statement} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return func() { _ = conn.Close(); _ = db.Close() }
}

// waitFor waits until the query, which is run outside of any transaction, returns true.
func waitFor(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		var got sql.NullBool
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got.Bool {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", query)
		}
	}
}

const (
	advisory = "select bool_or(%s) from pg_locks where locktype = 'advisory' and %s and database = " +
		"(select oid from pg_database where datname = current_database())"
	blocked = "select bool_or(wait_event_type = 'Lock' and wait_event = 'relation') from pg_stat_activity where datname = current_database()"
)

// During an upgrade an earlier version may migrate, with goose's lock of the session.
func TestMigrate_WaitsForAnEarlierVersion(t *testing.T) {
	t.Parallel()
	url := sqldbtest.EmptyPostgres(t)
	end := holding(t, url, fmt.Sprintf("select pg_advisory_lock(%d)", lock.DefaultLockID))
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	migrated := make(chan error)
	go func() { _, err := db.Migrate(t.Context()); migrated <- err }()
	waitFor(t, connect(t, url), fmt.Sprintf(advisory, "true", "not granted"))
	select {
	case err := <-migrated:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	end()
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}

// A process that has lost the lock, as in a failover, stops: another one may migrate.
func TestMigrate_EndsWithItsLock(t *testing.T) {
	t.Parallel()
	url := sqldbtest.EmptyPostgres(t)
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.MigrateTo(t.Context(), 21); err != nil {
		t.Fatal(err)
	}
	end := holding(t, url, "lock table entry in access exclusive mode") // which version 22 alters
	migrated := make(chan error, 1)
	go func() { _, err := db.Migrate(context.WithoutCancel(t.Context())); migrated <- err }()
	other := connect(t, url)
	waitFor(t, other, blocked)
	waitFor(t, other, fmt.Sprintf(advisory, "pg_terminate_backend(pid)", "granted"))
	select {
	case err := <-migrated:
		if err == nil || !strings.Contains(err.Error(), "the lock was lost") {
			t.Errorf("got %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on")
	}
	end()
	if n, err := db.Migrate(t.Context()); n == 0 || err != nil {
		t.Errorf("again: %d steps, %v", n, err)
	}
}
