package cardsync_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/testing/world"
)

// settle compares a card that the database had when nothing was sent for it any more.
func settle(w *world.World, code string, adopt bool) cardsync.Settlement {
	w.Helper()
	st, err := cardsync.New(w.Store, w.Members, w.WeChat).Settle(w.Context(), "push", code, adopt)
	if err != nil {
		w.Fatal(err)
	}
	return st
}

func TestSettle_ExplainsTheFaceByTheLedger(t *testing.T) {
	for name, tt := range map[string]struct {
		unsent  []ledger.Booking // that the copy had not sent
		bonus   int64            // on the face
		balance int64
		want    string
	}{
		"equal":                         {bonus: 30, balance: 500, want: cardsync.FaceEqual},
		"nothing of the queue was sent": {[]ledger.Booking{world.Points(5), world.Points(6)}, 30, 500, cardsync.FaceUnsent},
		"a part of the queue was sent":  {[]ledger.Booking{world.Points(5), world.Points(6)}, 35, 500, cardsync.FaceUnsent},
		"all of the queue was sent":     {[]ledger.Booking{world.Points(5), world.Points(6)}, 41, 500, cardsync.FaceEqual},
		"more since the copy":           {bonus: 80, balance: 500, want: cardsync.FaceDiffers},
		"less since the copy":           {bonus: 30, balance: 100, want: cardsync.FaceDiffers},
		"earlier totals that were sent": {bonus: 0, balance: 0, want: cardsync.FaceDiffers},
		"more than the queue explains":  {[]ledger.Booking{world.Points(5)}, 36, 500, cardsync.FaceDiffers},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				code := w.ActivateCardWith("push", ledger.Booking{AddBonus: 30, AddBalance: 500})
				for _, b := range tt.unsent {
					w.MustAddEntry("push", code, b)
				}
				w.WeChat.SetFigures(code, tt.bonus, tt.balance)
				st, c := settle(w, code, false), w.Card("push", code)
				if st.Outcome != tt.want || st.Bonus != c.Bonus || st.FaceBonus != tt.bonus || st.FaceBalance != tt.balance {
					t.Errorf("got %+v, want %s", st, tt.want)
				}
			})
		})
	}
}

func TestSettle_AdoptMakesTheLedgerEqualToTheFace(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", ledger.Booking{AddBonus: 30, AddBalance: 500})
		messages := w.WeChat.Face(code).Messages
		w.MustAddEntry("push", code, world.Points(5)) // overtaken by what came since the copy
		w.WeChat.SetFigures(code, 80, 100)
		if st := settle(w, code, true); st.Outcome != cardsync.FaceAdopted || st.Bonus != 35 || st.FaceBonus != 80 {
			t.Errorf("got %+v", st)
		}
		if c := w.Card("push", code); c.Bonus != 80 || c.Balance != 100 {
			t.Errorf("the ledger: %+v", c)
		}
		w.SendAll()
		w.WantFace(code, 80, 100, messages...)
		w.WantBalanced()
		if st := settle(w, code, true); st.Outcome != cardsync.FaceEqual {
			t.Errorf("again: %+v", st)
		}
		w.MustAddEntry("push", code, world.Points(1))
		w.SendAll()
		w.WantFace(code, 81, 100, append(messages, "bonus +1 81 r1")...)
	})
}

func TestSettle_RecordsThatTheCardIsGone(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		w.WeChat.SetStatus(code, "unknown")
		if st := settle(w, code, true); st.Outcome != cardsync.FaceAbsent {
			t.Errorf("a code that is in no wallet: got %+v", st)
		}
		var answer error
		w.WeChat.Intercept(func(context.Context, world.Call) error { return answer }, nil)
		answer = world.RefusalError{} // the card was deleted at WeChat, say
		if st := settle(w, code, true); st.Outcome != cardsync.FaceAbsent {
			t.Errorf("a card that WeChat does not know: got %+v", st)
		}
		answer = world.RefusalError{IsTemporary: true}
		if st, err := cardsync.New(w.Store, w.Members, w.WeChat).Settle(w.Context(), "push", code, true); err == nil {
			t.Errorf("a busy WeChat: got %+v", st)
		}
	})
}

// A card that is held is neither pushed to nor repaired.
func TestHold_PostponesTheMessagesOfACard(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		messages := w.WeChat.Face(code).Messages
		held := true
		s := cardsync.New(w.Store, w.Members, w.WeChat)
		s.HoldWith(func(context.Context, string, string) (bool, error) { return held, nil })
		w.MustAddEntry("push", code, world.Points(5))
		ctx, cancel := context.WithCancel(context.Background())
		var sender sync.WaitGroup
		sender.Go(func() { w.NewSender(s.Handlers(), noLog, func(string, string) {}).Run(ctx) })
		time.Sleep(time.Hour)
		w.WantFace(code, 30, 0, messages...)
		held = false
		time.Sleep(time.Minute)
		w.WantFace(code, 35, 0, append(messages, "bonus +5 35 r5")...)
		cancel()
		sender.Wait()
	})
}
