package cardsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// once is an error of the first call of that name only.
func once(what string, err error) func(context.Context, call) error {
	return func(_ context.Context, c call) error {
		if c.what == what && c.n == 1 {
			return err
		}
		return nil
	}
}

func TestSender_activates_what_was_claimed(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		stop := w.run(w.services, w.wechat)
		defer stop()
		w.settle()
		if c := w.card("push", code); c.Status != member.Active || c.MembershipNumber != code || c.ActivatedAt.IsZero() {
			w.Errorf("got %+v", c)
		}
		if got := w.wechat.made(code); got != "activate" {
			w.Errorf("WeChat was called: %s", got)
		}
		_, code = w.claimed("push-2") // while it runs: it is woken
		w.hear(member.Event{Name: taken, CardID: "push-2", Code: code, At: at(6), Restored: true})
		synctest.Wait()
		if got := w.wechat.made(code); got != "activate face" {
			w.Errorf("not both at once: %s", got)
		}
	})
}

// 45061 and its like come on the first call after a card was taken.
func TestSender_tries_again_what_passes(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.before = once("activate", refusal{temporary: true})
		_, code := w.claimed("push")
		began := time.Now()
		w.send()
		if took := time.Since(began); took < 500*time.Millisecond || took > 4*time.Second {
			w.Errorf("took %v", took)
		}
		if got := w.wechat.made(code); got != "activate face activate" || w.wechat.activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.wechat.activated[code])
		}
		if c := w.card("push", code); c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
	})
}

func TestSender_an_answer_that_was_lost_is_not_repeated_blindly(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.after = once("activate", context.DeadlineExceeded)
		_, code := w.claimed("push")
		w.send()
		if got := w.wechat.made(code); got != "activate face" || w.wechat.activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.wechat.activated[code])
		}
		if c := w.card("push", code); c.Status != member.Active || c.MembershipNumber != code {
			w.Errorf("got %+v", c)
		}
	})
}

// Not in a wallet, or not yet: half an hour decides.
func TestSender_parks_what_WeChat_refuses_for_good(t *testing.T) {
	for name, test := range map[string]struct {
		refusal refusal
		calls   int
		after   time.Duration
	}{
		"refused":       {refusal{}, 1, 0},
		"not delivered": {refusal{notDelivered: true}, 16, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.wechat.before = func(context.Context, call) error { return test.refusal }
				_, code := w.claimed("push")
				began := time.Now()
				w.send()
				if b, err := w.Backlog(w.Context()); b.Parked != 1 || err != nil {
					w.Errorf("backlog: %+v, %v", b, err)
				}
				if got := len(strings.Fields(w.wechat.made(code))); got != test.calls || time.Since(began) < test.after {
					w.Errorf("dead after %d calls and %v, want %d and over %v", got, time.Since(began), test.calls, test.after)
				}
				if w.outcomes("activate dead") != 1 {
					w.Errorf("outcomes: %v", w.outcome)
				}

				w.wechat.before = nil // and it holds nothing up
				w.hear(member.Event{Name: taken, CardID: "push", Code: code, At: time.Now(), Restored: true})
				w.send()
				if c := w.card("push", code); c.Status != member.Active {
					w.Errorf("afterwards: %+v", c)
				}
			})
		})
	}
}

// A card on its way to a friend can come back long after others are given up.
func TestSender_waits_for_a_gift_that_comes_back(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		w.wechat.set(code, "GIFTING")
		stop := w.run(w.services, w.wechat)
		defer stop()
		time.Sleep(40 * time.Minute)
		w.wechat.set(code, "")
		w.settle()
		if c := w.card("push", code); c.Status != member.Active || w.outcomes("activate dead") != 0 {
			w.Errorf("got %+v, outcomes %v", c, w.outcome)
		}
		if n := len(strings.Fields(w.wechat.made(code))); n > 8 {
			w.Errorf("%d calls in 40 minutes", n)
		}
	})
}

func TestSender_survives_a_panic(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.before = func(_ context.Context, c call) error {
			if c.n == 1 && c.what == "activate" {
				panic("a bug")
			}
			return nil
		}
		_, code := w.claimed("push")
		w.send()
		if c := w.card("push", code); c.Status != member.Active || w.wechat.activated[code] != 1 {
			w.Errorf("got %+v", c)
		}
	})
}

