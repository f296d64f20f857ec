package cardsync_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// reconcile runs a Reconciler and a Sender for that long and returns how often which
// outcome was observed, and the numbers of unbalanced cards.
func reconcile(w *world.World, long time.Duration) (outcomes map[string]int, sums []int) {
	w.Helper()
	var mu sync.Mutex
	outcomes = map[string]int{}
	r := w.Reconciler(w.Services, cardsync.Observer{
		Checked: func(outcome string) {
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcome]++
		},
		Unbalanced: func(cards int) {
			mu.Lock()
			defer mu.Unlock()
			sums = append(sums, cards)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	stop := w.StartSender(w.Services, w.WeChat)
	go func() { defer close(done); r.Run(ctx) }()
	time.Sleep(long)
	w.WaitSent()
	cancel()
	<-done
	stop()
	synctest.Wait()
	return outcomes, sums
}

func TestReconcile_AFaceThatDiffersIsSetRightWithoutAWord(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		w.WeChat.SetBonus(code, 0) // as before the entry, whose push got lost
		got, sums := reconcile(w, 30*time.Minute)
		if got["repaired"] != 1 || got["equal"] == 0 || len(sums) != 1 || sums[0] != 0 {
			t.Errorf("outcomes: %v, sums %v", got, sums)
		}
		w.WantFace(code, 30, 0, "bonus +30 30 r30")
		if c := w.Card("push", code); c.Bonus != 30 || c.Seq != 1 {
			t.Errorf("the ledger: %+v", c)
		}
		w.WantBalanced()
	})
}

// While a push is pending, a difference is expected.
func TestReconcile_LeavesAloneWhatIsOnItsWay(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name == "update" && c.Attempt < 8 {
				return world.RefusalError{RetryIn: 5 * time.Minute}
			}
			return nil
		}
		w.MustAddEntry("push", code, world.Points(30))
		got, _ := reconcile(w, time.Hour)
		if got["busy"] == 0 || got["repaired"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 30, 0, "bonus +30 30 r30")
	})
}

// An event says that WeChat changed the totals itself: the operator has to decide.
func TestReconcile_WhatWeChatChangedIsShownAndNotRepaired(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		w.ReceiveEvent(
			member.Event{
				DedupeKey: "ours",
				Name:      "update_member_card",
				CardID:    "push",
				Code:      code,
				At:        world.At(3),
				Fields:    map[string]string{"ModifyBonus": "30", "ModifyBalance": "0"},
			},
		)
		w.WeChat.SetBonus(code, 35)
		w.ReceiveEvent(
			member.Event{
				DedupeKey: "theirs",
				Name:      "update_member_card",
				CardID:    "push",
				Code:      code,
				At:        world.At(4),
				Fields:    map[string]string{"ModifyBonus": "5"},
			},
		)
		got, _ := reconcile(w, time.Hour)
		if got["drift"] == 0 || got["repaired"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		d, err := w.DriftOf(w.Context(), "push", code)
		if err != nil || d.Bonus != 30 || d.FaceBonus != 35 || d.SeenAt.IsZero() {
			t.Errorf("drift: %+v, %v", d, err)
		}
		if list, err := w.Drifts(w.Context(), 9); len(list) != 1 || list[0] != d || err != nil {
			t.Errorf("drifts: %+v, %v", list, err)
		}
		w.WantFace(code, 35, 0, "bonus +30 30 r30")

		w.MustAddEntry("push", code, ledger.Booking{AddBonus: 5}) // the operator agrees
		if got, _ := reconcile(w, time.Hour); got["equal"] == 0 || got["drift"] != 0 {
			t.Errorf("then: %v", got)
		}
		if d, err := w.DriftOf(w.Context(), "push", code); err == nil {
			t.Errorf("still: %+v", d)
		}
		w.MustAddEntry("push", code, ledger.Booking{AddBalance: 5})
		w.SendAll()
		w.WeChat.SetFigures(code, 35, 0) // from now on it is repaired again
		if got, _ := reconcile(w, time.Hour); got["repaired"] != 1 {
			t.Errorf("later: %v", got)
		}
		w.WantFace(code, 35, 5, "bonus +30 30 r30")
	})
}

// A face with totals that the ledger never had was set by something else, also when no
// event says so: the ledger may be that of an old backup.
func TestReconcile_TotalsThatTheLedgerNeverHadAreNotRepaired(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", ledger.Booking{AddBonus: 30, AddBalance: 500})
		w.WeChat.SetFigures(code, 80, 500)
		if got, _ := reconcile(w, time.Hour); got["drift"] == 0 || got["repaired"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 80, 500)
		if d, err := w.DriftOf(w.Context(), "push", code); err != nil || d.FaceBonus != 80 || d.Bonus != 30 {
			t.Errorf("drift: %+v, %v", d, err)
		}
	})
}

// Events about our own pushes are no sign of drift.
func TestReconcile_OurOwnChangesAreNoDrift(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		w.ReceiveEvent(
			member.Event{
				DedupeKey: "ours",
				Name:      "update_member_card",
				CardID:    "push",
				Code:      code,
				At:        world.At(3),
				Fields:    map[string]string{"ModifyBonus": "30", "ModifyBalance": "0"},
			},
		)
		w.WeChat.SetBonus(code, 0)
		if got, _ := reconcile(w, time.Hour); got["repaired"] != 1 || got["drift"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 30, 0, "bonus +30 30 r30")
	})
}

