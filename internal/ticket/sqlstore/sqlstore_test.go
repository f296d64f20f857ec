package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"addcard/internal/sqldb"
	"addcard/internal/sqldb/sqldbtest"
	"addcard/internal/ticket"
	"addcard/internal/ticket/sqlstore"
	"addcard/internal/ticket/tickettest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	tickettest.Run(t, func(t *testing.T) tickettest.Harness {
		return harness(t, func(s ticket.Store) ticket.Store { return s })
	})
}

func TestStore_sealed(t *testing.T) {
	t.Parallel()
	tickettest.Run(t, func(t *testing.T) tickettest.Harness {
		return harness(t, func(s ticket.Store) ticket.Store {
			sealed, err := ticket.Seal(s, "secret-of-the-app")
			if err != nil {
				t.Fatal(err)
			}
			return sealed
		})
	})
}

func harness(t *testing.T, wrap func(ticket.Store) ticket.Store) tickettest.Harness {
	db := sqldbtest.New(t)
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
			write(t, db, `insert into ticket (name, value, value_fence, owner, fence, granted_at, lease_ends_at) values ($1, 'junk', 1, '', 1, 0, 0)`, key)
		},
	}
}

func write(t *testing.T, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