// Four replicas on two handles, a fifth of the calls failing before or after
// their effect: each card is activated once, and never are two calls about one
// card under way.
func TestSender_many_replicas(t *testing.T) {
	bubble(t, func(w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		fault := func(context.Context, call) error {
			w.mu.Lock()
			took, fails := time.Duration(random.IntN(1000))*time.Millisecond, random.IntN(10) == 0
			w.mu.Unlock()
			time.Sleep(took)
			if fails {
				return refusal{temporary: true}
			}
			return nil
		}
		w.wechat.before, w.wechat.after = fault, fault
		other := storesOn(w.open())
		for _, s := range []stores{w.stores(), other, w.stores(), other} {
			defer w.run(w.replica(s), w.wechat)()
		}
		const cards = 40
		var codes []string
		for i := range cards {
			id := enroll(w, w.services, mini, fmt.Sprint("member ", i), "")
			code := codeOf(w, w.services, id, "push")
			codes = append(codes, code)
			if _, err := w.Claim(w.Context(), id, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush}}); err != nil {
				w.Fatal(err)
			}
			w.hear(member.Event{Name: taken, CardID: "push", Code: code, OpenID: fmt.Sprint("O", i), At: at(1)})
			w.hear(member.Event{Name: taken, CardID: "push", Code: code, OpenID: fmt.Sprint("O", i), At: at(9), Restored: true})
		}
		w.settle()
		for _, code := range codes {
			if c := w.card("push", code); c.Status != member.Active || w.wechat.activated[code] != 1 {
				w.Errorf("%s: activated %d times (%s), %+v", code, w.wechat.activated[code], w.wechat.made(code), c)
			}
		}
		if w.wechat.overlaps > 0 {
			w.Errorf("%d calls about a card began while another was under way", w.wechat.overlaps)
		}
		if w.outcomes("activate postponed") == 0 {
			w.Error("no fault happened")
		}
	})
}

// meddling does something of its own in the stores of a replica.
type meddling struct {
	leased func()       // after a Lease, before its answer
	write  func() error // instead of a Write, if it returns an error
}

// in returns the stores with m in them.
func (m *meddling) in(s stores) stores {
	return stores{meddledOutbox{s.outbox, m}, meddledLedger{s.ledger, m}, meddledMembers{s.members, m}, meddledSync{s.sync, m}}
}

func (m *meddling) instead() error {
	if m.write == nil {
		return nil
	}
	return m.write()
}

type (
	meddledOutbox struct {
		outbox.Store
		m *meddling
	}
	meddledLedger struct {
		ledger.Store
		m *meddling
	}
	meddledMembers struct {
		member.Store
		m *meddling
	}
	meddledSync struct {
		cardsync.Store
		m *meddling
	}
)

func (s meddledOutbox) Lease(ctx context.Context, name string, time time.Duration, n int) ([]outbox.Message, error) {
	messages, err := s.Store.Lease(ctx, name, time, n)
	if len(messages) > 0 && s.m.leased != nil {
		s.m.leased()
	}
	return messages, err
}

func (s meddledOutbox) Write(ctx context.Context, fn func(context.Context, outbox.Tx) error) error {
	if err := s.m.instead(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s meddledLedger) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	if err := s.m.instead(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s meddledMembers) Write(ctx context.Context, fn func(context.Context, member.Tx) error) error {
	if err := s.m.instead(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func (s meddledSync) Write(ctx context.Context, fn func(context.Context, cardsync.Tx) error) error {
	if err := s.m.instead(); err != nil {
		return err
	}
	return s.Store.Write(ctx, fn)
}

func TestSender_that_was_stopped_past_its_lease_does_not_send(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		paused := &meddling{leased: func() { time.Sleep(18 * time.Second) }}
		stopPaused := w.run(w.replica(paused.in(w.stores())), w.wechat)
		synctest.Wait()
		w.wechat.before = func(context.Context, call) error { time.Sleep(4 * time.Second); return nil }
		stop := w.run(w.services, w.wechat) // takes over after 15 s and is not done after 18
		w.settle()
		if got := w.wechat.made(code); got != "face activate" || w.wechat.overlaps > 0 {
			w.Errorf("WeChat was called: %s", got)
		}
		if w.outcomes("activate lost") != 1 || w.outcomes("activate done") != 1 {
			w.Errorf("outcomes: %v", w.outcome)
		}
		stop()
		stopPaused()
	})
}

// A call may take its time: nobody else takes over.
func TestSender_keeps_its_lease_during_a_slow_call(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.before = func(context.Context, call) error { time.Sleep(9 * time.Second); return nil }
		_, code := w.claimed("push")
		defer w.run(w.replica(w.stores()), w.wechat)()
		defer w.run(w.replica(w.stores()), w.wechat)()
		w.settle()
		if got := w.wechat.made(code); got != "activate" || w.outcomes("activate done") != 1 {
			w.Errorf("WeChat was called: %s, outcomes %v", got, w.outcome)
		}
	})
}

// Whoever is slow at WeChat has lost its lease when the answer is there.
func TestSender_whose_call_outlasts_the_lease_writes_nothing(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		slow := newWeChat() // and deaf: it does not end with its context
		slow.before = func(context.Context, call) error { time.Sleep(time.Minute); return nil }
		stopSlow := w.run(w.replica(w.stores()), slow)
		synctest.Wait()
		stop := w.run(w.services, w.wechat)
		w.settle()
		before := w.card("push", code)
		time.Sleep(2 * time.Minute)
		if after := w.card("push", code); after != before || after.Status != member.Active {
			w.Errorf("got %+v, want %+v", after, before)
		}
		if w.outcomes("activate lost") == 0 || w.outcomes("activate done") != 1 {
			w.Errorf("outcomes: %v", w.outcome)
		}
		stop()
		stopSlow()
	})
}

