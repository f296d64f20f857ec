package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func quietly(string) {}

// backUp makes a backup of the database at url, in a file of its own.
func backUp(t *testing.T, url string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "backup.db")
	if _, err := sqldb.Backup(t.Context(), url, file, quietly); err != nil {
		t.Fatal(err)
	}
	return file
}

// serving opens a database as a server does.
func serving(t *testing.T, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func count(t *testing.T, db *sqldb.DB, query string) (n int64) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	membersSQL = `select count(*) from member`
	marksSQL   = `select count(*) from recovery where ended_at = 0`
)

func addMember(ctx context.Context, db *sqldb.DB, id string) error {
	_, err := db.Change(ctx, "add a member", `insert into member (member_id, created_at) values ($1, 1)`, id)
	return err
}

// While members are added, each backup has all that were acknowledged before it began,
// and none that were added after it ended.
func TestBackup_OfADatabaseInUseIsWhole(t *testing.T) {
	t.Parallel()
	url := newSQLite(t)
	db := serving(t, url)
	var acknowledged atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if addMember(ctx, db, fmt.Sprint(w, " ", n)) == nil {
					acknowledged.Add(1)
				}
			}
		})
	}
	type copied struct {
		file          string
		before, after int64
	}
	var copies []copied
	for range 5 {
		before := acknowledged.Load()
		file := backUp(t, url)
		copies = append(copies, copied{file, before, acknowledged.Load() + 4})
	}
	cancel()
	writers.Wait()
	for _, c := range copies {
		target := "sqlite:" + filepath.Join(t.TempDir(), "restored.db")
		r, err := sqldb.Restore(t.Context(), c.file, target, quietly)
		if err != nil || !r.Summed || r.Replaced != "" || time.Since(r.CopiedAt).Abs() > time.Hour {
			t.Fatalf("restore: %+v, %v", r, err)
		}
		restored := serving(t, target)
		if n := count(t, restored, membersSQL); n < c.before || n > c.after {
			t.Errorf("the backup has %d members; %d were acknowledged before it and %d after", n, c.before, c.after)
		}
		if count(t, restored, marksSQL) != 1 {
			t.Error("the restored database is not marked as a copy")
		}
		if damage, err := restored.Damage(t.Context()); len(damage) > 0 || err != nil {
			t.Errorf("damage: %v, %v", damage, err)
		}
	}
	if acknowledged.Load() == 0 || count(t, db, marksSQL) != 0 {
		t.Errorf("%d members were added; the source has %d marks", acknowledged.Load(), count(t, db, marksSQL))
	}
}

func TestBackup_HasEveryTableAndIsPrivate(t *testing.T) {
	t.Parallel()
	url := newSQLite(t)
	fill(t, url)
	file := backUp(t, url)
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode of the file: %v, %v", info.Mode(), err)
	}
	target := "sqlite:" + filepath.Join(t.TempDir(), "restored.db")
	r, err := sqldb.Restore(t.Context(), file, target, quietly)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range r.Tables {
		if table.Rows == 0 {
			t.Errorf("the table %s is empty", table.Name)
		}
	}
	left, err := filepath.Glob(filepath.Dir(file) + "/*")
	if err != nil || len(left) != 1 {
		t.Errorf("beside the backup there are %v, %v", left, err)
	}
}

func TestBackup_RefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	url := newSQLite(t)
	serving(t, url)
	there := backUp(t, url)
	before := fileText(t, there)
	if _, err := sqldb.Backup(t.Context(), url, there, quietly); !errors.Is(err, os.ErrExist) || fileText(t, there) != before {
		t.Errorf("over a file that exists: %v", err)
	}
	missing := "sqlite:" + filepath.Join(t.TempDir(), "missing.db")
	for name, tt := range map[string]struct {
		url  string
		want error
	}{
		"PostgreSQL":          {"postgres://me@127.0.0.1:1/db", sqldb.ErrNoBackup},
		"no database":         {missing, os.ErrNotExist},
		"an empty file":       {"sqlite:" + write(t, ""), sqldb.ErrUncopyable},
		"not a database":      {"sqlite:" + write(t, strings.Repeat("no database ", 1000)), sqldb.ErrDamaged},
		"no database of ours": {"sqlite:" + foreign(t), sqldb.ErrUncopyable},
	} {
		file := filepath.Join(t.TempDir(), "backup.db")
		if _, err := sqldb.Backup(t.Context(), tt.url, file, quietly); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if left, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(left) > 0 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(missing, "sqlite:")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has made the missing database: %v", err)
	}
}

