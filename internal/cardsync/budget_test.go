package cardsync_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/world"
)

// run runs a Reconciler alone for that long, and returns how often it called WeChat, by
// the call's name.
func run(w *world.World, r *cardsync.Reconciler, long time.Duration) map[string]int {
	var mu sync.Mutex
	calls := map[string]int{}
	w.WeChat.Intercept(func(_ context.Context, c world.Call) error {
		mu.Lock()
		defer mu.Unlock()
		calls[c.Name]++
		return nil
	}, nil)
	ctx, cancel := context.WithTimeout(w.Context(), long)
	defer cancel()
	r.Run(ctx)
	return calls
}

var unobserved = cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}

// take lets so many people take a card.
func take(w *world.World, n int) {
	for i := range n {
		w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: fmt.Sprint("O", i), CardID: "push", Code: fmt.Sprint("s", i), At: world.At(1)})
	}
	w.SendAll()
}

// notDue makes a card due in a week, as one that has not changed for long.
func notDue(w *world.World, code string) {
	const week = 7 * 24 * time.Hour
	if err := w.Store.Write(w.Context(), func(ctx context.Context, tx cardsync.Tx) error {
		return tx.Checked(ctx, "push", code, week, week)
	}); err != nil {
		w.Fatal(err)
	}
}

// Wallets get a third of a round's calls, and cards the rest.
func TestReconcile_SharesARoundBetweenWalletsAndCards(t *testing.T) {
	world.Run(t, func(w *world.World) {
		take(w, 40)
		time.Sleep(24 * time.Hour)
		calls := run(w, w.Reconciler(w.Services, unobserved), 10*time.Second)
		if want := map[string]int{"cards": 10, "info": 20}; !maps.Equal(calls, want) {
			t.Errorf("WeChat was called %v, want %v", calls, want)
		}
	})
}

// spy is a Store that keeps the bounds of the waits that are recorded.
type spy struct {
	cardsync.Store
	waits map[string]time.Duration
}

func (s spy) Write(ctx context.Context, fn func(context.Context, cardsync.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx cardsync.Tx) error { return fn(ctx, spyTx{tx, s.waits}) })
}

type spyTx struct {
	cardsync.Tx
	waits map[string]time.Duration
}

func (s spyTx) Checked(ctx context.Context, cardID, code string, least, most time.Duration) error {
	s.waits[code+" least"], s.waits[code+" most"] = least, most
	return s.Tx.Checked(ctx, cardID, code, least, most)
}

func (s spyTx) WalletChecked(ctx context.Context, id member.Identity, least, most time.Duration) error {
	s.waits["wallet least"], s.waits["wallet most"] = least, most
	return s.Tx.WalletChecked(ctx, id, least, most)
}

// A card is compared once a week at least, a code that is not taken once in four weeks.
func TestReconcile_WaitsAWeekAtMost(t *testing.T) {
	world.Run(t, func(w *world.World) {
		take(w, 1)
		issued := world.IssueCode(w, w.Members, world.Enroll(w, w.Members, world.Mini, "ming", ""), "push")
		time.Sleep(24 * time.Hour)
		s := spy{w.Store, map[string]time.Duration{}}
		r := cardsync.New(s, w.Members, w.WeChat).NewReconciler(w.WeChat, w.Ledger, world.Official, func() {}, noLog, unobserved)
		run(w, r, 10*time.Second)
		const week = 7 * 24 * time.Hour
		want := map[string]time.Duration{
			"wallet least": member.FirstCheck, "wallet most": week, "s0 least": member.FirstCheck, "s0 most": week,
			issued + " least": member.FirstCheck, issued + " most": 4 * week,
		}
		if !maps.Equal(s.waits, want) {
			t.Errorf("the waits are %v, want %v", s.waits, want)
		}
	})
}

// The stored value on a face is set right as the points are.
func TestReconcile_ABalanceThatDiffersIsSetRight(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", ledger.Booking{AddBonus: 30, AddBalance: 500})
		w.WeChat.SetFigures(code, 0, 0)
		if got, _ := reconcile(w, 30*time.Minute); got["repaired"] != 1 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 30, 500)
	})
}

// A card that has not changed for a while is compared soon after its next entry.
func TestReconcile_ComparesSoonAfterAnEntry(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		notDue(w, code)
		w.MustAddEntry("push", code, world.Points(30))
		w.SendAll()
		w.WeChat.SetBonus(code, 0)
		if got, _ := reconcile(w, 30*time.Minute); got["repaired"] != 1 {
			t.Errorf("outcomes: %v", got)
		}
		w.WantFace(code, 30, 0, "bonus +30 30 r30")
	})
}

// The whole ledger is added up each day, and what does not add up is counted.
func TestReconcile_AddsUpTheLedgerEachDay(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", world.Points(30))
		_, first := reconcile(w, time.Minute)
		if err := w.DB.Write(w.Context(), func(ctx context.Context, tx sqldb.Querier) error {
			return sqldb.Queries{Querier: tx}.Run(ctx, "falsify", `update member_card set bonus = 31 where code = $1`, code)
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Hour)
		_, again := reconcile(w, time.Minute)
		time.Sleep(4 * time.Hour)
		_, next := reconcile(w, time.Minute)
		if fmt.Sprint(first, again, next) != "[0] [] [1]" {
			t.Errorf("unbalanced: at first %v, on the same day %v, on the next %v", first, again, next)
		}
	})
}

