package sqldb_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func TestCopy_RefusesASourceThatHasChangedSince(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		interrupt(t, from, to)
		run(t, from, "update member set erased_at = 5 where member_id = 'm3'")
		if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrDiffers) {
			t.Errorf("got %v", err)
		}
		mustBeUnfinished(t, to)
	})
}

func TestCopy_RefusesASourceWithFewerRows(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		interrupt(t, from, to)
		run(t, from, "delete from event")
		if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrDiffers) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCopy_RefusesATargetOfAnotherCopy(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		interrupt(t, from, to)
		err := doCopy(t, newSQLite(t), to)
		if !errors.Is(err, sqldb.ErrNotEmpty) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
		if err := doCopy(t, to, newSQLite(t)); !errors.Is(err, sqldb.ErrUnfinished) {
			t.Errorf("a copy of an unfinished copy: %v", err)
		}
	})
}

// A server on either database, of whatever version, and a command keep the copy away.
func TestCopy_RefusesDatabasesInUse(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		for _, url := range []string{from, to} {
			before := dump(t, from)
			db, err := sqldb.Open(t.Context(), url)
			if err == nil {
				err = db.Ping(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrInUse) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s is in use: %v", url, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(before, dump(t, from)) {
				t.Error("the source has changed")
			}
		}
		if err := doCopy(t, from, to); err != nil {
			t.Errorf("after their ends: %v", err)
		}
	})
}

// What begins during the copy cannot write to the source.
func TestCopy_LocksOutWriters(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		tried := false
		_, err := sqldb.Copy(t.Context(), from, to, func(s sqldb.CopyStep) {
			if tried {
				return
			}
			tried = true
			db := connect(t, from)
			defer func() { _ = db.Close() }()
			db.SetMaxOpenConns(1)
			if strings.HasPrefix(from, "postgres") {
				if _, err := db.ExecContext(t.Context(), "set lock_timeout = '50ms'"); err != nil {
					t.Error(err)
				}
			}
			if _, err := db.ExecContext(t.Context(), "update member set erased_at = 9"); err == nil {
				t.Error("the source can be written to")
			}
		})
		if err != nil || !tried {
			t.Errorf("tried %v, %v", tried, err)
		}
	})
}

func TestCopy_RefusesAnotherVersion(t *testing.T) {
	moves(t, func(t *testing.T, from, to string) {
		run(t, from, "insert into goose_db_version (version_id, is_applied) values (99999, true)")
		if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrNewerSchema) {
			t.Errorf("from a newer version: %v", err)
		}
		run(t, from, "delete from goose_db_version where version_id > 30")
		if err := doCopy(t, from, to); !errors.Is(err, sqldb.ErrUncopyable) || !strings.Contains(err.Error(), "server migrate") {
			t.Errorf("from an older version: %v", err)
		}
	})
}

// A target that an earlier version, or an interrupted migration, has left is migrated.
func TestCopy_MigratesTheTarget(t *testing.T) {
	t.Parallel()
	from, to := newSQLite(t), "sqlite:"+filepath.Join(t.TempDir(), "b.db")
	fill(t, from)
	db, err := sqldb.Open(t.Context(), to)
	if err == nil {
		err = errors.Join(db.MigrateTo(t.Context(), 20), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := doCopy(t, from, to); err != nil {
		t.Error(err)
	}
	if !slices.Equal(dump(t, from), dump(t, to)) {
		t.Error("the copy differs")
	}
}

func TestCopy_RefusesWhatIsNoDatabaseOfAddcard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, other := filepath.Join(dir, "missing.db"), filepath.Join(dir, "other.db")
	run(t, "sqlite:"+other, "create table a (b)", "insert into a values (1)")
	to := "sqlite:" + filepath.Join(dir, "to.db")
	for _, from := range []string{missing, other} {
		if err := doCopy(t, "sqlite:"+from, to); err == nil {
			t.Errorf("copied %s", from)
		}
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has made a source: %v", err)
	}
	if err := doCopy(t, newSQLite(t), "sqlite:"+other); !errors.Is(err, sqldb.ErrNotEmpty) {
		t.Errorf("a target of another program: %v", err)
	}
	if err := doCopy(t, "mysql://root:secret@host/a", to); !errors.Is(err, sqldb.ErrUnsupported) {
		t.Errorf("another engine: %v", err)
	}
	same := newSQLite(t)
	if err := doCopy(t, same, same); !errors.Is(err, sqldb.ErrInUse) {
		t.Errorf("onto itself: %v", err)
	}
}

// PostgreSQL does not say which row has what it refuses.
func TestCopy_NamesTheRowThatPostgreSQLRefuses(t *testing.T) {
	t.Parallel()
	for _, literal := range []string{"cast(x'61ff62' as text)", "'a' || char(0) || 'b'"} {
		from := newSQLite(t)
		run(t, from, "insert into shop (name, settings) values ('north', "+literal+")")
		err := doCopy(t, from, sqldbtest.EmptyPostgres(t))
		if !errors.Is(err, sqldb.ErrUncopyable) || !strings.Contains(err.Error(), `table shop`) ||
			!strings.Contains(err.Error(), `column settings of the row with the key "north"`) {
			t.Errorf("%s: %v", literal, err)
		}
		to := "sqlite:" + filepath.Join(t.TempDir(), "b.db")
		if err := doCopy(t, from, to); err != nil || !slices.Equal(dump(t, from), dump(t, to)) {
			t.Errorf("%s, to SQLite: %v", literal, err)
		}
	}
}

// SQLite stores values of any type in a column.
func TestCopy_RefusesValuesOfAnotherType(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"x'00'", "1.5", "'many'"} {
		from := newSQLite(t)
		run(t, from, "insert into member (member_id, created_at) values ('m', "+bad+")")
		if err := doCopy(t, from, newSQLite(t)); !errors.Is(err, sqldb.ErrUncopyable) || !strings.Contains(err.Error(), "created_at") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Copy sets the sequences of identity columns, and no others.
func TestCopy_KnowsAllSequences(t *testing.T) {
	t.Parallel()
	db := connect(t, sqldbtest.Postgres(t))
	const query = `select table_name::text from information_schema.columns
		where column_default like 'nextval%' and table_name <> 'goose_db_version'`
	if got := texts(t, db, query); len(got) != 0 {
		t.Errorf("tables with sequences: %q", got)
	}
}
