package sqlstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// A login and an event that bring one unionid at once take turns. Other names do not
// wait.
func TestLockNames_AreHeldByOneAtATime(t *testing.T) {
	t.Parallel()
	store := sqlstore.New(sqldbtest.Open(t, sqldbtest.Postgres(t)))
	lock := func(limit time.Duration, then func(), names ...string) error {
		return store.Write(sqldb.Each(t.Context(), limit), func(ctx context.Context, tx member.Tx) error {
			err := tx.LockNames(ctx, names...)
			if err == nil {
				then()
			}
			return err
		})
	}
	var wg sync.WaitGroup
	err := lock(time.Minute, func() {
		if err := lock(time.Minute, func() {}, "u4"); err != nil {
			t.Errorf("another name: %v", err)
		}
		for _, names := range [][]string{{"u1"}, {"u2"}, {"u3", "u2"}} {
			wg.Go(func() {
				if err := lock(time.Second, func() {}, names...); err == nil {
					t.Errorf("%v are locked by two", names)
				}
			})
		}
		wg.Wait()
	}, "u1", "u2")
	if err != nil {
		t.Error(err)
	}
	if err := lock(time.Minute, func() {}, "u1", "u2"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