// No handler calls WeChat more than two hundred times a second.
func TestHandlers_KeepToARate(t *testing.T) {
	for kind, cardID := range map[string]string{member.KindRefresh: "push", ledger.KindTotals: "push", member.KindActivate: "push-2"} {
		t.Run(kind, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				code := w.ActivateCard("push")
				if kind == member.KindActivate {
					_, code = w.ClaimCard(cardID)
				}
				handler := cardsync.New(w.Store, w.Members, w.WeChat).Handlers()[kind]
				began, before := time.Now(), w.WeChat.CallCount()
				for i := 0; i < 240 && w.WeChat.CallCount() < before+240; i++ { // the message is not in the outbox: no outcome is stored
					_ = handler.Send(w.Context(), outbox.Message{CardID: cardID, Code: code, Kind: kind})
					w.WeChat.Activated[code] = min(w.WeChat.Activated[code], 1)
					if kind == member.KindActivate {
						w.WeChat.Activated[code] = 0
					}
				}
				took, n := time.Since(began), w.WeChat.CallCount()-before
				if least := time.Duration(n-201) * time.Second / 200; n < 240 || took < least {
					t.Errorf("%d calls in %v, want at least %v", n, took, least)
				}
			})
		})
	}
}

// The mini-program reports a card a moment after WeChat's event. A card with a form whose
// holder it does not know is activated a while later, so that it can prove to hold it.
func TestActivate_AwaitsTheReportOnce(t *testing.T) {
	world.Run(t, func(w *world.World) {
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "form", Code: "f1", At: world.At(1)})
		w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: "form", Code: "f1", At: world.At(2)})
		time.Sleep(15 * time.Second)
		if calls := w.WeChat.Calls("f1"); strings.Contains(calls, "activate") {
			t.Errorf("before the report WeChat was called: %s", calls)
		}
		time.Sleep(10 * time.Second)
		if c, calls := w.Card("form", "f1"), w.WeChat.Calls("f1"); strings.Count(calls, "activate") != 1 || c.Status != member.Active {
			t.Errorf("without a report WeChat was called: %s; %+v", calls, c)
		}
	})
}

// Symptom: a card that WeChat did not show as active was activated without a pause. An
// activation that does not show is repeated after a minute, and then rarely.
func TestActivate_IsRepeatedAfterAMinute(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.HidesActive = true
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		_, code := w.ClaimCard("push")
		w.MustAddEntry("push", code, world.Points(3))
		activated := func(want int) {
			t.Helper()
			if n := strings.Count(w.WeChat.Calls(code), "activate"); n != want {
				t.Fatalf("activated %d times, want %d", n, want)
			}
		}
		time.Sleep(50 * time.Second)
		activated(1)
		time.Sleep(40 * time.Second)
		activated(2)
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		go w.Reconciler(w.Services, unobserved).Run(ctx)
		time.Sleep(15 * time.Minute)
		if n := len(strings.Fields(w.WeChat.Calls(code))); n > 40 {
			t.Errorf("%d calls in a quarter of an hour", n)
		}
		w.WeChat.SetHidesActive(false)
		time.Sleep(30 * time.Minute)
		w.WaitSent()
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
		w.WantBalanced()
	})
}

// A Sender that ends right after WeChat's answer records it all the same: the holder
// gets no second message, and no push is taken for one that was not sent.
func TestHandlers_RecordAnAnswerThoughTheTimeIsOver(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.MustAddEntry("push", code, world.Points(3))
		list, err := w.Stores.Outbox.Lease(w.Context(), "ending", time.Minute, 9)
		if err != nil || len(list) != 1 {
			t.Fatalf("leased %+v, %v", list, err)
		}
		ctx, end := context.WithCancel(w.Context())
		w.WeChat.After = func(context.Context, world.Call) error { end(); return nil }
		handler := cardsync.New(w.Store, w.Members, w.WeChat).Handlers()[list[0].Kind]
		if err := handler.Send(ctx, list[0]); err != nil {
			t.Errorf("sent, and not recorded: %v", err)
		}
		if b, err := w.Backlog(w.Context()); err != nil || b.Waiting != 0 {
			t.Errorf("%d messages wait, %v", b.Waiting, err)
		}
		if err := handler.Lost(ctx, list[0]); err != nil { // as if the lease had ended before
			t.Errorf("the repair: %v", err)
		}
		if b, err := w.Backlog(w.Context()); err != nil || b.Waiting != 1 {
			t.Errorf("%d repairs wait, %v", b.Waiting, err)
		}
	})
}

