package cardsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// active makes ming's active card and returns its code.
func (w *world) active(cardID string) string {
	w.Helper()
	_, code := w.claimed(cardID)
	w.send()
	return code
}

// booked books b on a card.
func (w *world) booked(cardID, code string, b ledger.Booking) (id string) {
	w.Helper()
	w.mu.Lock()
	w.keys++
	key := fmt.Sprint("key ", w.keys)
	w.mu.Unlock()
	answer, _, err := w.AddEntry(context.WithoutCancel(w.Context()), cardID, code, b, ledger.Request{
		Route: "POST", Key: key, Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil },
	})
	if err != nil {
		w.Fatal(err)
	}
	return string(answer)
}

func points(n int64) ledger.Booking {
	return ledger.Booking{AddBonus: n, RecordBonus: fmt.Sprint("r", n), NotifyBonus: true, NotifyBalance: true}
}

func silent(n int64) ledger.Booking { return ledger.Booking{AddBonus: n} }

// sees checks the figures on a card's face, and what its holder was told.
func (w *world) sees(code string, bonus, balance int64, heard ...string) {
	w.Helper()
	f := w.wechat.shown(code)
	if f.bonus != bonus || f.balance != balance {
		w.Errorf("the face shows %d and %d, want %d and %d", f.bonus, f.balance, bonus, balance)
	}
	if !slices.Equal(f.heard, heard) {
		w.Errorf("the holder heard\n %s\nwant\n %s", strings.Join(f.heard, "\n "), strings.Join(heard, "\n "))
	}
}

// balanced checks that the ledger adds up and nothing is left to be sent.
func (w *world) balanced() {
	w.Helper()
	if wrong, err := w.Unbalanced(w.Context(), 9); len(wrong) != 0 || err != nil {
		w.Errorf("%+v do not add up, %v", wrong, err)
	}
	if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
		w.Errorf("left: %+v, %v", b, err)
	}
}

func TestPush_entries_reach_the_face_in_order(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.booked("push", code, points(30))
		w.booked("push", code, ledger.Booking{AddBonus: -10, AddBalance: 500, RecordBonus: "spent", RecordBalance: "充值", NotifyBonus: true, NotifyBalance: true})
		w.booked("push", code, ledger.Booking{AddBalance: -200, RecordBalance: "quiet", NotifyBonus: true})
		w.send()
		w.sees(code, 20, 300, "bonus +30 30 r30", "bonus -10 20 spent", "balance +500 500 充值")
		w.balanced()
		if got := w.wechat.made(code); got != "activate update update update" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// Entries that notify nobody are sent together. Before one that notifies the
// face is set, so that it shows whether that one was told.
func TestPush_coalesces_what_notifies_nobody(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		for range 5 {
			w.booked("push", code, silent(1))
		}
		w.booked("push", code, points(10))
		for range 5 {
			w.booked("push", code, silent(1))
		}
		w.send()
		w.sees(code, 20, 0, "bonus +10 15 r10")
		w.balanced()
		if got := w.wechat.made(code); got != "activate update update update" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

func TestPush_waits_until_the_card_is_active(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.booked("push", code, points(30))
		w.booked("push", code, points(12))
		if c := w.card("push", code); c.Status != member.Claimed || c.Bonus != 42 {
			w.Errorf("got %+v", c)
		}
		if list, err := w.Entries(w.Context(), "push", code, 0, 9); err != nil || list[0].Sent != ledger.SentHeld {
			w.Errorf("entries: %+v, %v", list, err)
		}
		w.send()
		w.sees(code, 42, 0, "bonus +30 30 r30", "bonus +12 42 r12")
		w.balanced()
		if list, err := w.Entries(w.Context(), "push", code, 0, 9); err != nil || list[0].Sent != ledger.SentDone || list[1].Sent != ledger.SentDone {
			w.Errorf("entries: %+v, %v", list, err)
		}
	})
}

// What is booked on a deleted card is sent when it is restored, in order.
func TestPush_waits_for_the_restore(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.booked("push", code, points(1))
		w.booked("push", code, silent(2))
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		w.wechat.set(code, "DELETE")
		w.booked("push", code, points(3))
		w.send()
		w.sees(code, 0, 0)
		w.balanced()
		w.wechat.set(code, "")
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.booked("push", code, points(4))
		w.send()
		w.sees(code, 10, 0, "bonus +1 1 r1", "bonus +3 6 r3", "bonus +4 10 r4")
		w.balanced()
	})
}

// The event of the deletion was lost: WeChat's refusal is looked into.
func TestPush_finds_out_why_it_is_refused(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.wechat.set(code, "DELETE")
		w.booked("push", code, points(3))
		w.booked("push", code, points(4))
		w.send()
		if c := w.card("push", code); c.Status != member.Deleted {
			w.Errorf("got %+v", c)
		}
		w.wechat.set(code, "")
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: time.Now().Add(time.Hour), Restored: true})
		w.send()
		w.sees(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
		w.balanced()
	})
}

