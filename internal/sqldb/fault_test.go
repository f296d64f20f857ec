package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// awaitReady waits until the database is ready, or is not, as want says.
func awaitReady(t *testing.T, db *sqldb.DB, want bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		err := db.Ready(t.Context())
		if (err == nil) == want {
			if err != nil && !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("not ready: %v", err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("ready is not %v: %v", want, err)
		}
	}
}

func mustBeUnavailable(t *testing.T, db *sqldb.DB) {
	t.Helper()
	errs, _ := writeMany(t.Context(), db, 1, "x")
	if !errors.Is(errs[0], sqldb.ErrUnavailable) {
		t.Errorf("a write: %v", errs[0])
	}
}

// However many probes there are, the database is asked once a second, and not at all
// while it is being asked.
func TestReady_IsCheckedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checks, answer := 0, make(chan error, 1)
		db := sqldb.Checked(func(context.Context) error { checks++; return <-answer }, nil)
		probe := func(want error) {
			t.Helper()
			if err := db.Ready(t.Context()); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		answer <- nil
		for range 100 {
			probe(nil)
		}
		if checks != 1 {
			t.Errorf("%d checks for a hundred probes", checks)
		}
		time.Sleep(time.Second)
		for range 100 {
			go probe(sqldb.ErrUnavailable)
		}
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		go probe(sqldb.ErrUnavailable)
		synctest.Wait()
		answer <- sqldb.ErrUnavailable
		synctest.Wait()
		if checks != 2 {
			t.Errorf("%d checks, want a second one while it is under way", checks)
		}
		answer <- nil
		probe(nil)
	})
}

// A client that leaves does not end the check for the others.
func TestReady_IsCheckedForThoseThatStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		db := sqldb.Checked(func(ctx context.Context) error {
			select {
			case <-answer:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, nil)
		gone, leave := context.WithCancel(t.Context())
		go func() { _ = db.Ready(gone) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(answer)
		if err := db.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// After a write that failed, each check writes, until a write succeeds.
func TestReady_NotUntilAWriteSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		writes, full := 0, true
		db := sqldb.Checked(func(context.Context) error { return nil }, func() error {
			if writes++; full {
				return sqldb.ErrUnavailable
			}
			return nil
		})
		ready := func(want bool) {
			t.Helper()
			time.Sleep(2 * time.Second)
			if err := db.Ready(t.Context()); (err == nil) != want {
				t.Errorf("ready: %v, want %v", err, want)
			}
		}
		ready(true)
		if writes != 0 {
			t.Errorf("%d writes before one failed", writes)
		}
		if err := db.Write(t.Context(), nil); err == nil {
			t.Fatal("the write succeeded")
		}
		for range 3 {
			ready(false)
		}
		full = false
		ready(true)
		before := writes
		ready(true)
		if writes != before {
			t.Errorf("%d writes after one succeeded", writes-before)
		}
	})
}

// Symptom: writes on a primary that was demoted were 500 while /readyz was 200.
func TestReady_NotWhileTheServerIsReadOnly(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	admin, db := sqldbtest.Open(t, url), sqldbtest.Open(t, url)
	awaitReady(t, db, true)
	set := func(value string) {
		t.Helper()
		name := url[strings.LastIndex(url, "/")+1:]
		sqldbtest.Exec(t, admin, fmt.Sprintf("alter database %s set default_transaction_read_only = %s", name, value))
		// The setting is for new connections.
		if _, err := admin.Read().Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
	}
	set("on")
	awaitReady(t, db, false)
	mustBeUnavailable(t, db)
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("a read: %v", err)
	}
	if err := admin.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		if _, err := tx.Exec(ctx, "set transaction read write"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "alter database "+url[strings.LastIndex(url, "/")+1:]+" set default_transaction_read_only = off")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// Nothing ends the connections this time: those that were refused are not used again.
	awaitReady(t, db, true)
	errs, _ := writeMany(t.Context(), db, 1, "y")
	if errs[0] != nil {
		t.Error(errs[0])
	}
}

// lockRow is a transaction that needs the lock of a row.
func lockRow(ctx context.Context, tx sqldb.Querier) error {
	_, err := tx.Exec(ctx, "update revocation set last_seq = last_seq + 1")
	return err
}