// A drift shows both figures of the face, and both of the ledger.
func TestReconcile_ADriftHasAllFigures(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCardWith("push", ledger.Booking{AddBonus: 30, AddBalance: 500})
		w.WeChat.SetFigures(code, 35, 700)
		w.ReceiveEvent(member.Event{DedupeKey: "theirs", Name: "update_member_card", CardID: "push", Code: code, At: world.At(4),
			Fields: map[string]string{"ModifyBonus": "5", "ModifyBalance": "200"}})
		reconcile(w, 30*time.Minute)
		d, err := w.DriftOf(w.Context(), "push", code)
		want := cardsync.Drift{CardID: "push", Code: code, Bonus: 30, Balance: 500, FaceBonus: 35, FaceBalance: 700, SeenAt: d.SeenAt}
		if err != nil || d != want {
			t.Errorf("got %+v, %v, want %+v", d, err, want)
		}
	})
}

// A deleted card that is in its holder's wallet again is read, though it is not due.
func TestReconcile_AWalletShowsWhatWasRestored(t *testing.T) {
	world.Run(t, func(w *world.World) {
		take(w, 1)
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: "s0", OpenID: "O0", At: world.At(5)})
		w.SendAll()
		w.WeChat.Holders[cardsync.Key{CardID: "push", Code: "s0"}] = "O0" // restored; the event is lost
		time.Sleep(24 * time.Hour)
		notDue(w, "s0")
		reconcile(w, time.Minute)
		if c := w.Card("push", "s0"); c.Status != member.Active {
			t.Errorf("got %+v", c)
		}
	})
}

// silent is a WeChat that does not say the balance of a card.
type silent struct{ *world.WeChat }

func (s silent) CardInfo(ctx context.Context, cardID, code string) (member.CardInfo, error) {
	info, err := s.WeChat.CardInfo(ctx, cardID, code)
	info.Balance = nil
	return info, err
}

// After a lost request WeChat is asked for both figures: the points alone say nothing
// about a payment.
func TestPush_APaymentThatWasLostIsSentAgain(t *testing.T) {
	for name, isSilent := range map[string]bool{"the old balance": false, "no balance": true} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				code := w.ActivateCard("push")
				w.WeChat.Before = world.FailOnce("update", context.DeadlineExceeded)
				wechat := cardsync.WeChat(w.WeChat)
				if isSilent {
					wechat = silent{w.WeChat}
				}
				w.MustAddEntry("push", code, ledger.Booking{AddBalance: 500, RecordBalance: "充值", NotifyBalance: true})
				stop := w.StartSender(w.Services, wechat)
				w.WaitSent()
				stop()
				w.WantFace(code, 0, 500, "balance +500 500 充值")
				w.WantBalanced()
			})
		})
	}
}

// elsewhere is a WeChat that has every code in no wallet, and says so without an error.
type elsewhere struct{ *world.WeChat }

func (elsewhere) Holder(context.Context, string, string) (openID, outerStr string, err error) {
	return "", "", nil
}

// A code that another card of the account has, too, is not claimed.
func TestReconcile_ACodeInNoWalletIsNotFound(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := world.IssueCode(w, w.Members, world.Enroll(w, w.Members, world.Mini, "ming", ""), "push")
		time.Sleep(24 * time.Hour)
		outcomes := map[string]int{}
		o := cardsync.Observer{Checked: func(outcome string) { outcomes[outcome]++ }, Unbalanced: func(int) {}}
		r := w.NewReconciler(elsewhere{w.WeChat}, w.Ledger, world.Official, func() {}, noLog, o)
		run(w, r, 10*time.Second)
		if c := w.Card("push", code); c.Status != member.Issued || !maps.Equal(outcomes, map[string]int{"absent": 1}) {
			t.Errorf("got %+v, outcomes %v", c, outcomes)
		}
	})
}

// WeChat refuses an update of an active card for a while. To activate it again would
// reset its totals.
func TestPush_ARefusedCardThatIsActiveIsNotActivatedAgain(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Before = world.FailOnce("update", world.RefusalError{IsNotDelivered: true})
		w.MustAddEntry("push", code, world.Points(3))
		w.SendAll()
		if n := w.WeChat.Activated[code]; n != 1 {
			t.Errorf("activated %d times", n)
		}
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
		w.WantBalanced()
	})
}

// The entries of a deleted card are sent when it is restored: until then its face is
// not wrong.
func TestReconcile_LeavesADeletedCardAlone(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		w.WeChat.SetStatus(code, "DELETE")
		w.MustAddEntry("push", code, world.Points(3))
		if got, _ := reconcile(w, 30*time.Minute); got["equal"] == 0 || got["repaired"] != 0 {
			t.Errorf("outcomes: %v", got)
		}
	})
}

// A card that has been ended is not asked for, though it was to be read.
func TestRefresh_NotAfterTheEnd(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: "push", Code: code, At: world.At(5)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: world.At(6), Restored: true}) // to be read
		if err := w.End(w.Context(), "push", code); err != nil {
			t.Fatal(err)
		}
		before := w.WeChat.Calls(code)
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Unavailable || w.WeChat.Calls(code) != before {
			t.Errorf("got %+v; WeChat was called: %s", c, w.WeChat.Calls(code))
		}
	})
}

var noLog = slog.New(slog.DiscardHandler)
