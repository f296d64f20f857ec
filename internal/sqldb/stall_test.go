package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/postgres"
)

const (
	// limit is a limit that tests wait for, shorter than that of a request.
	limit = 500 * time.Millisecond
	// slack is for a busy machine.
	slack = 10 * time.Second
)

// holdFile takes the write lock of a SQLite file, as another process would, and
// returns a function that gives it back.
func holdFile(t *testing.T, path, begin string) (release func()) {
	t.Helper()
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "rollback")
		if err := errors.Join(err, conn.Close(), other.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// patient returns a context for calls that must succeed on a busy machine.
func patient(t *testing.T) context.Context { t.Helper(); return sqldb.Each(t.Context(), time.Minute) }

// writeMany adds n members at the same time, and returns the errors and the
// longest time of a call.
func writeMany(ctx context.Context, db *sqldb.DB, n int, prefix string) (errs []error, longest time.Duration) {
	errs = make([]error, n)
	var wg sync.WaitGroup
	var took atomic.Int64
	for i := range n {
		wg.Go(func() {
			began := time.Now()
			errs[i] = db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
				return insertMember(ctx, tx, fmt.Sprint(prefix, i))
			})
			for d := int64(time.Since(began)); ; {
				if before := took.Load(); d <= before || took.CompareAndSwap(before, d) {
					return
				}
			}
		})
	}
	wg.Wait()
	return errs, time.Duration(took.Load())
}

// Symptom: writes waited for up to ten seconds for the lock of another process,
// and those behind them for theirs in turn.
func TestSQLite_AFileThatAnotherProcessHoldsIsNotWaitedForLongerThanTheLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	release := holdFile(t, path, "begin immediate")

	var first sync.WaitGroup
	first.Go(func() { // takes its place at the head of the queue, for the limit of a request
		began := time.Now()
		err := db.Write(t.Context(), func(context.Context, sqldb.Querier) error { t.Error("a transaction ran"); return nil })
		if took := time.Since(began); !errors.Is(err, sqldb.ErrUnavailable) || took < 3*time.Second || took > 4*time.Second+slack {
			t.Errorf("without a limit of the caller's: %v after %v", err, took)
		}
	})
	for range 3 { // each finds those before it in the queue
		errs, longest := writeMany(sqldb.Each(t.Context(), limit), db, 300, "a")
		for _, err := range errs {
			if !errors.Is(err, sqldb.ErrUnavailable) {
				t.Fatalf("while the file is held: %v", err)
			}
		}
		if longest > limit+slack {
			t.Errorf("an answer took %v", longest)
		}
	}
	first.Wait()
	release()
	errs, _ := writeMany(patient(t), db, 300, "b")
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n := countMembers(t, db); n != 300 {
		t.Errorf("%d members, want 300", n)
	}
}

// No write fails because a backup holds the file for a moment.
func TestSQLite_AFileThatAnotherProcessGivesBackInTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	release := holdFile(t, path, "begin immediate")

	waits := make(chan error, 1)
	go func() {
		waits <- db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, "a") })
	}()
	// Another caller leaves at its own limit, after several times the driver's wait.
	errs, _ := writeMany(sqldb.Each(t.Context(), 3*sqldb.BusyTimeout), db, 1, "b")
	if !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Errorf("at the caller's limit: %v", errs[0])
	}
	select {
	case err := <-waits:
		t.Fatalf("while the file is held: %v", err)
	default:
	}
	release()
	if err := <-waits; err != nil {
		t.Error(err)
	}
}

