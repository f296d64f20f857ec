package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/sqlstore"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		h := harness(t, open, func(s ticket.Store) ticket.Store { return s })
		tickettest.Run(t, func(*testing.T) tickettest.Harness { return h })
	})
}

func TestStore_Sealed(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		h := harness(t, open, func(s ticket.Store) ticket.Store {
			sealed, err := ticket.Seal(s, "secret-of-the-app")
			if err != nil {
				t.Fatal(err)
			}
			return sealed
		})
		tickettest.Run(t, func(*testing.T) tickettest.Harness { return h })
	})
}

func harness(t *testing.T, open func(t *testing.T) *sqldb.DB, wrap func(ticket.Store) ticket.Store) tickettest.Harness {
	db := open(t)
	gone, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "gone.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	return tickettest.Harness{
		Store: wrap(sqlstore.New(db)),
		Dead:  wrap(sqlstore.New(gone)),
		Corrupt: func(t *testing.T, key string) {
			sqldbtest.Exec(t, db, `insert into ticket (name, value, value_fence, owner, fence, granted_at, lease_ends_at)
				values ($1, 'junk', 1, '', 1, 0, 0)`, key)
		},
	}
}

// A replica of the previous version leaves a back-off as a lease without an owner.
func TestStore_BackOffOfThePreviousVersion(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		sqldbtest.Exec(t, db, `insert into ticket (name, owner, fence, granted_at, lease_ends_at, failures)
			values ('wx:app:wx_card', '', 7, now_ms(), now_ms() + 60000, 2)`)
		_, err := sqlstore.New(db).Acquire(t.Context(), "wx:app:wx_card", ticket.LeaseRequest{Owner: "a", SecretID: "any", TTL: time.Minute})
		if held, ok := errors.AsType[*ticket.HeldError](err); !ok || !held.BackOff || held.For > time.Minute {
			t.Errorf("Acquire: %v, want a back-off of a minute", err)
		}
	})
}

// Symptom: the clock of the machine had been two hours ahead and was set back. The
// ticket that was saved before served for hours after its end, and the lease of a dead
// holder blocked all replicas for as long.
func TestStore_ClockSetBack(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := sqlstore.New(db)
		const key, hours = "wx:app:wx_card", 2 * 60 * 60 * 1000
		acquire := func(owner string) (ticket.Lease, error) {
			return s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: owner, SecretID: "x", TTL: time.Minute})
		}
		held := func(when string, err error, backOff bool) {
			t.Helper()
			if held, ok := errors.AsType[*ticket.HeldError](err); !ok || held.BackOff != backOff || held.For > 2*time.Minute {
				t.Errorf("%s: got %v, want about a minute", when, err)
			}
		}
		lease, err := acquire("a")
		if err != nil {
			t.Fatal(err)
		}
		sqldbtest.Exec(t, db, `update ticket set granted_at = granted_at + $1, lease_ends_at = lease_ends_at + $1`, hours)
		if err := s.Save(t.Context(), lease, ticket.FetchedValue{Value: "v", Fence: lease.Fence, Lifetime: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if rec, err := s.Load(t.Context(), key); err != nil || rec.Left > time.Hour {
			t.Errorf("saved under a lease from the future: Load = %+v, %v", rec, err)
		}
		_, err = acquire("b")
		held("a lease from the future", err, false)
		if err := s.Release(t.Context(), lease, time.Minute); err != nil {
			t.Fatal(err)
		}
		sqldbtest.Exec(t, db, `update ticket set granted_at = granted_at + $1, lease_ends_at = lease_ends_at + $1`, hours)
		sqldbtest.Exec(t, db, `update ticket_backoff set ends_at = ends_at + $1`, hours)
		for range 2 {
			_, err = acquire("b")
			held("a back-off from the future", err, true)
		}
		sqldbtest.Exec(t, db, `update ticket set saved_at = saved_at + $1, ends_at = ends_at + $1`, hours)
		if rec, err := s.Load(t.Context(), key); !errors.Is(err, ticket.ErrUnreadable) {
			t.Errorf("a copy from the future: Load = %+v, %v, want ErrUnreadable", rec, err)
		}
	})
}

// A replica that starts after the clock has moved, in either direction, serves no value
// beyond its end, and fetches one at once.
func TestStore_ClockMovedBeforeTheStart(t *testing.T) {
	t.Parallel()
	for name, hours := range map[string]int{"set back": 2, "set ahead": -2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := sqldbtest.File(t)
			values := make(chan string, 2)
			values <- "old"
			values <- "new"
			fetch := func(context.Context) (string, time.Duration, error) { return <-values, 2 * time.Hour, nil }
			first := source(t, path, fetch)
			if got, err := first.Ticket(t.Context()); got != "old" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			first.Close()
			sqldbtest.Exec(t, sqldbtest.Open(t, "sqlite:"+path), `update ticket set granted_at = granted_at + $1,
				lease_ends_at = lease_ends_at + $1, saved_at = saved_at + $1, ends_at = ends_at + $1`, hours*60*60*1000)
			if got, err := source(t, path, fetch).Ticket(t.Context()); got != "new" || err != nil {
				t.Errorf("got %q, %v; want a new one", got, err)
			}
		})
	}
}

// source returns a replica with its own handle on the database file at path.
func source(t *testing.T, path string, fetch ticket.Fetcher) *ticket.Source {
	t.Helper()
	store, err := ticket.Seal(sqlstore.New(sqldbtest.Open(t, "sqlite:"+path)), "secret-of-the-app")
	if err != nil {
		t.Fatal(err)
	}
	s := ticket.New("wx:app:wx_card", fetch, store, ticket.Options{Lease: time.Minute}) // long enough for a busy disk
	t.Cleanup(s.Close)
	return s
}

// Several processes on one SQLite file are a fleet, too.
func TestStore_ReplicasOnOneFileIssueOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "addcard.db")
	var fetches atomic.Int64
	fetch := func(ctx context.Context) (string, time.Duration, error) {
		fetches.Add(1)
		select {
		case <-time.After(100 * time.Millisecond):
			return "api-ticket-in-the-clear", 2 * time.Hour, nil
		case <-ctx.Done():
			return "", 0, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		s := source(t, path, fetch)
		for range 64 {
			wg.Go(func() {
				if v, err := s.Ticket(ctx); err != nil || v != "api-ticket-in-the-clear" {
					t.Errorf("Ticket = %q, %v", v, err)
				}
			})
		}
	}
	wg.Wait()
	if v, err := source(t, path, fetch).Ticket(ctx); err != nil || v == "" { // a replica that starts later
		t.Errorf("Ticket after a restart = %q, %v", v, err)
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("fetches = %d, want 1", n)
	}
	for _, name := range []string{path, path + "-wal"} {
		if bytes, err := os.ReadFile(name); err != nil {
			t.Error(err)
		} else if strings.Contains(string(bytes), "in-the-clear") {
			t.Errorf("%s holds the ticket in the clear", filepath.Base(name))
		}
	}
}