// We were down when the card was taken: its code is found in the wallet.
func TestReconcile_FindsAClaimOfACodeOfOurs(t *testing.T) {
	world.Run(t, func(w *world.World) {
		id := world.Enroll(w, w.Members, world.Mini, "ming", "")
		code := world.IssueCode(w, w.Members, id, "push")
		if got, _ := reconcile(w, 15*time.Minute); got["absent"] != 1 {
			t.Errorf("before: %v", got)
		}
		w.WeChat.Holders[cardsync.Key{CardID: "push", Code: code}] = "O1"
		if got, _ := reconcile(w, time.Hour); got["found"] != 1 {
			t.Errorf("outcomes: %v", got)
		}
		c := w.Card("push", code)
		if c.Status != member.Active || c.MemberID != id || c.Life.Wallet != "O1" || c.OuterStr != "home" {
			t.Errorf("got %+v", c)
		}
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(1), OuterStr: "shop"}) // late
		if c := w.Card("push", code); c.Status != member.Active || c.OuterStr != "shop" {
			t.Errorf("after the event: %+v", c)
		}
		w.WantBalanced()
	})
}

// A code of WeChat's own, without an event, is in the wallet of a known member.
func TestReconcile_FindsACardThatWeNeverHeardOf(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O1", CardID: "push", Code: "s1", At: world.At(1)})
		w.WeChat.Holders[cardsync.Key{CardID: "push", Code: "s1"}] = "O1"
		w.WeChat.Holders[cardsync.Key{CardID: "push", Code: "s2"}] = "O1"
		w.WeChat.Holders[cardsync.Key{CardID: "late-2", Code: "s3"}] = "O1"
		w.WeChat.Holders[cardsync.Key{CardID: "foreign", Code: "s4"}] = "O1"
		reconcile(w, time.Hour)
		owner := w.Card("push", "s1").MemberID
		for _, key := range []cardsync.Key{{CardID: "push", Code: "s2"}, {CardID: "late-2", Code: "s3"}} {
			if c := w.Card(key.CardID, key.Code); c.Status != member.Active || c.MemberID != owner {
				t.Errorf("got %+v", c)
			}
		}
		if _, err := w.Store.Card(w.Context(), "foreign", "s4"); err == nil {
			t.Error("another account's card was taken over")
		}
		w.WantBalanced()
	})
}

// The card is deleted and restored without events.
func TestReconcile_FindsWhatBecameOfACard(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.SetStatus(code, "DELETE")
		if got, _ := reconcile(w, time.Hour); got["looked"] == 0 {
			t.Errorf("outcomes: %v", got)
		}
		if c := w.Card("push", code); c.Status != member.Deleted {
			t.Errorf("got %+v", c)
		}
		w.MustAddEntry("push", code, world.Points(3))
		w.WeChat.SetStatus(code, "")
		reconcile(w, 3*time.Hour)
		if c := w.Card("push", code); c.Status != member.Active {
			t.Errorf("restored: %+v", c)
		}
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
		w.WantBalanced()
	})
}

// All replicas share one budget, ask ever more rarely, and stop when WeChat says that
// the quota is used up.
func TestReconcile_KeepsToItsBudget(t *testing.T) {
	world.Run(t, func(w *world.World) {
		id := world.Enroll(w, w.Members, world.Mini, "ming", "")
		for i := range 100 {
			world.IssueCode(w, w.Members, id, "push-"+strings.Repeat("x", i))
		}
		time.Sleep(10 * time.Minute)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		for range 3 {
			r := w.Reconciler(w.Replica(world.StoresOn(w.DB)), cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}})
			running.Go(func() { r.Run(ctx) })
		}
		calls := func(long time.Duration) int {
			before := w.WeChat.CallCount()
			time.Sleep(long)
			return w.WeChat.CallCount() - before
		}
		if n := calls(90 * time.Second); n < 30 || n > 60 {
			t.Errorf("%d calls in a minute and a half", n)
		}
		if n := calls(8 * time.Minute); n != 40 && n != 70 {
			t.Errorf("then %d calls, want the rest of 100", n)
		}
		first := calls(time.Hour)
		if n := calls(time.Hour); n > first/2 {
			t.Errorf("%d calls in an hour, %d in the next", first, n)
		}
		w.WeChat.Intercept(func(context.Context, world.Call) error { return world.RefusalError{RetryIn: time.Hour} }, nil)
		if n := calls(3 * time.Hour); n > 3*3 {
			t.Errorf("%d calls in three hours without a quota", n)
		}
		cancel()
		running.Wait()
	})
}

// Events come late: several entries may have been sent before the first of them.
func TestReconcile_OurOwnChangesOfAMomentAgoAreNoDrift(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		for n := range int64(5) {
			w.MustAddEntry("push", code, world.Points(10+n))
		}
		w.SendAll()
		for n := range 5 {
			w.ReceiveEvent(member.Event{DedupeKey: fmt.Sprint("ours ", n), Name: "update_member_card", CardID: "push", Code: code, At: world.At(3),
				Fields: map[string]string{"ModifyBonus": fmt.Sprint(10 + n), "ModifyBalance": "0"}})
		}
		w.WeChat.SetBonus(code, 21) // as after the second entry
		if got, _ := reconcile(w, time.Hour); got["repaired"] != 1 || got["drift"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		if f := w.WeChat.Face(code); f.Bonus != 60 {
			t.Errorf("the face shows %d", f.Bonus)
		}
	})
}

// An entry that is booked and sent while the card is read is no difference.
func TestReconcile_AnEntryMeanwhileIsNoDifference(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		booked := false
		w.WeChat.Intercept(nil, func(_ context.Context, c world.Call) error {
			if c.Name == "info" && !booked {
				booked = true
				w.MustAddEntry("push", code, world.Points(3))
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		if got, _ := reconcile(w, 15*time.Minute); got["changed"] != 1 || got["repaired"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
	})
}
