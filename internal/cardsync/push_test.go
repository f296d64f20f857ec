package cardsync_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestPush_EntriesReachTheFaceInOrder(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.MustAddEntry("push", code, world.Points(30))
		w.MustAddEntry(
			"push",
			code,
			ledger.Booking{AddBonus: -10, AddBalance: 500, RecordBonus: "spent", RecordBalance: "充值", NotifyBonus: true, NotifyBalance: true},
		)
		w.MustAddEntry("push", code, ledger.Booking{AddBalance: -200, RecordBalance: "quiet", NotifyBonus: true})
		w.SendAll()
		w.WantFace(code, 20, 300, "bonus +30 30 r30", "bonus -10 20 spent", "balance +500 500 充值")
		w.WantBalanced()
		if got := w.WeChat.Calls(code); got != "info activate info update update update" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// Entries without a notification are sent together. The face is set before an entry
// that notifies, so that the face shows whether that entry was sent.
func TestPush_CoalescesEntriesWithoutNotification(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		for range 5 {
			w.MustAddEntry("push", code, world.SilentPoints(1))
		}
		w.MustAddEntry("push", code, world.Points(10))
		for range 5 {
			w.MustAddEntry("push", code, world.SilentPoints(1))
		}
		w.SendAll()
		w.WantFace(code, 20, 0, "bonus +10 15 r10")
		w.WantBalanced()
		if got := w.WeChat.Calls(code); got != "info activate info update update update" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

func TestPush_WaitsUntilTheCardIsActive(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.MustAddEntry("push", code, world.Points(30))
		w.MustAddEntry("push", code, world.Points(12))
		if c := w.Card("push", code); c.Status != member.Claimed || c.Bonus != 42 {
			w.Errorf("got %+v", c)
		}
		if list, err := w.Entries(w.Context(), "push", code, 0, 9); err != nil || list[0].Sent != ledger.SentHeld {
			w.Errorf("entries: %+v, %v", list, err)
		}
		w.SendAll()
		w.WantFace(code, 42, 0, "bonus +30 30 r30", "bonus +12 42 r12")
		w.WantBalanced()
		if list, err := w.Entries(
			w.Context(),
			"push",
			code,
			0,
			9,
		); err != nil || list[0].Sent != ledger.SentDone ||
			list[1].Sent != ledger.SentDone {
			w.Errorf("entries: %+v, %v", list, err)
		}
	})
}

// Entries of a deleted card are sent in order when it is restored.
func TestPush_WaitsForTheRestore(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.MustAddEntry("push", code, world.Points(1))
		w.MustAddEntry("push", code, world.SilentPoints(2))
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		w.WeChat.SetStatus(code, "DELETE")
		w.MustAddEntry("push", code, world.Points(3))
		w.SendAll()
		w.WantFace(code, 0, 0)
		w.WantBalanced()
		w.WeChat.SetStatus(code, "")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.MustAddEntry("push", code, world.Points(4))
		w.SendAll()
		w.WantFace(code, 10, 0, "bonus +1 1 r1", "bonus +3 6 r3", "bonus +4 10 r4")
		w.WantBalanced()
	})
}

// The event of the deletion was lost: after WeChat's refusal the card is checked.
func TestPush_FindsOutWhyItIsRefused(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.SetStatus(code, "DELETE")
		w.MustAddEntry("push", code, world.Points(3))
		w.MustAddEntry("push", code, world.Points(4))
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
		w.WeChat.SetStatus(code, "")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: time.Now().Add(time.Hour), Restored: true})
		w.SendAll()
		w.WantFace(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
		w.WantBalanced()
	})
}

func TestPush_ActivatesWhatIsNotActiveAnyMore(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Activated[code] = 0
		w.MustAddEntry("push", code, world.Points(3))
		w.SendAll()
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
		w.WantBalanced()
	})
}

func TestFields_OfACardThatIsNotActiveAnyMore(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(3))
		w.WeChat.Activated[code] = 0 // activating it again resets the totals
		level := "黄金"
		if _, err := w.SetFields(w.Context(), "push", code, member.FieldChange{Values: [3]*string{&level}}); err != nil {
			t.Fatal(err)
		}
		w.SendAll()
		if f := w.WeChat.Face(code); f.Fields[0] != level {
			t.Errorf("the face: %+v", f)
		}
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
		w.WantBalanced()
	})
}

