package card_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// account is the Official Account at WeChat: the outside, so a fake.
type account struct {
	mu         sync.Mutex
	cards      map[string]card.Card
	reads      map[string]int
	lists      int
	broken     error
	odd        string // the card_id of a card that cannot be read
	delay      time.Duration
	limitDelay time.Duration // of the database that counts the reads
}

func newAccount(cards ...card.Card) *account {
	a := &account{cards: map[string]card.Card{}, reads: map[string]int{}}
	for _, c := range cards {
		a.cards[c.ID] = c
	}
	return a
}

func (a *account) Card(_ context.Context, id string) (card.Card, error) {
	time.Sleep(a.delay)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads[id]++
	if a.broken != nil {
		return card.Card{}, a.broken
	}
	if id == a.odd {
		return card.Card{}, errors.New("no usable card")
	}
	c, ok := a.cards[id]
	if !ok {
		return card.Card{}, card.ErrNotFound
	}
	return c, nil
}

func (a *account) CardIDs(_ context.Context, offset int) (ids []string, total int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lists++
	if a.broken != nil {
		return nil, 0, a.broken
	}
	for i := offset; i < min(offset+50, len(a.cards)); i++ {
		ids = append(ids, "c"+strconv.Itoa(i))
	}
	return ids, len(a.cards), nil
}

func (a *account) change(f func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (a *account) readsOf(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reads[id]
}

// bubble runs test with virtual time, on a real database inside the bubble.
func bubble(t *testing.T, test func(t *testing.T, open func(*account) *card.Catalogue)) {
	t.Parallel()
	path := sqldbtest.File(t)
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.Open(t, "sqlite:"+path)
		test(t, func(a *account) *card.Catalogue {
			return card.New(a, slowLimits{sqlstore.New(db), a}, slog.New(slog.DiscardHandler))
		})
		synctest.Wait()
	})
}

// slowLimits counts reads with the account's limitDelay.
type slowLimits struct {
	card.Store
	account *account
}

func (s slowLimits) Allow(ctx context.Context, name string, limit int) (bool, error) {
	time.Sleep(s.account.limitDelay)
	return s.Store.Allow(ctx, name, limit)
}

func good(id string) card.Card {
	return card.Card{ID: id, Status: card.Verified, Title: "会员卡", UseCustomCode: true, Quantity: 10}
}

func TestGet_AsksWeChatOnce(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		a.delay = time.Second
		cat := open(a)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if c, err := cat.Get(t.Context(), "c0"); err != nil || c.Title != "会员卡" || c.ID != "c0" {
					t.Errorf("got %+v, %v", c, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if c, err := open(a).Get(t.Context(), "c0"); err != nil || c.Quantity != 10 { // another replica, or after a restart
			t.Errorf("from the database: got %+v, %v", c, err)
		}
		if got := a.readsOf("c0"); got != 1 {
			t.Errorf("/card/get: got %d calls, want 1", got)
		}
	})
}

// WeChat's event alone approves a card, without another look.
func TestReviewed(t *testing.T) {
	for name, tt := range map[string]struct {
		before, want card.Status
		passed       bool
	}{
		"approved":                      {card.VerifyFailed, card.Verified, true},
		"refused":                       {card.Verified, card.VerifyFailed, false},
		"an old approval of a dead one": {card.Deleted, card.Deleted, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
				c := good("c0")
				c.Status = tt.before
				a := newAccount(c)
				cat := open(a)
				if _, err := cat.Get(t.Context(), "c0"); err != nil {
					t.Fatal(err)
				}
				review := card.Review{CardID: "c0", Passed: tt.passed, At: time.Now()}
				other := card.Review{CardID: "c9", Passed: tt.passed, At: time.Now()}
				if err := errors.Join(cat.Reviewed(t.Context(), review), cat.Reviewed(t.Context(), other)); err != nil {
					t.Error(err)
				}
				if got, err := open(a).Get(t.Context(), "c0"); err != nil || got.Status != tt.want || a.readsOf("c0") != 1 || a.readsOf("c9") != 0 {
					t.Errorf("got %s, %v, want %s; %d reads", got.Status, err, tt.want, a.readsOf("c0"))
				}
			})
		})
	}
}

