package sqlstore_test

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// Symptom: a replica answered its first requests with 500 while nothing had been
// committed since it opened the database.
func TestCurrentCode_IsCachedBeforeAnythingIsCommitted(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + t.TempDir() + "/a.db"
	open := func() *sqldb.DB {
		db, err := sqldb.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	first := open()
	if _, err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := sqlstore.New(first).Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		_, err := tx.AddIssued(ctx, "m1", member.CodeRequest{CardID: "c1"}, "A1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	restarted := sqlstore.New(open())
	for range 2 {
		if c, err := restarted.CurrentCode(t.Context(), "m1", "c1"); c.Code != "A1" || err != nil {
			t.Errorf("got %+v, %v", c, err)
		}
	}
}