func TestPush_NothingGoesToADeletedCard(t *testing.T) {
	for name, entryFirst := range map[string]bool{"an entry": true, "a field": false} { // it holds back the other
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				code := w.ActivateCard("push")
				level := "黄金"
				setField := func() {
					if _, err := w.SetFields(w.Context(), "push", code, member.FieldChange{Values: [3]*string{&level}}); err != nil {
						t.Fatal(err)
					}
				}
				if !entryFirst {
					setField()
				}
				w.MustAddEntry("push", code, world.Points(3))
				if entryFirst {
					setField()
				}
				w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(2)})
				w.SendAll()
				if f := w.WeChat.Face(code); f.Fields[0] != "" || f.Bonus != 0 {
					w.Errorf("the face of a deleted card: %+v", f)
				}
				w.ReceiveEvent(member.Event{Name: world.Taken, Restored: true, CardID: "push", Code: code, At: world.At(3)})
				w.SendAll()
				if f := w.WeChat.Face(code); f.Fields[0] != level {
					w.Errorf("the face of the restored card: %+v", f)
				}
				w.WantFace(code, 3, 0, "bonus +3 3 r3")
				w.WantBalanced()
			})
		})
	}
}

// After a lost answer WeChat is asked, so that no holder gets a message twice; after a
// temporary refusal the message is sent again.
func TestPush_TellsOnceWhatMayHaveBeenTold(t *testing.T) {
	for name, set := range map[string]func(w *world.WeChat){
		"the answer is lost":  func(w *world.WeChat) { w.After = world.FailOnce("update", context.DeadlineExceeded) },
		"the request is lost": func(w *world.WeChat) { w.Before = world.FailOnce("update", context.DeadlineExceeded) },
		"refused for now":     func(w *world.WeChat) { w.Before = world.FailOnce("update", world.RefusalError{IsTemporary: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				code := w.ActivateCard("push")
				set(w.WeChat)
				w.MustAddEntry("push", code, world.Points(3))
				w.MustAddEntry("push", code, world.Points(4))
				w.SendAll()
				w.WantFace(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
				w.WantBalanced()
			})
		})
	}
}

// A parked push holds no later one up. Retried, it does not bring the old totals back.
func TestPush_ParkedAndRetried(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name == "update" && c.Attempt == 1 {
				return world.RefusalError{}
			}
			return nil
		}
		id := w.MustAddEntry("push", code, world.Points(3))
		w.MustAddEntry("push", code, world.Points(4))
		w.SendAll()
		w.WantFace(code, 7, 0, "bonus +4 7 r4")
		if list, err := w.Entries(
			w.Context(),
			"push",
			code,
			0,
			9,
		); err != nil || list[1].Sent != ledger.SentParked ||
			list[0].Sent != ledger.SentDone {
			w.Errorf("entries: %+v, %v", list, err)
		}
		list, err := w.Messages(w.Context(), outbox.Filter{State: outbox.Parked}, outbox.Mark{}, 9)
		if err != nil || len(list) != 1 || list[0].ID != id || list[0].Attempts != 1 || list[0].LastError != "refused" {
			w.Fatalf("the outbox: %+v, %v", list, err)
		}
		if err := w.Retry(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		w.MustAddEntry("push", code, world.Points(5)) // behind it
		w.SendAll()
		w.WantFace(code, 12, 0, "bonus +4 7 r4", "bonus +3 7 r3", "bonus +5 12 r5")
		w.WantBalanced()
		if err := w.Retry(w.Context(), id); !errors.Is(err, outbox.ErrNotFound) {
			w.Errorf("retry of what is done: %v", err)
		}
	})
}

