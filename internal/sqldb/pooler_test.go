package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/postgres"
)

// In front of PostgreSQL, PgBouncer lends a session for one transaction. It knows few of
// the settings of a session and no prepared statements.
func TestPooler_OfTransactions(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off", "-c", "synchronous_commit=off")
	url := server.Pooler(t, "transaction", "postgres")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { sqldbtest.Open(t, url) }) // migrates
	}
	wg.Wait()
	db := sqldbtest.Open(t, url)
	err := db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
		for name, want := range map[string]string{
			"synchronous_commit": "on", "statement_timeout": "15s", "idle_in_transaction_session_timeout": "5s", "lock_timeout": "100ms",
		} {
			if got := setting(ctx, t, tx, name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// More transactions than PgBouncer has sessions, so that they share them.
	errs, _ := writeMany(patient(t), db, 200, "m")
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for i := range 50 {
		wg.Go(func() {
			const query = "select count(*) from member where member_id = $1"
			var n int
			if err := db.Read().QueryRow(patient(t), query, fmt.Sprint("m", i)).Scan(&n); err != nil || n != 1 {
				t.Errorf("read: %d, %v", n, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(db.Scrub(patient(t)), db.Ready(patient(t))); err != nil {
		t.Error(err)
	}
	if err := doCopy(t, url, "sqlite:"+filepath.Join(t.TempDir(), "a.db")); !errors.Is(err, sqldb.ErrPooler) || strings.Contains(err.Error(), "secret") {
		t.Errorf("copy: got %v", err)
	}
}

// A pooler of sessions may keep prepared statements, if the URL says so.
func TestPooler_OfSessions(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	for _, mode := range []string{"", "?default_query_exec_mode=cache_statement"} {
		db := sqldbtest.Open(t, server.Pooler(t, "session", "postgres")+mode)
		if err := db.Ping(patient(t)); err != nil {
			t.Error(err)
		}
		var n int
		const prepared = "select count(*) from pg_prepared_statements where statement like '%from pg_prepared_statements%'"
		if err := db.Read().QueryRow(patient(t), prepared).Scan(&n); err != nil || (n > 0) != (mode != "") {
			t.Errorf("%q: %d prepared statements, %v", mode, n, err)
		}
	}
}

// PgBouncer itself says why.
func TestPooler_OfStatementsIsRefused(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	db, err := sqldb.Open(t.Context(), server.Pooler(t, "statement", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Migrate(patient(t)); err == nil || !strings.Contains(err.Error(), "statement pooling") {
		t.Errorf("got %v", err)
	}
}

// What a pooler costs: a transaction of two statements, and a read, by callers that wait
// for each other's connections.
func BenchmarkPooler(b *testing.B) {
	server := postgres.New(b)
	for name, url := range map[string]string{
		"none":         server.URL("postgres"),
		"transactions": server.Pooler(b, "transaction", "postgres"),
		"sessions":     server.Pooler(b, "session", "postgres") + "?default_query_exec_mode=cache_statement",
	} {
		db := sqldbtest.Open(b, url)
		var n atomic.Int64
		b.Run(name+"/write", func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := db.Write(b.Context(), func(ctx context.Context, tx sqldb.Querier) error {
						id := fmt.Sprint(name, n.Add(1))
						if err := insertMember(ctx, tx, id); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "update member set created_at = $1 where member_id = $2", 7, id)
						return err
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
		b.Run(name+"/read", func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var at int64
					err := db.Read().QueryRow(b.Context(), "select max(created_at) from member where member_id = $1", fmt.Sprint(name, 1)).Scan(&at)
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