// whileLocked calls fn while another session holds the lock of lockRow, and a hundred
// transactions of db wait for it.
func whileLocked(t *testing.T, fn func(db *sqldb.DB)) {
	url := sqldbtest.Postgres(t)
	holder, db := sqldbtest.Open(t, url), sqldbtest.Open(t, url)
	held, done := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	wg.Go(func() {
		err := holder.Write(sqldb.Each(t.Context(), time.Hour), func(ctx context.Context, tx sqldb.Querier) error {
			if err := lockRow(ctx, tx); err != nil {
				return err
			}
			close(held)
			for { // the server would end a transaction that does nothing
				select {
				case <-done:
					return nil
				case <-time.After(time.Second):
				}
				if _, err := tx.Exec(ctx, "select 1"); err != nil {
					return err
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	if err := db.Write(sqldb.Together(t.Context(), time.Second), lockRow); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	for range 100 {
		wg.Go(func() {
			if err := db.Write(sqldb.Each(t.Context(), time.Minute), lockRow); err != nil {
				t.Error(err)
			}
		})
	}
	fn(db)
}

// Symptom: one session that held a row of one card made all replicas unready, because
// the writes that waited for it had all connections.
func TestReady_WhileWritesWaitForALock(t *testing.T) {
	t.Parallel()
	whileLocked(t, func(db *sqldb.DB) { awaitReady(t, db, true) })
}

// A server that commits is ready although all connections that write are in use.
func TestReady_WhileAllConnectionsWrite(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	defer close(done)
	for range 100 {
		wg.Go(func() {
			_ = db.Write(sqldb.Each(t.Context(), time.Minute), func(context.Context, sqldb.Querier) error {
				<-done
				return nil
			})
		})
	}
	var err error
	for !errors.Is(err, sqldb.ErrUnavailable) { // until none is left
		err = db.Write(sqldb.Together(t.Context(), time.Second), lockRow)
		var open int
		const query = "select count(*) from pg_stat_activity where datname = current_database()"
		if err := db.Read().QueryRow(patient(t), query).Scan(&open); err != nil || open > 2*sqldb.PoolSize {
			t.Fatalf("%d connections are open, %v; want at most %d that write and as many that read", open, err, sqldb.PoolSize)
		}
	}
	awaitReady(t, db, true)
}

// Symptom: the same session took all entries, logins and pushes from everybody.
func TestWrite_OneLockedRowLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	whileLocked(t, func(db *sqldb.DB) {
		errs, _ := writeMany(t.Context(), db, 20, "other")
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		err := db.Write(sqldb.Each(t.Context(), limit), lockRow)
		if took := time.Since(began); !errors.Is(err, sqldb.ErrUnavailable) || took > limit+slack {
			t.Errorf("one more that needs the row: %v after %v", err, took)
		}
	})
}

func TestReady_NotWhileTheFileIsFull(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	awaitReady(t, db, true)
	sqldbtest.Exec(t, db, "pragma max_page_count = 1") // SQLite raises it to the current size
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		errs, _ := writeMany(t.Context(), db, 1, fmt.Sprint("m", i))
		err = errs[0]
	}
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Fatal(err)
	}
	awaitReady(t, db, false)
	sqldbtest.Exec(t, db, "pragma max_page_count = 1000000")
	awaitReady(t, db, true)
	if n := countRows(t, db, "write_probe"); n != 0 {
		t.Errorf("%d rows of the probe are left", n)
	}
}

func TestReady_NotWhileAnotherProcessHoldsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	release := holdFile(t, path, "begin immediate")
	began := time.Now()
	awaitReady(t, db, false)
	if took := time.Since(began); took > 2*time.Second+slack {
		t.Errorf("an answer took %v", took)
	}
	release()
	awaitReady(t, db, true)
}

func countRows(t *testing.T, db *sqldb.DB, table string) (n int) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// newFile returns the path of a database with some members, which is closed.
func newFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqldb.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, `with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
			insert into member (member_id, created_at) select 'm' || i, 5 from n`)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func pageOf(t *testing.T, path, name string) (page, size int64) {
	t.Helper()
	db := sqldbtest.Open(t, "sqlite:"+path)
	if err := db.Read().QueryRow(t.Context(), "select rootpage from sqlite_master where name = $1", name).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.Read().QueryRow(t.Context(), "pragma page_size").Scan(&size); err != nil {
		t.Fatal(err)
	}
	return page, size
}

// overwrite puts random bytes into a file.
func overwrite(t *testing.T, path string, offset, n, seed int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(random.Uint32())
	}
	_, err = f.WriteAt(bytes, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A file that is damaged, in whatever place, is found by the check before a start,
// or cannot be opened, and the error says that it is damaged and what to do.
func TestCheckFile_FindsDamage(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"the header", "the schema", "a table", "an index", "a leaf", "the end"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			path := newFile(t)
			root, size := pageOf(t, path, "member")
			index, _ := pageOf(t, path, "sqlite_autoindex_member_1")
			at := map[string][2]int64{
				"the header": {0, 100}, "the schema": {100, 300},
				"a table": {(root - 1) * size, size}, "an index": {(index - 1) * size, size},
				"a leaf": {fileSize(t, path) - 3*size, size}, "the end": {fileSize(t, path) - size, size},
			}[place]
			overwrite(t, path, at[0], at[1], 7)
			db, err := sqldb.Open(t.Context(), "sqlite:"+path)
			if err == nil {
				defer func() { _ = db.Close() }()
				_, err = db.CheckFile(t.Context(), time.Minute)
				found, checkErr := db.Damage(t.Context())
				if len(found) == 0 || checkErr != nil {
					t.Errorf("the full check: %q, %v", found, checkErr)
				}
			}
			if !errors.Is(err, sqldb.ErrDamaged) || !errors.Is(err, sqldb.ErrUnavailable) || !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestCheckFile_IsCutOffInTime(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, "sqlite:"+newFile(t))
	if complete, err := db.CheckFile(t.Context(), time.Nanosecond); complete || err != nil {
		t.Errorf("without time: complete %v, %v", complete, err)
	}
	if complete, err := db.CheckFile(t.Context(), time.Minute); !complete || err != nil {
		t.Errorf("with time: complete %v, %v", complete, err)
	}
	if found, err := db.Damage(t.Context()); len(found) > 0 || err != nil {
		t.Errorf("a sound file: %q, %v", found, err)
	}
}

// Symptom: a damaged page was 500, and the server stayed ready.
func TestReady_NotOnceTheFileIsDamaged(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	root, size := pageOf(t, path, "member")
	overwrite(t, path, (root-1)*size, size, 11)
	db, err := sqldb.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	awaitReady(t, db, true) // nothing has read the page yet
	mustBeUnavailable(t, db)
	awaitReady(t, db, false)
	var n int
	if err := db.Read().QueryRow(t.Context(), "select max(created_at) from member").Scan(&n); !errors.Is(err, sqldb.ErrDamaged) {
		t.Errorf("a read: %v", err)
	}
}

// A list that ends at a damaged page is no list.
func TestAll_OfADamagedTableIsAnError(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	_, size := pageOf(t, path, "member")
	overwrite(t, path, fileSize(t, path)-3*size, 3*size, 13) // some of the last leaves
	db, err := sqldb.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	list, err := sqldb.All(patient(t), db.Read(), "list", sqldb.Text, "select member_id from member not indexed")
	if !errors.Is(err, sqldb.ErrDamaged) || len(list) > 0 {
		t.Errorf("%d rows, %v", len(list), err)
	}
	awaitReady(t, db, false)
}

// A row that refers to one that is missing is found.
func TestDamage_FindsWhatRefersToNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	sqldbtest.Exec(t, db, "insert into member (member_id, created_at) values ('m1', 1)")
	sqldbtest.Exec(t, db, "insert into identity (app_id, openid, member_id, created_at) values ('wx', 'o1', 'm1', 1)")
	if found, err := db.Damage(t.Context()); len(found) > 0 || err != nil {
		t.Errorf("before: %q, %v", found, err)
	}
	if err := exec(t, "file:"+path, "delete from member"); err != nil { // by hand, without foreign keys
		t.Fatal(err)
	}
	found, err := db.Damage(t.Context())
	if len(found) != 1 || !strings.Contains(found[0], "identity refers to a row of member") || err != nil {
		t.Errorf("after: %q, %v", found, err)
	}
}
