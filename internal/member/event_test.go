package member_test

import (
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestSender_LearnsTheCardOfAnEarlyEvent(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.Catalogue.FailFetch(world.RefusalError{IsTemporary: true})
		for i := range 3 { // three deliveries
			w.ReceiveEvent(member.Event{DedupeKey: "same", Name: world.Taken, CardID: "late-1", Code: "s1", At: world.At(1)})
			w.ReceiveEvent(member.Event{DedupeKey: "foreign", Name: world.Taken, CardID: "foreign-1", Code: "f1", At: world.At(1)})
			if b, err := w.Backlog(w.Context()); b.Waiting != 2 || err != nil {
				w.Errorf("delivery %d: %+v, %v", i, b, err)
			}
		}
		stop := w.StartSender(w.Services, w.WeChat)
		time.Sleep(10 * time.Second)
		if _, err := w.Store.Card(w.Context(), "late-1", "s1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("applied before the card was fetched: %v", err)
		}
		w.Catalogue.FailFetch(nil)
		w.WaitSent()
		stop()
		if c := w.Card("late-1", "s1"); c.Status != member.Active || c.ClaimedAt != world.At(1) || w.WeChat.Activated["s1"] != 1 {
			w.Errorf("once fetched: %+v", c)
		}
		if _, err := w.Store.Card(w.Context(), "foreign-1", "f1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("another account's card was applied: %v", err)
		}
		if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
			w.Errorf("the outbox holds %+v, %v", b, err)
		}
	})
}