// The entry before it on the way shows a total that includes the retried one, which
// the face has shown before.
func TestPush_ARetriedEntryTakesNoTotalBack(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name == "update" && c.Attempt == 1 {
				return world.RefusalError{}
			}
			return nil
		}
		parked := w.MustAddEntry("push", code, world.Points(3))
		w.MustAddEntry("push", code, world.Points(4))
		w.SendAll()
		w.MustAddEntry("push", code, world.Points(5))
		if err := w.Retry(w.Context(), parked); err != nil {
			w.Fatal(err)
		}
		w.SendAll()
		w.WantFace(code, 12, 0, "bonus +4 7 r4", "bonus +5 12 r5", "bonus +3 12 r3")
		w.WantBalanced()
	})
}

// stalled is a WeChat with updates that block until release is closed, whatever their
// deadline.
type stalled struct {
	*world.WeChat
	release chan struct{}
}

func (s *stalled) Update(ctx context.Context, u cardsync.Update) error {
	<-s.release
	return s.WeChat.Update(ctx, u)
}

// A Sender that was stopped longer than its lease sends an old total after a newer one.
// The face is right in the end.
func TestPush_ALateSenderLeavesTheFaceRight(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.MustAddEntry("push", code, world.Points(3))
		stopped := &stalled{WeChat: w.WeChat, release: make(chan struct{})}
		stopLate := w.StartSender(w.Replica(world.StoresOn(w.DB)), stopped)
		synctest.Wait()
		stop := w.StartSender(w.Services, w.WeChat)
		time.Sleep(20 * time.Second) // the lease ends
		w.MustAddEntry("push", code, world.Points(4))
		w.WaitSent()
		w.WantFace(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
		close(stopped.release)
		time.Sleep(time.Minute)
		w.WaitSent()
		stopLate()
		stop()
		if f := w.WeChat.Face(code); f.Bonus != 7 || !slices.Contains(f.Totals, 3) || f.Totals[len(f.Totals)-1] != 7 {
			w.Errorf("the face: %+v", f)
		}
		w.WantBalanced()
	})
}

// Entries from before the activation come first.
func TestInitialGrant_AfterOtherEntries(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push-grant")
		w.MustAddEntry("push-grant", code, world.Points(5))
		w.SendAll()
		w.WantFace(code, 105, 7, "bonus +5 5 r5", "bonus +100 105 开卡送积分", "balance +7 7 ")
		w.WantBalanced()
	})
}

func TestFields_ReachTheFace(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		set := func(notify bool, values ...string) {
			t.Helper()
			change := member.FieldChange{Notify: notify}
			for i, v := range values {
				if v != "-" {
					change.Values[i] = &v
				}
			}
			if _, err := w.SetFields(w.Context(), "push", code, change); err != nil {
				t.Error(err)
			}
		}
		set(false, "白银", "-", "x") // before it is active
		w.SendAll()
		if f := w.WeChat.Face(code); f.Fields != [3]string{"白银", "", "x"} || len(f.Messages) != 0 {
			t.Errorf("the face: %+v", f)
		}
		set(true, "黄金", "-", "")
		w.WeChat.Before = world.FailOnce("update", world.RefusalError{IsTemporary: true})
		w.SendAll()
		if f := w.WeChat.Face(code); f.Fields != [3]string{"黄金", "", ""} || !slices.Equal(f.Messages, []string{"field1 黄金", "field3 "}) {
			t.Errorf("the face: %+v", f)
		}
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		set(false, "-", "late", "-")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true})
		w.SendAll()
		if f := w.WeChat.Face(code); f.Fields != [3]string{"黄金", "late", ""} {
			t.Errorf("the face: %+v", f)
		}
		if fields, err := w.SetFields(w.Context(), "push", code, member.FieldChange{}); fields != [3]string{"黄金", "late", ""} || err != nil {
			t.Errorf("all fields: %v, %v", fields, err)
		}
		w.WantBalanced()
	})
}

// A value that changes while the old one is being sent is sent after it.
func TestFields_ChangedWhileTheyAreSent(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		set := func(v string) {
			if _, err := w.SetFields(context.Background(), "push", code, member.FieldChange{Values: [3]*string{&v}}); err != nil {
				w.Error(err)
			}
		}
		set("a")
		w.WeChat.After = world.During("update", func() { set("b") })
		w.SendAll()
		if f := w.WeChat.Face(code); f.Fields[0] != "b" {
			w.Errorf("the face: %+v", f)
		}
		w.WantBalanced()
	})
}