func TestPush_activates_what_is_not_active_any_more(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.wechat.activated[code] = 0
		w.booked("push", code, points(3))
		w.send()
		w.sees(code, 3, 0, "bonus +3 3 r3")
		w.balanced()
	})
}

func TestFields_of_a_card_that_is_not_active_any_more(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.booked("push", code, points(3))
		w.send()
		w.wechat.activated[code] = 0 // and activating it anew forgets the figures
		level := "黄金"
		if _, err := w.SetFields(w.Context(), "push", code, member.FieldChange{Values: [3]*string{&level}}); err != nil {
			t.Fatal(err)
		}
		w.send()
		if f := w.wechat.shown(code); f.fields[0] != level {
			t.Errorf("the face: %+v", f)
		}
		w.sees(code, 3, 0, "bonus +3 3 r3")
		w.balanced()
	})
}

// After a lost answer WeChat is asked, so nobody gets a message twice; after a
// refusal that passes it goes out again.
func TestPush_tells_once_what_may_have_been_told(t *testing.T) {
	for name, set := range map[string]func(w *wechat){
		"the answer is lost":  func(w *wechat) { w.after = once("update", context.DeadlineExceeded) },
		"the request is lost": func(w *wechat) { w.before = once("update", context.DeadlineExceeded) },
		"refused for now":     func(w *wechat) { w.before = once("update", refusal{temporary: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				code := w.active("push")
				set(w.wechat)
				w.booked("push", code, points(3))
				w.booked("push", code, points(4))
				w.send()
				w.sees(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
				w.balanced()
			})
		})
	}
}

// What WeChat refuses for good holds nothing up; retried, it does not bring the
// old totals back.
func TestPush_parked_and_retried(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.wechat.before = func(_ context.Context, c call) error {
			if c.what == "update" && c.n == 1 {
				return refusal{}
			}
			return nil
		}
		id := w.booked("push", code, points(3))
		w.booked("push", code, points(4))
		w.send()
		w.sees(code, 7, 0, "bonus +4 7 r4")
		if list, err := w.Entries(w.Context(), "push", code, 0, 9); err != nil || list[1].Sent != ledger.SentParked || list[0].Sent != ledger.SentDone {
			w.Errorf("entries: %+v, %v", list, err)
		}
		list, err := w.Messages(w.Context(), outbox.Parked, outbox.Mark{}, 9)
		if err != nil || len(list) != 1 || list[0].ID != id || list[0].Attempts != 1 || list[0].LastError != "refused" {
			w.Fatalf("the outbox: %+v, %v", list, err)
		}
		if err := w.Retry(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		w.booked("push", code, points(5)) // behind it
		w.send()
		w.sees(code, 12, 0, "bonus +4 7 r4", "bonus +3 7 r3", "bonus +5 12 r5")
		w.balanced()
		if err := w.Retry(w.Context(), id); !errors.Is(err, outbox.ErrNotFound) {
			w.Errorf("retry of what is done: %v", err)
		}
	})
}

func TestRetry_of_a_message_that_waits_sends_it_now(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.wechat.before = func(_ context.Context, c call) error {
			if c.what == "update" && c.n == 1 {
				return refusal{quota: 3 * time.Hour}
			}
			return nil
		}
		id := w.booked("push", code, points(3))
		stop := w.run(w.services, w.wechat)
		defer stop()
		time.Sleep(time.Minute)
		began := time.Now()
		if err := w.Retry(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		w.settle()
		if time.Since(began) > time.Minute {
			w.Errorf("took %v", time.Since(began))
		}
		w.sees(code, 3, 0, "bonus +3 3 r3")
	})
}

// stalled is WeChat for a worker that is stopped before a call, whatever its
// deadline.
type stalled struct {
	*wechat
	release chan struct{}
}

func (s *stalled) Update(ctx context.Context, u cardsync.Update) error {
	<-s.release
	return s.wechat.Update(ctx, u)
}

// A worker that was stopped longer than its lease sends an old total after a
// newer one: the face is right in the end.
func TestPush_a_late_sender_leaves_the_face_right(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.booked("push", code, points(3))
		stopped := &stalled{wechat: w.wechat, release: make(chan struct{})}
		stopLate := w.run(w.replica(w.stores()), stopped)
		synctest.Wait()
		stop := w.run(w.services, w.wechat)
		time.Sleep(20 * time.Second) // the lease ends
		w.booked("push", code, points(4))
		w.settle()
		w.sees(code, 7, 0, "bonus +3 3 r3", "bonus +4 7 r4")
		close(stopped.release)
		time.Sleep(time.Minute)
		w.settle()
		stopLate()
		stop()
		if f := w.wechat.shown(code); f.bonus != 7 || !slices.Contains(f.totals, 3) || f.totals[len(f.totals)-1] != 7 {
			w.Errorf("the face: %+v", f)
		}
		w.balanced()
	})
}

