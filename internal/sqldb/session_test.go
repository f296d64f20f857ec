package sqldb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// setting returns a setting of the session that q uses.
func setting(ctx context.Context, t *testing.T, q sqldb.Querier, name string) (value string) {
	t.Helper()
	if err := q.QueryRow(ctx, "show "+name).Scan(&value); err != nil {
		t.Error(err)
	}
	return value
}

// A commit is on disk, and a session that a dead client left open ends, whatever the
// defaults of the server are.
func TestPostgres_SettingsDoNotDependOnTheServer(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	name := url[strings.LastIndex(url, "/")+1:]
	admin := sqldbtest.Open(t, url)
	for _, s := range []string{
		"synchronous_commit = off", "statement_timeout = 0", "idle_in_transaction_session_timeout = 0", "timezone = 'Asia/Shanghai'",
	} {
		if _, err := admin.Read().Exec(t.Context(), "alter database "+name+" set "+s); err != nil {
			t.Fatal(err)
		}
	}
	db := sqldbtest.Open(t, url)
	check := func(ctx context.Context, q sqldb.Querier, lockTimeout string) {
		t.Helper()
		for name, want := range map[string]string{
			"synchronous_commit": "on", "statement_timeout": "15s", "idle_in_transaction_session_timeout": "5s", "timezone": "UTC",
			"application_name": "addcard", "lock_timeout": lockTimeout,
		} {
			if got := setting(ctx, t, q, name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	check(t.Context(), db.Read(), "0")
	if err := db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error { check(ctx, tx, "100ms"); return nil }); err != nil {
		t.Error(err)
	}
}

// A connection on which a transaction has waited for a lock for long is again one that
// gives up soon.
func TestPostgres_PatienceEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	url := sqldbtest.Postgres(t)
	holder, db := sqldbtest.Open(t, url), sqldbtest.Open(t, url)
	waits := make(chan struct{})
	var wg sync.WaitGroup
	if err := holder.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
		if err := lockRow(ctx, tx); err != nil {
			return err
		}
		runs := 0
		wg.Go(func() {
			if err := db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
				if runs++; runs == 2 {
					if got := setting(ctx, t, tx, "lock_timeout"); got != "0" {
						t.Errorf("the second time it waits for %s", got)
					}
					close(waits)
				}
				return lockRow(ctx, tx)
			}); err != nil {
				t.Error(err)
			}
		})
		<-waits
		return nil
	}); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
		if got := setting(ctx, t, tx, "lock_timeout"); got != "100ms" {
			t.Errorf("the next transaction waits for a lock for %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Transactions share a lock; one that takes it alone waits for all of them, and each
// gives it back when it ends.
func TestHold_IsSharedOrExclusive(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	const lock = 42
	hold := func(ctx context.Context, alone bool, then func()) error {
		return db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
			got, err := db.Hold(ctx, tx, lock, alone)
			if err == nil && got != alone {
				t.Errorf("it is exclusive: %v, want %v", got, alone)
			}
			if err == nil && then != nil {
				then()
			}
			return err
		})
	}
	refused := func(alone bool) func() {
		return func() {
			if err := hold(sqldb.Each(t.Context(), limit), alone, nil); !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("exclusively %v, while another holds it: %v", alone, err)
			}
		}
	}
	for range 2 {
		err := errors.Join(
			hold(patient(t), false, func() {
				if err := hold(patient(t), false, nil); err != nil {
					t.Errorf("shared by two: %v", err)
				}
				refused(true)()
			}),
			hold(patient(t), true, refused(true)),
			hold(patient(t), true, refused(false)),
		)
		if err != nil {
			t.Error(err)
		}
	}
}

// A read that fails, because its client left or its text is wrong, keeps no connection.
func TestRead_ThatFailsKeepsNoConnection(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		gone, leave := context.WithCancel(t.Context())
		leave()
		for range 100 {
			for _, ctx := range []context.Context{gone, sqldb.Each(t.Context(), slack)} {
				const query = "select nothing from nowhere"
				_, list := sqldb.All(ctx, db.Read(), "list", sqldb.Text, query)
				var nothing string
				row := db.Read().QueryRow(ctx, query).Scan(&nothing)
				_, exec := db.Read().Exec(ctx, query)
				for _, err := range []error{list, row, exec} {
					if err == nil || errors.Is(err, sqldb.ErrUnavailable) {
						t.Fatalf("got %v, want an error of the statement", err)
					}
				}
			}
		}
		if err := db.Ping(patient(t)); err != nil {
			t.Error(err)
		}
	})
}