// Nothing waits for the file once all callers have left.
func TestSQLite_ClosesWhileAnotherProcessHoldsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqldb.Open(t.Context(), "sqlite:"+path) // closed here, and not when the test ends
	if err == nil {
		_, err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	holdFile(t, path, "begin immediate")
	errs, _ := writeMany(sqldb.Each(t.Context(), limit), db, 1, "a")
	if !errors.Is(errs[0], sqldb.ErrUnavailable) {
		t.Errorf("while the file is held: %v", errs[0])
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// The wait for one of the connections that read is bounded, too.
func TestSQLite_ConnectionsThatOthersUseAreNotWaitedForLongerThanTheLimit(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	ctx := sqldb.Each(t.Context(), limit)
	var held []sqldb.Rows
	for {
		rows, err := db.Read().Query(sqldb.Each(t.Context(), time.Minute), "select version_id from goose_db_version")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, rows)
		if err := db.Ping(ctx); errors.Is(err, sqldb.ErrUnavailable) {
			break
		} else if err != nil || len(held) > 1000 {
			t.Fatalf("%d connections are in use: %v", len(held), err)
		}
	}
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			began := time.Now()
			err := db.Ping(ctx)
			if took := time.Since(began); !errors.Is(err, sqldb.ErrUnavailable) || took > limit+slack {
				t.Errorf("%v after %v", err, took)
			}
			if _, err := sqldb.All(ctx, db.Read(), "list", sqldb.Text, "select 'x'"); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, rows := range held {
		if err := errors.Join(rows.Close(), rows.Close()); err != nil { // a second Close does nothing
			t.Error(err)
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A disk that does not answer holds no caller, and what was written is not written
// again when it answers.
func TestSQLite_ACommitThatDoesNotEndIsUnknown(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	stalled, goOn := make(chan struct{}), make(chan struct{})
	stall := sync.OnceFunc(func() { close(stalled); <-goOn })
	if err := db.OnCommit(stall); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if errs, _ := writeMany(sqldb.Each(t.Context(), limit), db, 1, "committing"); !errors.Is(errs[0], sqldb.ErrUnknown) ||
			!errors.Is(errs[0], sqldb.ErrUnavailable) {
			t.Errorf("the commit does not end: %v", errs[0])
		}
	})
	<-stalled
	wg.Go(func() {
		errs, longest := writeMany(sqldb.Each(t.Context(), limit), db, 600, "waiting") // more than the queue takes
		for _, err := range errs {
			if !errors.Is(err, sqldb.ErrUnavailable) || errors.Is(err, sqldb.ErrUnknown) {
				t.Fatalf("behind it: %v", err)
			}
		}
		if longest > limit+slack {
			t.Errorf("an answer took %v", longest)
		}
	})
	wg.Wait()
	close(goOn)
	errs, _ := writeMany(patient(t), db, 1, "after")
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n := countMembers(t, db); n != 2 {
		t.Errorf("%d members, want 2", n)
	}
}

// A call that repeats its statements has one limit for all of them.
func TestTogether_BoundsTheSumOfAllCalls(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		t.Helper()
		db := open(t)
		ctx := sqldb.Together(t.Context(), limit)
		began := time.Now()
		var err error
		for err == nil && time.Since(began) <= limit+slack {
			if err = db.Ping(ctx); err == nil {
				err = db.Write(ctx, func(context.Context, sqldb.Querier) error { <-time.After(limit / 10); return nil })
			}
		}
		if took := time.Since(began); !errors.Is(err, sqldb.ErrUnavailable) || took < limit/2 || took > limit+slack {
			t.Errorf("%v after %v", err, took)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Symptom: of 300 entries while PostgreSQL's processes were stopped 289 had no answer
// after 35 s.
func TestPostgres_AServerThatIsStoppedHoldsNoCaller(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	db := sqldbtest.Open(t, server.URL("postgres"))
	warm, _ := writeMany(patient(t), db, 50, "before") // opens the connections
	if err := errors.Join(warm...); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	ctx := sqldb.Each(t.Context(), limit)
	for range 3 {
		errs, longest := writeMany(ctx, db, 300, "stopped")
		for _, err := range errs {
			if !errors.Is(err, sqldb.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("while it is stopped: %v", err)
			}
		}
		if longest > limit+slack {
			t.Errorf("an answer took %v", longest)
		}
		began := time.Now()
		if err := db.Ping(ctx); !errors.Is(err, sqldb.ErrUnavailable) || time.Since(began) > limit+slack {
			t.Errorf("ping: %v after %v", err, time.Since(began))
		}
	}
	stacks := make([]byte, 1<<24)
	if n := strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "asyncClose"); n > 100 {
		t.Errorf("%d connections are being closed", n)
	}
	server.Continue(t)
	deadline := time.Now().Add(30 * time.Second)
	for {
		errs, _ := writeMany(patient(t), db, 50, fmt.Sprint("after", time.Now().UnixNano()))
		if err := errors.Join(errs...); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("after it continued: %v", err)
		}
	}
}