// A process that dies between the call and the note of it leaves the message
// behind; who finds it looks before it activates again.
func TestSender_killed_between_the_effect_and_its_note(t *testing.T) {
	bubble(t, func(w *world) {
		_, code := w.claimed("push")
		killed := errors.New("killed")
		dying := &meddling{}
		w.wechat.after = func(context.Context, call) error {
			dying.write = func() error { return killed }
			return nil
		}
		stop := w.run(w.replica(dying.in(w.stores())), w.wechat)
		time.Sleep(time.Second)
		stop()
		if c := w.card("push", code); c.Status != member.Claimed || w.wechat.activated[code] != 1 {
			w.Fatalf("after the kill: %+v, activated %d times", c, w.wechat.activated[code])
		}
		w.wechat.after = nil
		began := time.Now()
		w.send()
		if c := w.card("push", code); c.Status != member.Active || c.MembershipNumber != code {
			w.Errorf("got %+v", c)
		}
		if got := w.wechat.made(code); got != "activate face" || w.wechat.activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.wechat.activated[code])
		}
		if took := time.Since(began); took > 16*time.Second {
			w.Errorf("found after %v", took)
		}
	})
}

func TestSender_learns_the_card_of_an_early_event(t *testing.T) {
	bubble(t, func(w *world) {
		w.cards.fail(refusal{temporary: true})
		for i := range 3 { // three deliveries
			w.hear(member.Event{DedupeKey: "same", Name: taken, CardID: "late-1", Code: "s1", At: at(1)})
			w.hear(member.Event{DedupeKey: "foreign", Name: taken, CardID: "foreign-1", Code: "f1", At: at(1)})
			if b, err := w.Backlog(w.Context()); b.Waiting != 2 || err != nil {
				w.Errorf("delivery %d: %+v, %v", i, b, err)
			}
		}
		stop := w.run(w.services, w.wechat)
		time.Sleep(10 * time.Second)
		if _, err := w.store.Card(w.Context(), "late-1", "s1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("applied without knowing the card: %v", err)
		}
		w.cards.fail(nil)
		w.settle()
		stop()
		if c := w.card("late-1", "s1"); c.Status != member.Active || c.ClaimedAt != at(1) || w.wechat.activated["s1"] != 1 {
			w.Errorf("learned: %+v", c)
		}
		if _, err := w.store.Card(w.Context(), "foreign-1", "f1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("another account's card was applied: %v", err)
		}
		if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
			w.Errorf("left: %+v, %v", b, err)
		}
	})
}

func TestRun_lets_a_call_under_way_finish(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.before = func(ctx context.Context, _ call) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		_, code := w.claimed("push")
		stop := w.run(w.services, w.wechat)
		synctest.Wait() // under way
		stop()
		if c := w.card("push", code); c.Status != member.Active || w.outcomes("activate done") != 1 {
			w.Errorf("got %+v, outcomes %v", c, w.outcome)
		}
	})
}

// A deployment does not wait for WeChat: what is cut off is given back, and the
// next replica looks first.
func TestRun_cuts_off_a_call_that_hangs(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.after = func(ctx context.Context, c call) error {
			if c.what == "activate" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		_, code := w.claimed("push")
		stop := w.run(w.services, w.wechat)
		synctest.Wait() // under way
		began := time.Now()
		stop()
		if took := time.Since(began); took > 4*time.Second {
			w.Errorf("Run returned after %v", took)
		}
		if w.outcomes("activate released") != 1 {
			w.Errorf("outcomes: %v", w.outcome)
		}
		began = time.Now()
		w.send()
		if took := time.Since(began); took > 2*time.Second {
			w.Errorf("sent by the next after %v: the lease was not given back", took)
		}
		if got := w.wechat.made(code); got != "activate face" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// What was done when the time was over is written down all the same.
func TestRun_notes_a_call_that_ended_after_the_cut(t *testing.T) {
	bubble(t, func(w *world) {
		w.wechat.before = func(context.Context, call) error { time.Sleep(4 * time.Second); return nil }
		_, code := w.claimed("push")
		stop := w.run(w.services, w.wechat)
		synctest.Wait() // under way
		stop()
		if c := w.card("push", code); c.Status != member.Active || w.outcomes("activate done") != 1 {
			w.Errorf("got %+v, outcomes %v", c, w.outcome)
		}
	})
}

func TestRun_ends_at_once_when_idle_and_when_the_database_is_gone(t *testing.T) {
	bubble(t, func(w *world) {
		stop := w.run(w.services, w.wechat)
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		down := &meddling{write: func() error { return errors.New("down") }}
		w.claimed("push")
		stop = w.run(w.replica(down.in(w.stores())), w.wechat)
		time.Sleep(time.Second)
		stop()
		if took := time.Since(began); took > 3*time.Second {
			w.Errorf("took %v", took)
		}
	})
}
