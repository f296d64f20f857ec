package member_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestRace_DeletedWhileItIsActivated(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.WeChat.After = world.During("activate", func() {
			w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted || c.ActivatedAt.IsZero() {
			w.Errorf("got %+v, want deleted, with the time of its activation", c)
		}
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Active || w.WeChat.Activated[code] != 1 {
			w.Errorf("restored: %+v, activated %d times", c, w.WeChat.Activated[code])
		}
	})
}

// The check saw the card in the wallet and the event came after it: the event counts.
func TestRace_DeletedWhileItIsLookedAt(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.SendAll()
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.WeChat.After = world.During("info", func() {
			w.WeChat.SetStatus(code, "DELETE")
			w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(7)})
		})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
	})
}

// The check activated the card, which was deleted before the answer came.
func TestRace_DeletedWhileALookActivatesIt(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		w.SendAll()
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.WeChat.After = world.During("activate", func() {
			w.WeChat.SetStatus(code, "DELETE")
			w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(7)})
		})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted || w.WeChat.Activated[code] != 1 {
			w.Errorf("got %+v, activated %d times", c, w.WeChat.Activated[code])
		}
	})
}

// A check that finds a card deleted does not count as newer than a later event,
// although the local clock is ahead of WeChat's.
func TestRace_RestoredAfterALookFoundItDeleted(t *testing.T) {
	world.Run(t, func(w *world.World) {
		at := func(second int) time.Time { return time.Now().Add(time.Duration(second)*time.Second - time.Hour) }
		_, code := w.ClaimCard("push")
		w.WeChat.SetStatus(code, "DELETE") // its event is late
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted {
			w.Fatalf("got %+v, want that the check finds it deleted", c)
		}
		w.WeChat.SetStatus(code, "not said")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: at(5)})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
	})
}

// An event that is older than a check, and arrives after it, changes nothing.
func TestRace_ALateEventDoesNotBringBackWhatALookFoundDeleted(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.WeChat.After = world.FailOnce("activate", context.DeadlineExceeded)
		stop := w.StartSender(w.Services, w.WeChat)
		time.Sleep(10 * time.Millisecond)
		w.WeChat.SetStatus(code, "DELETE") // the check finds it active and deleted
		w.WaitSent()
		stop()
		if c := w.Card("push", code); c.Status != member.Deleted || c.ActivatedAt.IsZero() {
			w.Fatalf("got %+v, want that the check finds it deleted", c)
		}
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(1)})
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
	})
}

// A restored card may have lost its activation, and the event of its deletion may come
// later.
func TestRace_RestoredWithoutItsActivation(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.SendAll()
		w.WeChat.Activated[code] = 0
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.SendAll()
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		if c := w.Card("push", code); c.Status != member.Active || w.WeChat.Activated[code] != 1 {
			w.Errorf("got %+v, activated %d times", c, w.WeChat.Activated[code])
		}
	})
}

func TestReceive_ADeliveryThatIsRepeatedHasNoEffect(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.SendAll()
		for range 4 {
			w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
			w.SendAll()
		}
		if got := w.WeChat.Calls(code); got != "info activate info info" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// The activation message finds the card deleted. Before the message is removed, the
// card is restored, and would need a message of the same kind.
func TestRace_RestoredWhileItsActivationIsGivenUp(t *testing.T) {
	world.Run(t, func(w *world.World) {
		id, code := w.ClaimCard("push")
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		restored := false
		slow := &world.StoreHooks{BeforeWrite: func() error {
			if !restored && w.WeChat.CallCount() == 0 {
				if b, err := w.Backlog(context.Background()); err == nil && b.Waiting > 0 {
					restored = true
					w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6)})
				}
			}
			return nil
		}}
		stop := w.StartSender(w.Replica(slow.Wrap(world.StoresOn(w.DB))), w.WeChat)
		time.Sleep(time.Second)
		w.WaitSent()
		stop()
		if c := w.Card("push", code); c.Status != member.Active || w.WeChat.Activated[code] != 1 || !restored {
			w.Errorf("got %+v of %s, activated %d times", c, id, w.WeChat.Activated[code])
		}
	})
}

// A phone claims a deleted card again. Whether it was restored must be asked at WeChat.
func TestClaim_OfADeletedCardAsksWeChat(t *testing.T) {
	for status, want := range map[string]member.Status{
		"": member.Active, "DELETE": member.Deleted, "UNAVAILABLE": member.Unavailable, "unknown": member.Deleted,
	} {
		t.Run("WeChat says "+status, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				id, code := w.ClaimCard("push")
				w.SendAll()
				w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
				w.WeChat.SetStatus(code, status)
				cards, err := w.Claim(w.Context(), id, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush}})
				if err != nil || cards[0].Status != member.Deleted {
					w.Fatalf("claim: %+v, %v", cards, err)
				}
				w.SendAll()
				if c := w.Card("push", code); c.Status != want {
					w.Errorf("got %+v, want %s", c, want)
				}
				if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
					w.Errorf("the outbox holds %+v, %v", b, err)
				}
			})
		})
	}
}
