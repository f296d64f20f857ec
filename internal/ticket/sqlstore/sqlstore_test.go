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
