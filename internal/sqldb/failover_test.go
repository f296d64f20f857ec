package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/postgres"
)

// countOn returns the number of members on one server.
func countOn(t *testing.T, s *postgres.Server) (n int64) {
	t.Helper()
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), "select count(*) from member").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Calls that meet a failover wait for the new primary. A former primary that comes back
// as if nothing had happened gets nothing from a program that runs.
func TestPostgres_WaitsForTheNewPrimaryAndStaysThere(t *testing.T) {
	t.Parallel()
	pair := postgres.NewPair(t, "-c", "fsync=off")
	db := sqldbtest.Open(t, pair.URL("postgres"))
	insert := func(id string) error {
		return db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, id) })
	}
	if err := insert("before"); err != nil {
		t.Fatal(err)
	}
	pair.Primary.Kill()
	type result struct {
		read  int64
		write error
	}
	meanwhile := make(chan result)
	var tried atomic.Bool
	go func() {
		var r result
		r.write = db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
			tried.Store(true)
			return insertMember(ctx, tx, "meanwhile")
		})
		if err := db.Read().QueryRow(patient(t), "select count(*) from member").Scan(&r.read); err != nil {
			t.Error(err)
		}
		meanwhile <- r
	}()
	if err := db.Ready(t.Context()); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("ready without a primary: %v", err)
	}
	if tried.Load() {
		t.Error("a transaction has begun without a primary")
	}
	pair.Promote(t)
	if r := <-meanwhile; r.write != nil || r.read != 2 {
		t.Errorf("during the failover: %d members, %v", r.read, r.write)
	}
	for deadline := time.Now().Add(time.Minute); db.Ready(t.Context()) != nil; <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not ready after the failover")
		}
	}
	former := pair.Standby
	former.Restart(t)                                  // it has no standby to wait for, and accepts writes
	after, _ := writeMany(patient(t), db, 50, "after") // on new connections
	if err := errors.Join(after...); err != nil {
		t.Error(err)
	}
	if n, m := countOn(t, pair.Primary), countOn(t, former); n != 52 || m != 1 {
		t.Errorf("%d members, and %d on the former primary; want 52 and 1", n, m)
	}
}

// A primary whose machine has died neither answers nor refuses. Calls that are under way
// end at their limit, and later ones use the new primary.
func TestPostgres_LeavesAPrimaryThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	pair := postgres.NewPair(t, "-c", "fsync=off")
	db := sqldbtest.Open(t, pair.URL("postgres"))
	before, _ := writeMany(patient(t), db, 20, "before")
	if err := errors.Join(before...); err != nil {
		t.Fatal(err)
	}
	pair.Primary.Pause(t)
	pair.Promote(t)
	began := time.Now()
	for round := 0; ; round++ {
		errs, _ := writeMany(t.Context(), db, 20, fmt.Sprint("after", round, "-"))
		err := errors.Join(errs...)
		if err == nil {
			break
		}
		if !errors.Is(err, sqldb.ErrUnavailable) || time.Since(began) > time.Minute {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	}
	t.Logf("the new primary takes all writes after %v", time.Since(began))
}

// PostgreSQL answers a commit with success although its wait for the standby was
// cancelled.
func TestPostgres_ACommitThatNoStandbyHasIsUnknown(t *testing.T) {
	t.Parallel()
	pair := postgres.NewPair(t, "-c", "fsync=off")
	db := sqldbtest.Open(t, pair.URL("postgres"))
	mustHaveStandby(t, pair)
	pair.Standby.Kill()
	result := make(chan error)
	go func() {
		result <- db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, "a") })
	}()
	const cancel = "select coalesce(bool_or(pg_cancel_backend(pid)), false) from pg_stat_activity where wait_event = 'SyncRep'"
	for cancelled := false; !cancelled; {
		if err := db.Read().QueryRow(patient(t), cancel).Scan(&cancelled); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-result; !errors.Is(err, sqldb.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

// mustHaveStandby asks as a role that may see nothing of the replication but that it is
// there.
func mustHaveStandby(t *testing.T, pair *postgres.Pair) {
	t.Helper()
	for _, statement := range []string{"create role clerk login", "create database clerk owner clerk"} {
		run(t, pair.Primary.URL("postgres"), statement)
	}
	clerk, err := sqldb.Open(t.Context(), strings.Replace(pair.Primary.URL("clerk"), "addcard:secret", "clerk", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = clerk.Close() }()
	if n, synchronous, err := clerk.Servers(t.Context()); n != 2 || !synchronous || err != nil {
		t.Errorf("%d servers, synchronous %v, %v", n, synchronous, err)
	}
}

func TestServers_OfTheURL(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		if n, synchronous, err := open(t).Servers(t.Context()); n != 1 || synchronous || err != nil {
			t.Errorf("%d servers, synchronous %v, %v", n, synchronous, err)
		}
	})
	url := sqldbtest.Postgres(t)
	host := url[strings.Index(url, "@")+1 : strings.LastIndex(url, "/")]
	db := sqldbtest.Open(t, strings.Replace(url, host, host+","+strings.Replace(host, "127.0.0.1", "localhost", 1), 1))
	if n, synchronous, err := db.Servers(t.Context()); n != 2 || synchronous || err != nil {
		t.Errorf("two hosts: %d servers, synchronous %v, %v", n, synchronous, err)
	}
}
