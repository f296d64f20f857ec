package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/addcard/addcard/internal/sqldb"
)

func TestFault_OfPostgreSQLsCodes(t *testing.T) {
	t.Parallel()
	for want, codes := range map[bool][]string{
		true: {
			"25006", "25P03", "25P04", "3D000", "42501", "40003", "57014", "08000", "08006", "28000", "28P01",
			"53100", "53200", "53300", "57P01", "57P02", "57P03", "58000", "58030", "F0000", "XX000", "XX001", "XX002",
		},
		false: {"23505", "23514", "22P02", "22021", "22003", "42601", "42P01", "25001", "40001", "57000", "P0001"},
	} {
		for _, code := range codes {
			if got := sqldb.IsFault(fmt.Errorf("add: %w", &pgconn.PgError{Code: code})); got != want {
				t.Errorf("%s is a fault: %v", code, got)
			}
		}
	}
}

// exec runs statements on a file one after the other, on one connection, and returns
// the first error.
func exec(t *testing.T, dsn string, statements ...string) error {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			return fmt.Errorf("run %s: %w", s, err)
		}
	}
	return nil
}

func TestFault_OfSQLitesErrors(t *testing.T) {
	t.Parallel()
	path := func(name string) string { return "file:" + filepath.Join(t.TempDir(), name) }
	made, held, text := path("made"), path("held"), filepath.Join(t.TempDir(), "text")
	if err := errors.Join(exec(t, made, "create table a (b)"), exec(t, held, "begin exclusive")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := exec(t, "file:"+damaged, "create table a (b)", "insert into a values (1)"); err != nil {
		t.Fatal(err)
	}
	pages, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	clear(pages[len(pages)/2:]) // the second page, of table a
	if err := os.WriteFile(damaged, pages, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"damaged":     {exec(t, "file:"+damaged, "select * from a", "insert into a values (2)"), true},
		"read-only":   {exec(t, made+"?mode=ro", "insert into a values (1)"), true},
		"no database": {exec(t, "file:"+text, "select * from a"), true},
		"no file":     {exec(t, path("none/none"), "create table a (b)"), true},
		"full":        {exec(t, path("new"), "pragma max_page_count = 2", "create table a (b)", "insert into a values (zeroblob(100000))"), true},
		"busy":        {exec(t, held, "begin immediate"), true},
		"constraint":  {exec(t, path("new"), "create table a (b unique)", "insert into a values (1), (1)"), false},
		"syntax":      {exec(t, path("new"), "no sql"), false},
	} {
		if tt.err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := sqldb.IsFault(tt.err); got != tt.want {
			t.Errorf("%s: %v: got %v", name, tt.err, got)
		}
	}
}

func TestFault_OfConnections(t *testing.T) {
	t.Parallel()
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, sql.ErrConnDone, sql.ErrTxDone, sqldb.ErrUnknown} {
		if !sqldb.IsFault(fmt.Errorf("read: %w", err)) {
			t.Errorf("%v is no fault", err)
		}
	}
	for _, err := range []error{context.Canceled, sql.ErrNoRows, errors.New("another")} {
		if sqldb.IsFault(err) {
			t.Errorf("%v is a fault", err)
		}
	}
}

// A client that leaves closes connections that it used.
func TestFault_IsNoneOfACallerThatHasLeft(t *testing.T) {
	t.Parallel()
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := sqldb.FaultOf(left, io.EOF); errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	late, end := context.WithTimeout(t.Context(), 0)
	defer end()
	for _, ctx := range []context.Context{t.Context(), late} {
		if err := sqldb.FaultOf(ctx, io.EOF); !errors.Is(err, sqldb.ErrUnavailable) || !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}

// What is run again must not have been committed, and must be able to succeed soon.
func TestFault_IsAwayWhileAnotherServerMayAnswer(t *testing.T) {
	t.Parallel()
	fatal := func(code string) error {
		return fmt.Errorf("add: %w", &pgconn.PgError{Code: code, Severity: "FATAL", SeverityUnlocalized: "FATAL"})
	}
	for _, err := range []error{
		fatal("57P01"), fatal("57P02"), fatal("57P03"), fatal("08P01"), fatal("53300"),
		&pgconn.PgError{Code: "25006", Severity: "ERROR"}, &pgconn.ConnectError{}, io.ErrUnexpectedEOF, driver.ErrBadConn,
	} {
		if !sqldb.IsAway(err) {
			t.Errorf("%v is not away", err)
		}
	}
	for _, err := range []error{
		nil, fatal("28P01"), fatal("3D000"), fatal("25P03"), &pgconn.PgError{Code: "08P01", Severity: "ERROR"}, &pgconn.PgError{Code: "53100"},
		&pgconn.PgError{Code: "57014"}, context.DeadlineExceeded, fmt.Errorf("%w: %w", sqldb.ErrUnknown, io.EOF), sql.ErrNoRows,
		errors.New("another"),
	} {
		if sqldb.IsAway(err) {
			t.Errorf("%v is away", err)
		}
	}
}

// A session may end after its commit and before the answer.
func TestFault_OfACommit(t *testing.T) {
	t.Parallel()
	for want, list := range map[bool][]error{
		true:  {&pgconn.PgError{Code: "23505", Severity: "ERROR"}, &pgconn.PgError{Code: "40001", Severity: "ERROR"}},
		false: {&pgconn.PgError{Code: "57P01", Severity: "FATAL"}, &pgconn.PgError{Code: "40003", Severity: "ERROR"}, io.EOF, driver.ErrBadConn},
	} {
		for _, err := range list {
			if got := sqldb.IsRolledBack(err); got != want {
				t.Errorf("%v is rolled back: %v", err, got)
			}
		}
	}
}
