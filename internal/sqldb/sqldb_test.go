package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func insertMember(ctx context.Context, tx sqldb.Querier, id string) error {
	_, err := tx.Exec(ctx, "insert into member (member_id, created_at) values ($1, now_ms())", id)
	return err
}

func countMembers(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), "select count(*) from member").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWrite_OneRefusalInABatchUndoesOnlyItsOwnWork(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	refusal := errors.New("refused")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
				if err := insertMember(ctx, tx, fmt.Sprint(i)); err != nil {
					return err
				}
				if i%3 == 0 {
					return refusal
				}
				return nil
			})
			if want := map[bool]error{true: refusal}[i%3 == 0]; !errors.Is(err, want) {
				t.Errorf("write %d: got %v, want %v", i, err, want)
			}
		})
	}
	wg.Wait()
	if got := countMembers(t, db); got != 133 {
		t.Errorf("rows: got %d, want 133", got)
	}
}

func TestWrite_APanicReachesOnlyItsCaller(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			defer func() {
				if r := recover(); (r != nil) != (i == 7) {
					t.Errorf("write %d: recovered %v", i, r)
				}
			}()
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
				if err := insertMember(ctx, tx, fmt.Sprint(i)); err != nil {
					return err
				}
				if i == 7 {
					panic("boom")
				}
				return nil
			})
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := countMembers(t, db); got != 49 {
		t.Errorf("rows: got %d, want 49", got)
	}
}

func TestWrite_ACallerThatLeftHasNoEffect(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, "a") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := countMembers(t, db); got != 0 {
		t.Errorf("rows: got %d, want 0", got)
	}
}

func TestWrite_AfterClose(t *testing.T) {
	t.Parallel()
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(context.Context, sqldb.Querier) error { return nil })
	if !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestRead_CannotWrite(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	if err := insertMember(t.Context(), db.Read(), "a"); err == nil {
		t.Error("the read pool accepted an insert")
	}
}

// A free connection does not help a caller that has left: what it would read must
// not depend on chance.
func TestRead_OfACallerThatHasLeftIsAnError(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 64 {
		var one int
		if err := db.Read().QueryRow(ctx, "select 1").Scan(&one); !errors.Is(err, context.Canceled) {
			t.Fatalf("read %d: got %v, want context.Canceled", i, err)
		}
	}
}

func TestOpen_MakesAFileThatOnlyItsOwnerReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "name with space?&#.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{path, path + "-wal"} {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s: got mode %o, want 600", f, got)
		}
	}
}

func TestOpen_DurabilitySettings(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
			var got string
			if err := tx.QueryRow(ctx, "pragma "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("pragma %s: got %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "sqlite:", "mysql://x", "addcard.db", "postgres://", "postgres://user:cAnArY@host:port/db",
		"postgres://host"} {
		if _, err := sqldb.Open(t.Context(), url); !errors.Is(err, sqldb.ErrUnsupported) {
			t.Errorf("Open(%q): got %v, want ErrUnsupported", url, err)
		}
	}
}

// Symptom: of sixteen processes that were started together on a new file, two
// ended with "database is locked": switching a file to WAL does not wait for a
// lock.
func TestOpen_OfANewFileByManyAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		url := "sqlite:" + filepath.Join(t.TempDir(), "new.db")
		together := make(chan struct{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				<-together
				db, err := sqldb.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		close(together)
		wg.Wait()
	}
}

func TestMigrate_BySeveralAtOnceThenAgain(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { sqldbtest.Open(t, url) })
	}
	wg.Wait()
	db := sqldbtest.Open(t, url)
	if n, err := db.Migrate(t.Context()); n != 0 || err != nil {
		t.Errorf("migrate again: got %d steps, %v", n, err)
	}
}

// A program works on the tables of a newer version unless that says that it does not.
func TestMigrate_OfANewerSchema(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		sqldbtest.Exec(t, db, "insert into goose_db_version (version_id, is_applied) values (99999, '1')")
		if steps, err := db.Migrate(t.Context()); steps != 0 || err != nil {
			t.Errorf("tables that it can read: %d steps, %v", steps, err)
		}
		sqldbtest.Exec(t, db, "update schema_reader set oldest = 99999")
		if _, err := db.Migrate(t.Context()); !errors.Is(err, sqldb.ErrNewerSchema) {
			t.Errorf("others: got %v, want ErrNewerSchema", err)
		}
	})
}

func TestNowMS_IsTheClock(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	var got int64
	before := time.Now().UnixMilli()
	if err := db.Read().QueryRow(t.Context(), "select now_ms()").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if after := time.Now().UnixMilli(); got < before || got > after {
		t.Errorf("now_ms: got %d, want between %d and %d", got, before, after)
	}
}

func TestVersion_TellsOfEveryCommit(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	mine, other := sqldbtest.Open(t, url), sqldbtest.Open(t, url)
	add := func(db *sqldb.DB, id string) {
		t.Helper()
		if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, id) }); err != nil {
			t.Fatal(err)
		}
	}
	before := mine.Version(t.Context())
	add(mine, "a")
	if mine.Version(t.Context()) == before {
		t.Error("our own commit did not change the version at once")
	}
	for deadline := time.Now().Add(time.Second); ; { // wait until the number is stable
		before = mine.Version(t.Context())
		<-time.After(150 * time.Millisecond)
		if mine.Version(t.Context()) == before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the version changes without a commit")
		}
	}
	add(other, "b")
	for deadline := time.Now().Add(5 * time.Second); mine.Version(t.Context()) == before; {
		if time.Now().After(deadline) {
			t.Fatal("a commit of another process never changed the version")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func BenchmarkWrite(b *testing.B) {
	db := sqldbtest.New(b)
	var n sync.Mutex
	i := 0
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			i++
			id := fmt.Sprint("m", i)
			n.Unlock()
			if err := db.Write(
				context.Background(),
				func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, id) },
			); err != nil {
				b.Error(err)
			}
		}
	})
}

// A file that cannot grow is a failure of the database and not of the request.
func TestWrite_AFullDiskIsAFaultOfTheDatabase(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	sqldbtest.Exec(t, db, "pragma max_page_count = 1") // SQLite raises it to the current size
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, fmt.Sprint("m", i)) })
	}
	if err == nil || !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, "insert into nothing values (1)")
		return err
	}); err == nil || errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("a wrong statement: got %v", err)
	}
}

// slowWriter is another replica's way to the database, with something that happens
// before each of its writes.
type slowWriter struct {
	sqldb.Engine
	before func()
}

func (e slowWriter) Write(ctx context.Context, fn func(context.Context, sqldb.Querier) error) error {
	e.before()
	return e.Engine.Write(ctx, fn)
}

func TestStartJob_OfReplicasThatLookAtOnceOneStarts(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(*testing.T) *sqldb.DB) {
		first := open(t)
		second := &sqldb.DB{Engine: slowWriter{first.Engine, func() { // it has looked
			if mine, err := first.StartJob(t.Context(), "job", time.Hour); !mine || err != nil {
				t.Errorf("the first: %v, %v", mine, err)
			}
		}}}
		if mine, err := second.StartJob(t.Context(), "job", time.Hour); mine || err != nil {
			t.Errorf("the second: %v, %v", mine, err)
		}
	})
}