func TestOpening_is_booked_once_with_the_activation(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push-opens")
		list, err := w.Entries(w.Context(), "push-opens", code, 0, 9)
		if err != nil || len(list) != 1 || list[0].Seq != 1 || list[0].AddBonus != 100 || list[0].Balance != 7 || list[0].RecordBonus != opening.Record || list[0].Sent != ledger.SentDone {
			w.Fatalf("entries: %+v, %v", list, err)
		}
		w.sees(code, 100, 7, "begins 开卡送积分 100")
		if got := w.wechat.made(code); got != "activate" {
			w.Errorf("WeChat was called: %s", got)
		}
		w.booked("push-opens", code, points(5))
		w.send()
		w.hear(member.Event{Name: dropped, CardID: "push-opens", Code: code, At: at(5)})
		w.hear(member.Event{Name: taken, CardID: "push-opens", Code: code, At: at(6), Restored: true})
		w.wechat.activated[code] = 0 // and has to be activated anew, which forgets the figures
		w.send()
		if c := w.card("push-opens", code); c.Bonus != 105 || c.Balance != 7 || c.Seq != 2 {
			w.Errorf("restored: %+v", c)
		}
		w.sees(code, 105, 7, "begins 开卡送积分 100", "bonus +5 105 r5")
		w.balanced()
	})
}

func TestOpening_when_the_answer_of_the_activation_is_lost(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.after = once("activate", context.DeadlineExceeded)
		code := w.active("push-opens")
		w.sees(code, 100, 7, "begins 开卡送积分 100")
		if c := w.card("push-opens", code); c.Bonus != 100 || c.Seq != 1 || w.wechat.activated[code] != 1 {
			w.Errorf("got %+v", c)
		}
		w.balanced()
	})
}

// What was booked before the card was active comes first.
func TestOpening_after_other_entries(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push-opens")
		w.booked("push-opens", code, points(5))
		w.send()
		w.sees(code, 105, 7, "bonus +5 5 r5", "bonus +100 105 开卡送积分", "balance +7 7 ")
		w.balanced()
	})
}

func TestOpening_of_a_card_that_activates_itself(t *testing.T) {
	for _, plan := range []member.Plan{member.PlanAuto, member.PlanForm} {
		t.Run(string(plan), func(t *testing.T) {
			bubble(t, func(w *world) {
				cardID := string(plan) + "-opens"
				w.hear(member.Event{Name: taken, CardID: cardID, Code: "s1", At: at(1)})
				w.wechat.activated["s1"] = 1
				w.hear(member.Event{Name: submitted, CardID: cardID, Code: "s1", At: at(2)})
				w.hear(member.Event{Name: taken, CardID: cardID, Code: "s1", At: at(3), Restored: true})
				w.send()
				w.sees("s1", 100, 7, "bonus +100 100 开卡送积分", "balance +7 7 ")
				if c := w.card(cardID, "s1"); c.Bonus != 100 || c.Seq != 1 {
					w.Errorf("got %+v", c)
				}
				w.balanced()
			})
		})
	}
}

// A card that was given away brings what it had, and no second beginning.
func TestGift_brings_the_ledger_along(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push-opens")
		w.booked("push-opens", code, points(5))
		w.send()
		w.wechat.set(code, "GIFT_SUCC")
		w.hear(member.Event{Name: taken, OpenID: "O2", CardID: "push-opens", Code: "g1", At: at(9), OldCode: code, FriendOpenID: "O1"})
		w.send()
		w.sees("g1", 105, 7)
		if list, err := w.Entries(w.Context(), "push-opens", "g1", 0, 9); len(list) != 2 || list[0].Sent != ledger.SentDone || err != nil {
			w.Errorf("the heir's entries: %+v, %v", list, err)
		}
		if list, err := w.Entries(w.Context(), "push-opens", code, 0, 9); len(list) != 0 || err != nil {
			w.Errorf("the giver's entries: %+v, %v", list, err)
		}
		w.balanced()
	})
}

