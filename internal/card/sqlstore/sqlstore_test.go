package sqlstore_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := sqlstore.New(db)
		if _, _, err := s.Load(t.Context(), "c1"); !errors.Is(err, card.ErrNotFound) {
			t.Errorf("nothing saved: got %v", err)
		}
		if err := s.Configure(t.Context(), "c1", func(*card.Settings) {}); !errors.Is(err, card.ErrNotFound) {
			t.Errorf("configure nothing: got %v", err)
		}
		want := card.Card{ID: "c1", Status: card.Verified, Title: "会员卡<&>😀", UseCustomCode: true, Quantity: -1}
		if err := s.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 { // changes do not get lost
			wg.Go(func() {
				if err := s.Configure(t.Context(), "c1", func(s *card.Settings) { s.InitBonus++ }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		want.Title = "另一张"
		if err := s.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, age, err := s.Load(t.Context(), "c1")
		if err != nil || got.Title != want.Title || got.Settings.InitBonus != 16 || !got.UseCustomCode || age < 0 || age > time.Hour {
			t.Errorf("got %+v, %v, %v", got, age, err)
		}
		if ids, err := s.IDs(t.Context()); err != nil || len(ids) != 1 || ids[0] != "c1" {
			t.Errorf("IDs: got %v, %v", ids, err)
		}
		var allowed, taken atomic.Int64
		for range 32 {
			wg.Go(func() {
				if ok, err := s.Allow(t.Context(), "x", 7); err != nil {
					t.Error(err)
				} else if ok {
					allowed.Add(1)
				}
				if ok, err := s.AcquireJob(t.Context(), "job", time.Hour); err != nil {
					t.Error(err)
				} else if ok {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if n := allowed.Load(); n < 7 || n > 14 || taken.Load() != 1 { // a minute may end in between
			t.Errorf("allowed %d of 7, taken %d times", n, taken.Load())
		}
		for ahead, want := range map[int]bool{-1: true, 1: false, 30: true} {
			const at = `update allowance set slot = now_ms() / 60000 + $1, used = 7 where name = 'x'`
			sqldbtest.Exec(t, db, at, ahead)
			if ok, err := s.Allow(t.Context(), "x", 7); ok != want || err != nil { // a minute is too short to end twice
				t.Errorf("with a row that is %d minutes ahead: got %v, %v, want %v", ahead, ok, err, want)
			}
		}
		attempt := func(own []string, within time.Duration, want ...string) {
			t.Helper()
			if had, err := s.BeginCreation(t.Context(), "d", own, within); err != nil || !slices.Equal(had, want) {
				t.Errorf("attempt: got %v, %v, want %v", had, err, want)
			}
		}
		attempt(nil, time.Hour)
		attempt([]string{"c1"}, time.Hour) // the first one's
		attempt([]string{"c1"}, 0, "c1")   // that is too long ago
		attempt([]string{"c1", "c2"}, time.Hour, "c1")
		if err := s.EndCreation(t.Context(), "d", "exact", ""); err != nil { // refused
			t.Error(err)
		}
		attempt([]string{"c1", "c2"}, time.Hour, "c1", "c2")
		created := func(since time.Duration, want string) {
			t.Helper()
			if id, err := s.CreatedSince(t.Context(), "exact", since); err != nil || id != want {
				t.Errorf("created since %v: got %q, %v, want %q", since, id, err, want)
			}
		}
		created(time.Hour, "")
		if err := s.EndCreation(t.Context(), "d", "exact", "c3"); err != nil {
			t.Error(err)
		}
		created(time.Hour, "c3")
		created(-time.Hour, "")
		for deadline := time.Now().Add(time.Minute); ; { // until c3 is older than a millisecond
			id, err := s.CreatedSince(t.Context(), "exact", time.Millisecond)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("c3 is still new: %q, %v", id, err)
			}
			if id == "" {
				break
			}
		}
		if err := s.EndCreation(t.Context(), "d", "exact", "c4"); err != nil {
			t.Error(err)
		}
		created(time.Hour, "c4")
		attempt([]string{"c1"}, time.Hour, "c1", "c3", "c4") // a created card is no other call's
	})
}

func TestStore_ListsAndCountsByName(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		s := sqlstore.New(open(t))
		for _, id := range []string{"c3", "c1", "c2"} {
			if err := s.Save(t.Context(), card.Card{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		if ids, err := s.IDs(t.Context()); err != nil || !slices.Equal(ids, []string{"c1", "c2", "c3"}) {
			t.Errorf("IDs: got %v, %v", ids, err)
		}
		for _, name := range []string{"x", "y"} {
			if ok, err := s.Allow(t.Context(), name, 1); err != nil || !ok {
				t.Errorf("the first use of %s: %v, %v", name, ok, err)
			}
			if ok, err := s.AcquireJob(t.Context(), name, time.Hour); err != nil || !ok {
				t.Errorf("job %s: %v, %v", name, ok, err)
			}
			if ok, err := s.AcquireJob(t.Context(), name, 0); err != nil || !ok {
				t.Errorf("job %s, when it is due again: %v, %v", name, ok, err)
			}
			if ok, err := s.AcquireJob(t.Context(), name, time.Hour); err != nil || ok {
				t.Errorf("job %s, at once again: %v, %v", name, ok, err)
			}
		}
	})
}

func TestStore_Lock(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		s := sqlstore.New(open(t))
		lock := func(holder string, lease time.Duration, want bool) {
			t.Helper()
			if locked, err := s.Lock(t.Context(), "l", holder, lease); err != nil || locked != want {
				t.Errorf("%s locks: %v, %v, want %v", holder, locked, err, want)
			}
		}
		extend := func(holder string, lease time.Duration, want bool) {
			t.Helper()
			if held, err := s.ExtendLock(t.Context(), "l", holder, lease); err != nil || held != want {
				t.Errorf("%s extends: %v, %v, want %v", holder, held, err, want)
			}
		}
		var winners atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if locked, err := s.Lock(t.Context(), "race", "a", time.Hour); err != nil {
					t.Error(err)
				} else if locked {
					winners.Add(1)
				}
			})
		}
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%d of 16 have the lock", n)
		}
		extend("a", time.Hour, false) // it was not locked yet
		lock("a", time.Hour, true)
		lock("b", time.Hour, false)
		extend("b", time.Hour, false)
		extend("a", -time.Hour, true) // the lease ends
		lock("b", time.Hour, true)
		extend("a", time.Hour, false)
		if err := s.Unlock(t.Context(), "l", "a"); err != nil { // too late
			t.Error(err)
		}
		lock("a", time.Hour, false)
		if err := s.Unlock(t.Context(), "l", "b"); err != nil {
			t.Error(err)
		}
		lock("a", time.Hour, true)
	})
}

