package sqldb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// filesWith returns the files of a SQLite database that contain a text.
func filesWith(t *testing.T, path, text string) (found []string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(path + end)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if n := bytes.Count(content, []byte(text)); n > 0 {
			found = append(found, fmt.Sprintf("%d times in the file addcard.db%s", n, end))
		}
	}
	return found
}

// fillAndDelete adds rows with a marker, changes them and deletes most of them.
func fillAndDelete(t *testing.T, db *sqldb.DB) {
	sqldbtest.Exec(t, db, "create table scrubbed (id bigint primary key, a text not null, b text not null)")
	sqldbtest.Exec(t, db, "create index scrubbed_a on scrubbed (a)")
	for i := range 400 {
		long := strings.Repeat("x", i*37%6000)
		sqldbtest.Exec(t, db, "insert into scrubbed values ($1, $2, $3)", i, fmt.Sprint("marker-", i*7919%400), "marker-b"+long)
	}
	sqldbtest.Exec(t, db, "update scrubbed set a = 'other ' || id where id % 2 = 0")
	sqldbtest.Exec(t, db, "update scrubbed set b = 'short' where id % 3 = 0")
	sqldbtest.Exec(t, db, "delete from scrubbed where id % 5 <> 0")
	sqldbtest.Exec(t, db, "update scrubbed set a = 'x' || id, b = ''")
}

func TestScrub_NoFileHasWhatWasDeleted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	fillAndDelete(t, db)
	if len(filesWith(t, path, "marker")) == 0 {
		t.Error("nothing was stored: the test would not notice that it is kept")
	}
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, found := range filesWith(t, path, "marker") {
		t.Error(found)
	}
}

// Scrubbing changes nothing that is stored, whatever is written meanwhile.
func TestScrub_LeavesEveryRowAsItIs(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	fillAndDelete(t, db)
	want := map[int]string{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 {
			want[i] = strings.Repeat(fmt.Sprint("kept ", i, " "), i*i%700)
			sqldbtest.Exec(t, db, "insert into scrubbed values ($1, $2, '') on conflict (id) do update set a = excluded.a, b = ''", i%97, want[i])
			want[i%97] = want[i]
		}
	})
	for range 10 {
		if err := db.Scrub(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := db.Scrub(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range 97 {
		var got string
		if err := db.Read().QueryRow(t.Context(), "select a from scrubbed where id = $1", i).Scan(&got); got != want[i] || err != nil {
			t.Fatalf("row %d: %d bytes, %v, want %d", i, len(got), err, len(want[i]))
		}
	}
	var ok string
	if err := db.Read().QueryRow(t.Context(), "pragma integrity_check").Scan(&ok); ok != "ok" || err != nil {
		t.Errorf("the file: %s, %v", ok, err)
	}
}

// A reader that needs the old rows does not stop a writer; when it is done, they go.
func TestScrub_WaitsForAReaderAndBlocksNoWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	sqldbtest.Exec(t, db, "create table scrubbed (a text not null)")
	sqldbtest.Exec(t, db, "insert into scrubbed values ('marker'), ('marker')")
	rows, err := db.Read().Query(t.Context(), "select a from scrubbed")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	sqldbtest.Exec(t, db, "delete from scrubbed")
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() { given <- db.Scrub(ctx) }()
	for range 20 {
		sqldbtest.Exec(t, db, "insert into scrubbed values ('x')")
	}
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("with a reader: got %v, want to wait until the context ends", err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, found := range filesWith(t, path, "marker") {
		t.Error(found)
	}
}

// Earlier versions did not overwrite what they deleted.
func TestRewrite_RemovesOnceWhatAnEarlierVersionDeleted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	for _, pragma := range []string{"pragma secure_delete = 0", "pragma user_version = 0"} {
		sqldbtest.Exec(t, db, pragma)
	}
	fillAndDelete(t, db)
	for _, step := range []struct {
		most int64
		kept bool
	}{{1000, true}, {math.MaxInt64, false}} {
		if err := db.Rewrite(t.Context(), step.most); err != nil {
			t.Fatal(err)
		}
		if err := db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := filesWith(t, path, "marker"); (len(found) > 0) != step.kept {
			t.Errorf("up to %d bytes: %v", step.most, found)
		}
	}
	before := modified(t, path)
	if err := db.Rewrite(t.Context(), math.MaxInt64); err != nil || !modified(t, path).Equal(before) {
		t.Errorf("once more: %v, or the file was written again", err)
	}
}

func modified(t *testing.T, path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestScrub_OnPostgreSQLRemovesDeadRows(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		sqldbtest.Exec(t, db, "insert into member (member_id, created_at) values ('m', 1)")
		sqldbtest.Exec(t, db, "delete from member")
		if err := errors.Join(db.Scrub(t.Context()), db.Rewrite(t.Context(), math.MaxInt64)); err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(t.Name(), "/postgres") {
			var bytes int64
			err := db.Read().QueryRow(t.Context(), "select pg_relation_size('member')").Scan(&bytes)
			if bytes != 0 || err != nil {
				t.Errorf("the empty table has %d bytes, %v", bytes, err)
			}
		}
	})
}
