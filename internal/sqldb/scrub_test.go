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
	if _, err := db.Migrate(t.Context()); err != nil { // as each start does before
		t.Fatal(err)
	}
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

// A process that was killed after it deleted something has left it in the journal.
func TestMigrate_EmptiesTheJournalOfAProcessThatWasKilled(t *testing.T) {
	t.Parallel()
	path, left := filepath.Join(t.TempDir(), "addcard.db"), filepath.Join(t.TempDir(), "addcard.db")
	db := sqldbtest.Open(t, "sqlite:"+path)
	sqldbtest.Exec(t, db, "create table scrubbed (a text not null)")
	sqldbtest.Exec(t, db, "insert into scrubbed values ('marker')")
	sqldbtest.Exec(t, db, "delete from scrubbed")
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+end, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(filesWith(t, left, "marker")) == 0 {
		t.Error("nothing was left: the test would not notice that it is kept")
	}
	again := sqldbtest.Open(t, "sqlite:"+left)
	for deadline := time.Now().Add(20 * time.Second); len(filesWith(t, left, "marker")) > 0; {
		if time.Now().After(deadline) {
			t.Fatal(filesWith(t, left, "marker"))
		}
		if _, err := again.Migrate(t.Context()); err != nil { // a busy machine may need more than one start
			t.Fatal(err)
		}
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
		personal := []string{ // tables, and values of the columns that have none by default
			"identity (app_id, openid, member_id, created_at) values ('a', 'o', 'm', 1)",
			"member_card (card_id, code, member_id, status, created_at) values ('c', '1', 'm', 'active', 1)",
			"event (dedupe_key, event, card_id, code, openid, happened_at, received_at, fields) values ('k', 'e', 'c', '1', 'o', 1, 1, '')",
			"form (ticket_hash, card_id, code, created_at) values ('t', 'c', '1', 1)",
			"outbox (outbox_id, card_id, code, seq, kind, due_at, created_at) values ('o', 'c', '1', 1, 'k', 1, 1)",
			"ignored_unionid (app_id, openid, unionid, ignored_at) values ('a', 'o', 'u', 1)",
			"identity_conflict (app_id, openid, member_id, other_member_id, created_at) values ('a', 'o', 'm', 'n', 1)",
			"code_proof (member_id, openid, created_at) values ('m', 'o', 1)",
		}
		tables := []string{"member"}
		for _, row := range personal {
			sqldbtest.Exec(t, db, "insert into "+row)
			table, _, _ := strings.Cut(row, " ")
			tables = append(tables, table)
		}
		for i := len(tables) - 1; i >= 0; i-- { // a member after what refers to it
			sqldbtest.Exec(t, db, "delete from "+tables[i])
		}
		if err := errors.Join(db.Scrub(t.Context()), db.Rewrite(t.Context(), math.MaxInt64)); err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(t.Name(), "/postgres") {
			for _, table := range tables {
				var bytes int64
				err := db.Read().QueryRow(t.Context(), "select pg_relation_size('"+table+"')").Scan(&bytes)
				if bytes != 0 || err != nil {
					t.Errorf("the empty table %s has %d bytes, %v", table, bytes, err)
				}
			}
		}
	})
}