func TestStore_Pictures(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		s := sqlstore.New(open(t))
		for range 2 {
			if err := s.AddPicture(t.Context(), "https://pic.example/1", "h"); err != nil {
				t.Error(err)
			}
		}
		if got, err := s.Pictures(t.Context()); err != nil || !maps.Equal(got, map[string]string{"https://pic.example/1": "h"}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestStore_Review(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		s := sqlstore.New(open(t))
		save := func(status card.Status, want string) {
			t.Helper()
			if err := s.Save(t.Context(), card.Card{ID: "c1", Status: status}); err != nil {
				t.Error(err)
			}
			if c, _, err := s.Load(t.Context(), "c1"); err != nil || c.RefuseReason != want {
				t.Errorf("%s: got %q, %v, want %q", status, c.RefuseReason, err, want)
			}
		}
		review := func(second int64, reason string, want bool) {
			t.Helper()
			if latest, err := s.SaveReview(t.Context(), "c1", reason, time.Unix(second, 0)); err != nil || latest != want {
				t.Errorf("review at %d: %v, %v, want %v", second, latest, err, want)
			}
		}
		review(5, "模糊", true)
		save(card.VerifyFailed, "模糊")
		review(5, "模糊", true) // the same event again
		review(4, "older", false)
		save(card.NotVerified, "")
		save(card.VerifyFailed, "模糊")
		save(card.Verified, "")
		save(card.VerifyFailed, "")
		review(5, "模糊", true)
		review(6, "", true)
		save(card.VerifyFailed, "")
	})
}
