package cardsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// during runs do once, in the middle of a call.
func during(what string, do func()) func(context.Context, call) error {
	return func(_ context.Context, c call) error {
		if c.what == what && c.n == 1 {
			do()
		}
		return nil
	}
}

func TestRace_deleted_while_it_is_activated(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.wechat.after = during("activate", func() {
			w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		})
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted || c.ActivatedAt.IsZero() {
			w.Errorf("got %+v, want deleted, and known to be activated", c)
		}
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.send()
		if c := w.card("push", code); c.Status != member.Active || w.wechat.activated[code] != 1 {
			w.Errorf("restored: %+v, activated %d times", c, w.wechat.activated[code])
		}
	})
}

// The look saw the card in the wallet, the event came later: the event counts.
func TestRace_deleted_while_it_is_looked_at(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.send()
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.wechat.after = during("face", func() {
			w.wechat.set(code, "DELETE")
			w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(7)})
		})
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
	})
}

// The look activated the card, and it was deleted before the answer came.
func TestRace_deleted_while_a_look_activates_it(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		w.send()
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.wechat.after = during("activate", func() {
			w.wechat.set(code, "DELETE")
			w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(7)})
		})
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted || w.wechat.activated[code] != 1 {
			w.Errorf("got %+v, activated %d times", c, w.wechat.activated[code])
		}
	})
}

// A look that says deleted is not newer than what happens after it, although
// our clock is ahead of WeChat's.
func TestRace_restored_after_a_look_found_it_deleted(t *testing.T) {
	bubble(t, func(w *world) {
		at := func(second int) time.Time { return time.Now().Add(time.Duration(second)*time.Second - time.Hour) }
		_, code := w.claimed("push")
		w.wechat.set(code, "DELETE") // its event is late
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted {
			w.Fatalf("got %+v, want that the look finds it deleted", c)
		}
		w.wechat.set(code, "not said")
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		w.send()
		if c := w.card("push", code); c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
	})
}

// The look knew more than an event that is older and comes after it.
func TestRace_a_late_event_does_not_bring_back_what_a_look_found_deleted(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.wechat.after = once("activate", context.DeadlineExceeded)
		stop := w.run(w.services, w.wechat)
		time.Sleep(10 * time.Millisecond)
		w.wechat.set(code, "DELETE") // active, and deleted, when it is looked at
		w.settle()
		stop()
		if c := w.card("push", code); c.Status != member.Deleted || c.ActivatedAt.IsZero() {
			w.Fatalf("got %+v, want that the look finds it deleted", c)
		}
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(1)})
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
	})
}

// A restored card may have lost its activation, and its deletion be heard later.
func TestRace_restored_without_its_activation(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.send()
		w.wechat.activated[code] = 0
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.send()
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		if c := w.card("push", code); c.Status != member.Active || w.wechat.activated[code] != 1 {
			w.Errorf("got %+v, activated %d times", c, w.wechat.activated[code])
		}
	})
}

func TestReceive_a_delivery_that_is_repeated_has_no_effect(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.send()
		for range 4 {
			w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
			w.send()
		}
		if got := w.wechat.made(code); got != "activate face" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// The message to activate found the card deleted; before it is done with, the
// card is back and would be activated by a message of that kind.
func TestRace_restored_while_its_activation_is_given_up(t *testing.T) {
	bubble(t, func(w *world) {
		id, code := w.claimed("push")
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		restored := false
		slow := &meddling{write: func() error {
			if !restored && len(w.wechat.calls) == 0 {
				if b, err := w.Backlog(context.Background()); err == nil && b.Waiting > 0 {
					restored = true
					w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6)})
				}
			}
			return nil
		}}
		stop := w.run(w.replica(slow.in(w.stores())), w.wechat)
		time.Sleep(time.Second)
		w.settle()
		stop()
		if c := w.card("push", code); c.Status != member.Active || w.wechat.activated[code] != 1 || !restored {
			w.Errorf("got %+v of %s, activated %d times", c, id, w.wechat.activated[code])
		}
	})
}

// A phone says again what it took, of a card that was deleted: only WeChat
// knows whether it is back.
func TestClaim_of_a_deleted_card_asks_WeChat(t *testing.T) {
	for status, want := range map[string]member.Status{"": member.Active, "DELETE": member.Deleted, "UNAVAILABLE": member.Unavailable, "unknown": member.Deleted} {
		t.Run("WeChat says "+status, func(t *testing.T) {
			bubble(t, func(w *world) {
				id, code := w.claimed("push")
				w.send()
				w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
				w.wechat.set(code, status)
				cards, err := w.Claim(w.Context(), id, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush}})
				if err != nil || cards[0].Status != member.Deleted {
					w.Fatalf("claim: %+v, %v", cards, err)
				}
				w.send()
				if c := w.card("push", code); c.Status != want {
					w.Errorf("got %+v, want %s", c, want)
				}
				if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
					w.Errorf("left: %+v, %v", b, err)
				}
			})
		})
	}
}

// conflicting is a ledger in which another transaction is always faster.
type conflicting struct{ ledger.Store }

func (s conflicting) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx ledger.Tx) error { return fn(ctx, conflictingTx{tx}) })
}

type conflictingTx struct{ ledger.Tx }

func (conflictingTx) Post(context.Context, string, string, ledger.Booking, bool) (ledger.Posting, error) {
	return ledger.Posting{}, ledger.ErrNotFound
}

func TestRace_lost_again_and_again_is_said(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		on := w.stores()
		on.ledger = conflicting{on.ledger}
		_, _, err := w.replica(on).AddEntry(w.Context(), "push", code, ledger.Booking{AddBonus: 1}, ledger.Request{Route: "r", Key: "k"})
		if !errors.Is(err, ledger.ErrConflict) {
			w.Errorf("got %v, want ErrConflict", err)
		}
	})
}
