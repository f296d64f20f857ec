package card_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
)

func TestSync_ReadsEveryPageAndNoticesDeletedCards(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		for i := range 120 {
			id := "c" + strconv.Itoa(i)
			a.cards[id] = good(id)
		}
		cat := open(a)
		if n, err := cat.Sync(t.Context()); n != 120 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if a.lists != 3 {
			t.Errorf("/card/batchget: got %d calls, want 3", a.lists)
		}
		a.change(func(a *account) { delete(a.cards, "c119") })
		if _, err := cat.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := cat.Get(t.Context(), "c119")
		if err != nil || c.Status != card.Deleted || c.Title == "" {
			t.Errorf("deleted card: got %+v, %v, want its face and CARD_STATUS_DELETE", c, err)
		}
	})
}

func TestRun_OneReplicaSyncsForAllEveryHour(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			cat := open(a)
			wg.Go(func() { cat.Run(ctx) })
		}
		time.Sleep(4*time.Hour + 30*time.Minute)
		cancel()
		wg.Wait()
		if got := a.readsOf("c0"); got < 4 || got > 6 {
			t.Errorf("in 4.5 hours: got %d reads, want 5 or so", got)
		}
	})
}

func TestRun_TriesAgainSoonAfterAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		a.broken = errors.New("down")
		ctx, cancel := context.WithCancel(t.Context())
		cat := open(a)
		var wg sync.WaitGroup
		wg.Go(func() { cat.Run(ctx) })
		time.Sleep(10 * time.Minute)
		a.change(func(a *account) { a.broken = nil })
		time.Sleep(3 * time.Minute)
		cancel()
		wg.Wait()
		if got := a.readsOf("c0"); got != 1 {
			t.Errorf("got %d reads, want 1", got)
		}
	})
}

// A card that can never be read does not have the others read every minute.
func TestRun_OneOddCardCostsOneReadAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"), good("c1"))
		a.odd = "c1"
		ctx, cancel := context.WithCancel(t.Context())
		cat := open(a)
		var wg sync.WaitGroup
		wg.Go(func() { cat.Run(ctx) })
		time.Sleep(4*time.Hour + 30*time.Minute)
		cancel()
		wg.Wait()
		for _, id := range []string{"c0", "c1"} {
			if got := a.readsOf(id); got < 4 || got > 6 {
				t.Errorf("%s, in 4.5 hours: got %d reads, want 5 or so", id, got)
			}
		}
	})
}
