package card_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/ration"
)

// A card that was refused, and a setting that was changed, on one replica count on
// every replica seconds later.
func TestGet_SeesWhatAnotherReplicaHasStored(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		one, other := open(a), open(a)
		if _, err := one.Get(t.Context(), "c0"); err != nil {
			t.Fatal(err)
		}
		if err := other.Reviewed(t.Context(), card.Review{CardID: "c0", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2100 * time.Millisecond)
		if c, err := one.Get(t.Context(), "c0"); err != nil || c.Status != card.VerifyFailed {
			t.Errorf("got %s, %v", c.Status, err)
		}
	})
}

// A copy that is in use costs one call in five minutes.
func TestGet_ReadsAYoungCopyFromWeChatOnce(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		cat := open(a)
		for range 29 {
			if _, err := cat.Get(t.Context(), "c0"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		if n := a.readsOf("c0"); n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

// hanging is an account that answers when its caller has left.
type hanging struct{ *account }

func (hanging) Card(ctx context.Context, _ string) (card.Card, error) {
	<-ctx.Done()
	return card.Card{}, ctx.Err()
}

// A request for a card is answered while WeChat hangs.
func TestGet_WaitsTenSecondsForWeChat(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		began := time.Now()
		_, err := card.New(hanging{newAccount()}, s, noLog).Get(t.Context(), "c0")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// counted is a Store that counts what writes to it, and what reads a card.
type counted struct {
	card.Store
	allows, loads atomic.Int32
}

func (c *counted) Allow(ctx context.Context, name string, limit int) (bool, error) {
	c.allows.Add(1)
	return c.Store.Allow(ctx, name, limit)
}

func (c *counted) Load(ctx context.Context, cardID string) (card.Card, time.Duration, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, cardID)
}

// A script that is refused writes to the database once a second.
func TestGet_RefusalsDoNotWrite(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		c := &counted{Store: s}
		cat := card.New(newAccount(), c, noLog)
		for i := range 500 {
			_, _ = cat.Get(by(t, ration.Anonymous, "192.0.2.1"), fmt.Sprint("invented", i))
		}
		if n := c.allows.Load(); n > 3*3+2 {
			t.Errorf("500 requests of one address counted %d times", n)
		}
	})
}

// A card that is asked for all the time is read from the database every two seconds.
func TestGet_ReadsTheDatabaseRarely(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		c := &counted{Store: s}
		cat := card.New(newAccount(good("c0")), c, noLog)
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Fatal(err)
		}
		before := c.loads.Load()
		for range 100 {
			_, err := cat.Get(t.Context(), "c0")
			_, cachedErr := cat.Cached(t.Context(), "c0")
			if err != nil || cachedErr != nil {
				t.Fatal(err, cachedErr)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := c.loads.Load() - before; n < 3 || n > 6 {
			t.Errorf("%d reads of the database in 10 s", n)
		}
	})
}

// The background's reads are not counted among the clients'.
func TestGetUnlimited_IsNoClients(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		cat := open(a)
		for i := range 50 {
			if _, err := cat.GetUnlimited(by(t, ration.Anonymous, "192.0.2.1"), fmt.Sprint("event", i)); !errors.Is(err, card.ErrNotFound) {
				t.Fatalf("card %d: %v", i, err)
			}
		}
		if _, err := cat.Get(by(t, ration.Anonymous, "192.0.2.1"), "c0"); !errors.Is(err, card.ErrNotFound) {
			t.Errorf("a client, then: %v", err)
		}
	})
}

// Invented cards do not fill the memory.
func TestGet_ForgetsFailuresThatAreOver(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		cat := open(newAccount())
		for minute := range 10 {
			for i := range 40 {
				_, _ = cat.Get(t.Context(), fmt.Sprint("invented", minute, "-", i))
			}
			time.Sleep(61 * time.Second)
		}
		if n := cat.Failures(); n > 60 {
			t.Errorf("%d failures are remembered", n)
		}
	})
}

// The database stays open for as long as a read that has lost its caller.
func TestRun_WaitsForTheReadsThatAreUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		cat := open(a)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { cat.Run(ctx); close(done) }()
		synctest.Wait()
		a.change(func(a *account) { a.delay = 5 * time.Second; a.cards["c1"] = good("c1") })
		began := time.Now()
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := cat.Get(gone, "c1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the caller's deadline", err)
		}
		stop()
		<-done
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("Run has returned after %v", took)
		}
		if c, err := cat.Load(t.Context(), "c1"); err != nil || c.Title == "" {
			t.Errorf("the card is not stored: %v", err)
		}
	})
}