// The reason of a refusal outlives restarts and later reads of the card, and goes
// when the card passes. A late or repeated event does not bring it back.
func TestReviewed_KeepsTheReason(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		set := func(s card.Status) {
			a.change(func(a *account) { c := a.cards["c0"]; c.Status = s; a.cards["c0"] = c })
			if _, err := open(a).Sync(t.Context()); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		event := func(after time.Duration, passed bool, reason string) {
			t.Helper()
			if err := open(a).Reviewed(t.Context(), card.Review{CardID: "c0", Passed: passed, Reason: reason, At: began.Add(after)}); err != nil {
				t.Error(err)
			}
		}
		check := func(want string) {
			t.Helper()
			if got, err := open(a).Get(t.Context(), "c0"); err != nil || got.RefuseReason != want {
				t.Errorf("got %q, %v, want %q", got.RefuseReason, err, want)
			}
			if _, err := open(a).Sync(t.Context()); err != nil {
				t.Error(err)
			}
			if got, err := open(a).Get(t.Context(), "c0"); err != nil || got.RefuseReason != want {
				t.Errorf("after another read: got %q, %v, want %q", got.RefuseReason, err, want)
			}
		}
		a.cards["c0"] = card.Card{ID: "c0", Status: card.VerifyFailed}
		event(time.Second, false, "logo\n\x1b[1m 模糊 <&>") // before the card is in the catalogue
		check("logo [1m 模糊 <&>")
		event(2*time.Second, false, "")
		check("")
		event(3*time.Second, false, "b")
		event(2*time.Second, true, "")
		check("b")
		set(card.NotVerified) // the operator has changed the card
		check("")
		set(card.VerifyFailed)
		check("b")
		set(card.Verified)
		event(4*time.Second, true, "ignored")
		check("")
		event(3*time.Second, false, "b") // repeated late
		check("")
		set(card.VerifyFailed) // its event is lost
		check("")
	})
}

func TestReviewed_LogsARefusalOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := sqldbtest.Open(t, "sqlite:"+filepath.Join(dir, "a.db"))
	var log buffer
	cat := card.New(newAccount(good("c0")), sqlstore.New(db), slog.New(slog.NewJSONHandler(&log, nil)))
	if _, err := cat.Get(t.Context(), "c0"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := cat.Reviewed(t.Context(), card.Review{CardID: "c0", Reason: "模糊", At: time.Unix(5, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	const want = `"level":"WARN","msg":"card refused in review","card_id":"c0","title":"会员卡","refuse_reason":"模糊"}`
	if n := strings.Count(log.text.String(), want); n != 1 || strings.Count(log.text.String(), "\n") != 1 {
		t.Errorf("logged %d times in\n%s", n, log.text.String())
	}
}

func TestGet_ACallerWhoLeavesDoesNotStopTheLookUp(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		a.delay = time.Second
		cat := open(a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := cat.Get(ctx, "c0"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the caller's deadline", err)
		}
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Error(err)
		}
		if got := a.readsOf("c0"); got != 1 {
			t.Errorf("/card/get: got %d calls, want 1", got)
		}
	})
}

func TestGet_RemembersUnknownCardsForAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		cat := open(a)
		for _, step := range []struct {
			wait  time.Duration
			reads int
		}{{0, 1}, {59 * time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(step.wait)
			if _, err := cat.Get(t.Context(), "nope"); !errors.Is(err, card.ErrNotFound) {
				t.Fatalf("got %v, want ErrNotFound", err)
			}
			if got := a.readsOf("nope"); got != step.reads {
				t.Errorf("after %v more: got %d calls, want %d", step.wait, got, step.reads)
			}
		}
	})
}

