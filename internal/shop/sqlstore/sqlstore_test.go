package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/shop"
	"github.com/addcard/addcard/internal/shop/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func TestStore_KeepsTheSettings(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		store := sqlstore.New(open(t))
		if _, err := store.Settings(t.Context()); !errors.Is(err, shop.ErrNotFound) {
			t.Errorf("at first: %v", err)
		}
		s := shop.New(store)
		if got, err := s.Settings(t.Context()); got != shop.Default() || err != nil {
			t.Errorf("the defaults: %+v, %v", got, err)
		}
		var group sync.WaitGroup
		for range 8 { // none is lost
			group.Go(func() {
				if _, err := s.Change(t.Context(), func(s *shop.Settings) { s.PointsPer100Yuan++ }); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		after, err := s.Change(t.Context(), func(s *shop.Settings) { s.Cashier.BonusPerDay = 0 })
		if err != nil {
			t.Error(err)
		}
		want := shop.Default()
		want.PointsPer100Yuan += 8
		want.Cashier.BonusPerDay = 0
		if got, err := s.Settings(t.Context()); got != want || after != want || err != nil {
			t.Errorf("got %+v and %+v, %v, want %+v", got, after, err, want)
		}
	})
}

func TestChange_OfADatabaseThatIsAwayChangesNothing(t *testing.T) {
	t.Parallel()
	s := shop.New(sqlstore.New(sqldbtest.New(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if after, err := s.Change(ctx, func(*shop.Settings) {}); err == nil || after != (shop.Settings{}) {
		t.Errorf("got %+v, %v", after, err)
	}
	if got, err := s.Settings(ctx); err == nil {
		t.Errorf("got %+v", got)
	}
}
