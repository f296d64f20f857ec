package cardsync_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestSender_ActivatesWhatWasClaimed(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		w.WaitSent()
		if c := w.Card("push", code); c.Status != member.Active || c.MembershipNumber != code || c.ActivatedAt.IsZero() {
			w.Errorf("got %+v", c)
		}
		if got := w.WeChat.Calls(code); got != "info activate info" {
			w.Errorf("WeChat was called: %s", got)
		}
		_, code = w.ClaimCard("push-2") // while it runs: it is woken
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push-2", Code: code, At: world.At(6), Restored: true})
		synctest.Wait()
		if got := w.WeChat.Calls(code); got != "info activate info info" {
			w.Errorf("not both at once: %s", got)
		}
	})
}

// Errors such as 45061 come on the first call after a card was taken.
func TestSender_TriesAgainWhatPasses(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Before = world.FailOnce("activate", world.RefusalError{IsTemporary: true})
		_, code := w.ClaimCard("push")
		began := time.Now()
		w.SendAll()
		if took := time.Since(began); took < 500*time.Millisecond || took > 4*time.Second {
			w.Errorf("took %v", took)
		}
		if got := w.WeChat.Calls(code); got != "info activate info activate info" || w.WeChat.Activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.WeChat.Activated[code])
		}
		if c := w.Card("push", code); c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
	})
}

func TestSender_AnAnswerThatWasLostIsNotRepeatedBlindly(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.After = world.FailOnce("activate", context.DeadlineExceeded)
		_, code := w.ClaimCard("push")
		w.SendAll()
		if got := w.WeChat.Calls(code); got != "info activate info" || w.WeChat.Activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.WeChat.Activated[code])
		}
		if c := w.Card("push", code); c.Status != member.Active || c.MembershipNumber != code {
			w.Errorf("got %+v", c)
		}
	})
}

// A card on its way to a friend can come back long after other messages are parked.
func TestSender_WaitsForAGiftThatComesBack(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.WeChat.SetStatus(code, "GIFTING")
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		time.Sleep(40 * time.Minute)
		w.WeChat.SetStatus(code, "")
		time.Sleep(21 * time.Minute)
		if c := w.Card("push", code); c.Status != member.Active || w.Outcomes()["activate dead"] != 0 {
			w.Errorf("got %+v, outcomes %v", c, w.Outcomes())
		}
		if n := len(strings.Fields(w.WeChat.Calls(code))); n > 8 {
			w.Errorf("%d calls in 40 minutes", n)
		}
	})
}

func TestInitialGrant_IsBookedOnceWithTheActivation(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push-grant")
		list, err := w.Entries(w.Context(), "push-grant", code, 0, 9)
		if err != nil || len(list) != 1 || list[0].Seq != 1 || list[0].AddBonus != 100 || list[0].Balance != 7 ||
			list[0].RecordBonus != world.InitialGrant.Record ||
			list[0].Sent != ledger.SentDone {
			w.Fatalf("entries: %+v, %v", list, err)
		}
		w.WantFace(code, 100, 7, "initial 开卡送积分 100")
		if got := w.WeChat.Calls(code); got != "info activate info" {
			w.Errorf("WeChat was called: %s", got)
		}
		w.MustAddEntry("push-grant", code, world.Points(5))
		w.SendAll()
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push-grant", Code: code, At: world.At(5)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push-grant", Code: code, At: world.At(6), Restored: true})
		w.WeChat.Activated[code] = 0 // activating it again resets the totals
		w.SendAll()
		if c := w.Card("push-grant", code); c.Bonus != 105 || c.Balance != 7 || c.Seq != 2 {
			w.Errorf("restored: %+v", c)
		}
		w.WantFace(code, 105, 7, "initial 开卡送积分 100", "bonus +5 105 r5")
		w.WantBalanced()
	})
}

func TestInitialGrant_WhenTheAnswerOfTheActivationIsLost(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.After = world.FailOnce("activate", context.DeadlineExceeded)
		code := w.ActivateCard("push-grant")
		w.WantFace(code, 100, 7, "initial 开卡送积分 100")
		if c := w.Card("push-grant", code); c.Bonus != 100 || c.Seq != 1 || w.WeChat.Activated[code] != 1 {
			w.Errorf("got %+v", c)
		}
		w.WantBalanced()
	})
}

// A card with a form is activated when it has been filled in, and not before.
func TestActivate_WaitsForTheForm(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "form", Code: "f1", At: world.At(1)})
		w.SendAll()
		if n := w.WeChat.Activated["f1"]; n != 0 || w.Card("form", "f1").Status != member.Claimed {
			w.Errorf("without the form: activated %d times, %+v", n, w.Card("form", "f1"))
		}
		w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: "form", Code: "f1", At: world.At(2)})
		w.SendAll()
		if n := w.WeChat.Activated["f1"]; n != 1 || w.Card("form", "f1").Status != member.Active {
			w.Errorf("with the form: activated %d times, %+v", n, w.Card("form", "f1"))
		}
	})
}