// Whatever is heard first, what a card begins with is booked once, and is where
// the card is.
func TestOpening_of_a_card_that_was_given_away(t *testing.T) {
	take := member.Event{Name: taken, OpenID: "O1", CardID: "auto-opens", Code: "s1", At: at(1)}
	give := member.Event{Name: taken, OpenID: "O2", CardID: "auto-opens", Code: "g1", At: at(2), OldCode: "s1", FriendOpenID: "O1"}
	again := member.Event{Name: taken, OpenID: "O2", CardID: "auto-opens", Code: "g1", At: at(4), OldCode: "s1", FriendOpenID: "O1", Restored: true}
	plain := member.Event{Name: taken, OpenID: "O2", CardID: "auto-opens", Code: "g1", At: at(3), Restored: true}
	for name, heard := range map[string][]member.Event{
		"in order": {take, give, again}, "the gift first": {give, take, plain}, "repeated": {give, take, give, take},
		"as two cards": {plain, take, give, again}, "the heir first": {plain, give, again, take},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.wechat.activated["s1"], w.wechat.activated["g1"] = 1, 1
				w.wechat.set("s1", "GIFT_SUCC")
				for _, e := range heard {
					w.hear(e)
				}
				w.send()
				if f := w.wechat.shown("g1"); f.bonus != 100 || f.balance != 7 {
					w.Errorf("the face: %+v", f)
				}
				if c := w.card("auto-opens", "s1"); c.Status != member.Gifted || c.Bonus != 0 || c.Balance != 0 {
					w.Errorf("the giver: %+v", c)
				}
				w.balanced()
			})
		})
	}
}

// The giver's card was being activated when it was given away.
func TestOpening_of_a_card_that_is_given_away_meanwhile(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push-opens")
		w.wechat.after = func(_ context.Context, c call) error {
			if c.what == "activate" && c.code == code {
				w.hear(member.Event{Name: taken, OpenID: "O2", CardID: "push-opens", Code: "g1", At: at(9), OldCode: code, FriendOpenID: "O1"})
			}
			return nil
		}
		w.send()
		if c := w.card("push-opens", code); c.Status != member.Gifted || c.Bonus != 0 || c.Balance != 0 {
			w.Errorf("the giver: %+v", c)
		}
		if c, f := w.card("push-opens", "g1"), w.wechat.shown("g1"); c.Bonus != 100 || c.Balance != 7 || f.bonus != 100 || f.balance != 7 {
			w.Errorf("the heir: %+v, face %+v", c, f)
		}
		w.balanced()
	})
}

// The heir's card was known, and credited, before we heard that it was given.
func TestGift_to_one_who_has_a_ledger(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		w.booked("push", code, points(5))
		w.hear(member.Event{Name: taken, OpenID: "O2", CardID: "push", Code: "g1", At: at(9)})
		w.send()
		w.booked("push", "g1", points(2))
		w.wechat.set(code, "GIFT_SUCC")
		w.hear(member.Event{DedupeKey: "gift", Name: taken, OpenID: "O2", CardID: "push", Code: "g1", At: at(9), OldCode: code, FriendOpenID: "O1"})
		w.send()
		w.sees("g1", 7, 0, "bonus +2 2 r2")
		if c := w.card("push", code); c.Status != member.Gifted || c.Bonus != 0 || c.Seq != 2 {
			w.Errorf("the giver: %+v", c)
		}
		w.balanced()
	})
}

func TestFields_reach_the_face(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
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
		w.send()
		if f := w.wechat.shown(code); f.fields != [3]string{"白银", "", "x"} || len(f.heard) != 0 {
			t.Errorf("the face: %+v", f)
		}
		set(true, "黄金", "-", "")
		w.wechat.before = once("update", refusal{temporary: true})
		w.send()
		if f := w.wechat.shown(code); f.fields != [3]string{"黄金", "", ""} || !slices.Equal(f.heard, []string{"field1 黄金", "field3 "}) {
			t.Errorf("the face: %+v", f)
		}
		w.hear(member.Event{Name: dropped, CardID: "push", Code: code, At: at(5)})
		set(false, "-", "late", "-")
		w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: at(6), Restored: true})
		w.send()
		if f := w.wechat.shown(code); f.fields != [3]string{"黄金", "late", ""} {
			t.Errorf("the face: %+v", f)
		}
		if fields, err := w.SetFields(w.Context(), "push", code, member.FieldChange{}); fields != [3]string{"黄金", "late", ""} || err != nil {
			t.Errorf("all fields: %v, %v", fields, err)
		}
		w.balanced()
	})
}

// A value that changes while the old one is on its way is the last word.
func TestFields_changed_while_they_are_sent(t *testing.T) {
	bubble(t, func(w *world) {
		code := w.active("push")
		set := func(v string) {
			if _, err := w.SetFields(context.Background(), "push", code, member.FieldChange{Values: [3]*string{&v}}); err != nil {
				w.Error(err)
			}
		}
		set("a")
		w.wechat.after = during("update", func() { set("b") })
		w.send()
		if f := w.wechat.shown(code); f.fields[0] != "b" {
			w.Errorf("the face: %+v", f)
		}
		w.balanced()
	})
}