// foreign returns a SQLite file that is not addcard's.
func foreign(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	run(t, "sqlite:"+path, `create table t (a integer)`)
	return path
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file.db")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A file that is refused changes nothing.
func TestRestore_RefusesABadFile(t *testing.T) {
	t.Parallel()
	source := newSQLite(t)
	fill(t, source)
	good := backUp(t, source)
	text := fileText(t, good)
	changed := func(statement string) string {
		path := write(t, text)
		run(t, "sqlite:"+path, statement)
		return path
	}
	middle := len(text) / 2
	url := newSQLite(t)
	db := serving(t, url)
	if err := addMember(t.Context(), db, "mine"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Restore(t.Context(), good, url, quietly); !errors.Is(err, sqldb.ErrInUse) {
		t.Errorf("a database in use: got %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file string
		want error
	}{
		"missing":            {filepath.Join(t.TempDir(), "missing.db"), os.ErrNotExist},
		"empty":              {write(t, ""), sqldb.ErrNoBackup},
		"no database":        {write(t, strings.Repeat("no database ", 1000)), sqldb.ErrBackupDamaged},
		"cut":                {write(t, text[:middle]), sqldb.ErrBackupDamaged},
		"overwritten":        {write(t, text[:middle]+strings.Repeat("\xa5", 8192)+text[middle+8192:]), sqldb.ErrBackupDamaged},
		"another row":        {changed(`insert into shop (name, settings) values ('another', '{}')`), sqldb.ErrBackupDamaged},
		"a row less":         {changed(`delete from picture where rowid = (select min(rowid) from picture)`), sqldb.ErrBackupDamaged},
		"a changed value":    {changed(`update shop set settings = 'other' where rowid = (select min(rowid) from shop)`), sqldb.ErrBackupDamaged},
		"of a newer version": {changed(`insert into goose_db_version (version_id, is_applied) values (99999, 1)`), sqldb.ErrNewerSchema},
		"not addcard's":      {foreign(t), sqldb.ErrNoBackup},
	} {
		if _, err := sqldb.Restore(t.Context(), tt.file, url, quietly); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if _, err := sqldb.Restore(t.Context(), good, "postgres://me@127.0.0.1:1/db", quietly); !errors.Is(err, sqldb.ErrNoBackup) {
		t.Errorf("PostgreSQL: got %v", err)
	}
	after := serving(t, url)
	if count(t, after, membersSQL) != 1 || count(t, after, marksSQL) != 0 {
		t.Error("the database is not as it was")
	}
	if left, _ := filepath.Glob(strings.TrimPrefix(url, "sqlite:") + ".*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// The database that is replaced is kept, also if it is damaged.
func TestRestore_KeepsTheDatabaseThatItReplaces(t *testing.T) {
	t.Parallel()
	source := newSQLite(t)
	if err := addMember(t.Context(), serving(t, source), "of the backup"); err != nil {
		t.Fatal(err)
	}
	file := backUp(t, source)
	for name, damage := range map[string]bool{"sound": false, "damaged": true} {
		url := newSQLite(t)
		path := strings.TrimPrefix(url, "sqlite:")
		db := serving(t, url)
		for _, id := range []string{"a", "b"} {
			if err := addMember(t.Context(), db, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if damage {
			if err := os.WriteFile(path, []byte(strings.Repeat("x", 9999)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := fileText(t, path)
		r, err := sqldb.Restore(t.Context(), file, url, quietly)
		if err != nil || r.Replaced == "" || fileText(t, r.Replaced) != before {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if n := count(t, serving(t, url), membersSQL); n != 1 {
			t.Errorf("%s: the restored database has %d members", name, n)
		}
	}
}

// A copy of a file that was in use, without its journal, is an older state. So is one
// that SQLite has made. The file itself is none, however its server has ended.
func TestMigrate_MarksACopyOfAFileThatWasInUse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		copied func(t *testing.T, path string) string
		closed bool
		want   int64
	}{
		"the file alone, in use":           {copied: copyAlone, want: 1},
		"SQLite's own copy":                {copied: vacuumed, want: 1},
		"the file alone, after its server": {copied: copyAlone, closed: true},
		"the file itself, in use":          {copied: func(_ *testing.T, path string) string { return path }},
		"the file itself, after its server": {
			copied: func(_ *testing.T, path string) string { return path }, closed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := sqldbtest.File(t)
			db := serving(t, "sqlite:"+path)
			if err := addMember(t.Context(), db, "a"); err != nil {
				t.Fatal(err)
			}
			if tt.closed {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := count(t, serving(t, "sqlite:"+tt.copied(t, path)), marksSQL); got != tt.want {
				t.Errorf("%d marks, want %d", got, tt.want)
			}
		})
	}
}

func copyAlone(t *testing.T, path string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "copy.db")
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return target
}

func vacuumed(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	target := filepath.Join(t.TempDir(), "copy.db")
	if _, err := db.ExecContext(t.Context(), "vacuum into $1", target); err != nil {
		t.Fatal(err)
	}
	return target
}

// Programs that open and close a file at once, as replicas that start together and
// commands beside them, never take it for a copy. Of those that open a copy, one marks it.
func TestMigrate_ProgramsThatComeAndGoMarkNoCopy(t *testing.T) {
	t.Parallel()
	openAll := func(path string, rounds int) {
		var programs sync.WaitGroup
		for range 4 {
			programs.Go(func() {
				for range rounds {
					db, err := sqldb.Open(t.Context(), "sqlite:"+path)
					if err == nil {
						_, err = db.Migrate(t.Context())
						err = errors.Join(err, db.Close())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		programs.Wait()
	}
	path := sqldbtest.File(t)
	openAll(path, 5)
	db := serving(t, "sqlite:"+path)
	if n := count(t, db, marksSQL); n != 0 {
		t.Errorf("%d marks", n)
	}
	copied := copyAlone(t, path)
	openAll(copied, 1)
	restored := serving(t, "sqlite:"+copied)
	sqldbtest.Exec(t, restored, `update recovery set began_at = 1`)
	openAll(copied, 2)
	if n := count(t, restored, `select count(*) from recovery where began_at = 1`); n != 1 {
		t.Errorf("the copy has %d recoveries that go on", n)
	}
}