func TestGet_ClientsCause30ReadsAMinuteForTheWholeFleet(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		fleet := []*card.Catalogue{open(a), open(a), open(a)}
		count := func() (refused int) {
			for i := range 90 {
				_, err := fleet[i%3].Get(t.Context(), "x"+strconv.Itoa(i)+time.Now().String())
				if errors.Is(err, card.ErrTooMany) {
					refused++
				} else if !errors.Is(err, card.ErrNotFound) {
					t.Fatal(err)
				}
			}
			return refused
		}
		for minute := range 2 {
			if got := count(); got != 60 {
				t.Errorf("minute %d: got %d of 90 refused, want 60", minute, got)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestGet_AFailingWeChatIsNotAnUnknownCard(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		a.broken = errors.New("busy")
		cat := open(a)
		if _, err := cat.Get(t.Context(), "c0"); !errors.Is(err, a.broken) {
			t.Errorf("got %v, want what WeChat said", err)
		}
		if _, err := cat.Get(t.Context(), "c0"); !errors.Is(err, a.broken) || a.readsOf("c0") != 1 {
			t.Errorf("at once again: got %v and %d calls, want the same answer from one call", err, a.readsOf("c0"))
		}
		a.change(func(a *account) { a.broken = nil })
		time.Sleep(4 * time.Second)
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// An outage that ate the minute's reads is an outage, not the client's haste.
func TestGet_AnOutageIsNotBlamedOnTheClient(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		a.broken = errors.New("busy")
		cat := open(a)
		for i := range 60 {
			if _, err := cat.Get(t.Context(), "c"+strconv.Itoa(i)); !errors.Is(err, a.broken) {
				t.Fatalf("look-up %d: got %v, want what WeChat said", i, err)
			}
		}
	})
}

func TestGet_AfterAnOutageHasteIsHasteAgain(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount()
		a.broken = errors.New("busy")
		cat := open(a)
		if _, err := cat.Get(t.Context(), "c0"); !errors.Is(err, a.broken) {
			t.Fatalf("got %v, want what WeChat said", err)
		}
		a.change(func(a *account) { a.broken = nil })
		last := error(nil)
		for i := range 60 {
			_, last = cat.Get(t.Context(), "x"+strconv.Itoa(i))
		}
		if !errors.Is(last, card.ErrTooMany) {
			t.Errorf("got %v, want ErrTooMany", last)
		}
	})
}

func TestGet_AFailingRereadLeavesTheCopyInUse(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		cat := open(a)
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Fatal(err)
		}
		a.change(func(a *account) { a.broken = errors.New("busy") })
		for range 5 {
			time.Sleep(6 * time.Minute)
			if _, err := cat.Get(t.Context(), "c0"); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
	})
}

func TestGet_RereadsAnOldCopyBehindTheCallersBack(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		cat := open(a)
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Fatal(err)
		}
		a.change(func(a *account) { c := a.cards["c0"]; c.Quantity = 3; a.cards["c0"] = c })
		time.Sleep(6 * time.Minute)
		if c, _ := cat.Get(t.Context(), "c0"); c.Quantity != 10 {
			t.Errorf("at once: got stock %d, want the old copy's 10", c.Quantity)
		}
		synctest.Wait()
		if c, _ := cat.Get(t.Context(), "c0"); c.Quantity != 3 {
			t.Errorf("then: got stock %d, want 3", c.Quantity)
		}
	})
}

func TestClaimable_RefusesOnlyOnAFreshCopy(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		empty := good("c0")
		empty.Quantity = 0
		a := newAccount(empty)
		cat := open(a)
		if _, err := cat.Claimable(t.Context(), "c0", false); !errors.Is(err, card.ErrNotClaimable) {
			t.Errorf("no stock: got %v, want ErrNotClaimable", err)
		}
		if _, err := cat.Claimable(t.Context(), "c0", true); err != nil {
			t.Errorf("no stock, but holding a code: %v", err)
		}
		a.change(func(a *account) { a.cards["c0"] = good("c0") })
		time.Sleep(9 * time.Second)
		if _, err := cat.Claimable(t.Context(), "c0", false); !errors.Is(err, card.ErrNotClaimable) {
			t.Errorf("copy of 9 s: got %v, want ErrNotClaimable", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := cat.Claimable(t.Context(), "c0", false); err != nil {
			t.Errorf("copy of 11 s: %v", err)
		}
		if got := a.readsOf("c0"); got != 2 {
			t.Errorf("/card/get: got %d calls, want 2", got)
		}
	})
}

// Symptom: codes were deposited by the command, and for two seconds the server still
// said that there were none.
func TestClaimable_StockOfAnotherProcessCountsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		empty := good("c0")
		empty.Quantity = 0
		a := newAccount(empty)
		server, command := open(a), open(a)
		if _, err := server.Claimable(t.Context(), "c0", false); !errors.Is(err, card.ErrNotClaimable) {
			t.Errorf("no stock: got %v, want ErrNotClaimable", err)
		}
		a.change(func(a *account) { a.cards["c0"] = good("c0") })
		if _, err := command.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Claimable(t.Context(), "c0", false); err != nil {
			t.Errorf("another process has read the new stock: %v", err)
		}
	})
}

// While WeChat fails, each of many callers gets the copy.
func TestGet_TheCopyStaysInUseAllThroughAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		c := open(a)
		if _, err := c.Get(t.Context(), "c0"); err != nil {
			t.Fatal(err)
		}
		a.change(func(a *account) { a.broken = errors.New("busy") })
		time.Sleep(6 * time.Minute)
		for i := range 40 {
			if _, err := c.Get(t.Context(), "c0"); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
}
