package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

// A code that is not in a wallet may still arrive there, so its message is retried
// for up to half an hour.
func TestSender_ParksWhatWeChatRefusesForGood(t *testing.T) {
	for name, test := range map[string]struct {
		refusal world.RefusalError
		calls   int
		after   time.Duration
	}{
		"refused":       {world.RefusalError{}, 1, 0},
		"not delivered": {world.RefusalError{IsNotDelivered: true}, 16, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				w.WeChat.Before = func(context.Context, world.Call) error { return test.refusal }
				_, code := w.ClaimCard("push")
				began := time.Now()
				w.SendAll()
				if b, err := w.Backlog(w.Context()); b.Parked != 1 || err != nil {
					w.Errorf("backlog: %+v, %v", b, err)
				}
				if got := len(strings.Fields(w.WeChat.Calls(code))); got != test.calls || time.Since(began) < test.after {
					w.Errorf("parked after %d calls and %v, want %d and over %v", got, time.Since(began), test.calls, test.after)
				}
				if w.Outcomes()["activate dead"] != 1 {
					w.Errorf("outcomes: %v", w.Outcomes())
				}

				w.WeChat.Before = nil // a parked message holds no later one up
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, At: time.Now(), Restored: true})
				w.SendAll()
				if c := w.Card("push", code); c.Status != member.Active {
					w.Errorf("afterwards: %+v", c)
				}
			})
		})
	}
}

// A long outage leaves no less time for the card to arrive in the wallet.
func TestSender_AnOutageDoesNotBringAMessageNearerToBeingParked(t *testing.T) {
	outage := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for name, during := range map[string]error{
		"the network": outage, "the account": world.RefusalError{IsPermanent: true}, "the quota": world.RefusalError{RetryIn: time.Minute},
		"a gift": outbox.WaitError{Wait: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				const long = 16
				w.WeChat.Before = func(context.Context, world.Call) error {
					switch {
					case w.WeChat.CallCount() <= long:
						return during
					case w.WeChat.CallCount() <= long+2:
						return world.RefusalError{IsNotDelivered: true}
					}
					return nil
				}
				_, code := w.ClaimCard("push")
				stop := w.StartSender(w.Services, w.WeChat)
				time.Sleep(5 * time.Hour)
				stop()
				if c := w.Card("push", code); c.Status != member.Active || w.Outcomes()["activate dead"] != 0 {
					w.Errorf("got %+v, outcomes %v", c, w.Outcomes())
				}
			})
		})
	}
}

func TestSender_SurvivesAPanic(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Attempt == 1 && c.Name == "activate" {
				panic("a bug")
			}
			return nil
		}
		_, code := w.ClaimCard("push")
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Active || w.WeChat.Activated[code] != 1 {
			w.Errorf("got %+v", c)
		}
	})
}

// With four replicas on two database handles, and a fifth of the calls failing before
// or after their effect, each card is activated once, and no two calls about one card
// overlap.
func TestSender_ManyReplicas(t *testing.T) {
	world.Run(t, func(w *world.World) {
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(1, 2))
		fault := func(context.Context, world.Call) error {
			mu.Lock()
			took, fails := time.Duration(random.IntN(1000))*time.Millisecond, random.IntN(10) == 0
			mu.Unlock()
			time.Sleep(took)
			if fails {
				return world.RefusalError{IsTemporary: true}
			}
			return nil
		}
		w.WeChat.Before, w.WeChat.After = fault, fault
		other := world.StoresOn(w.OpenDB())
		for _, s := range []world.Stores{world.StoresOn(w.DB), other, world.StoresOn(w.DB), other} {
			defer w.StartSender(w.Replica(s), w.WeChat)()
		}
		const cards = 40
		var codes []string
		for i := range cards {
			id := world.Enroll(w, w.Members, world.Mini, fmt.Sprint("member ", i), "")
			code := world.IssueCode(w, w.Members, id, "push")
			codes = append(codes, code)
			if _, err := w.Claim(w.Context(), id, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush}}); err != nil {
				w.Fatal(err)
			}
			w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: fmt.Sprint("O", i), At: world.At(1)})
			w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: fmt.Sprint("O", i), At: world.At(9), Restored: true})
		}
		w.WaitSent()
		for _, code := range codes {
			if c := w.Card("push", code); c.Status != member.Active || w.WeChat.Activated[code] != 1 {
				w.Errorf("%s: activated %d times (%s), %+v", code, w.WeChat.Activated[code], w.WeChat.Calls(code), c)
			}
		}
		if w.WeChat.Overlaps > 0 {
			w.Errorf("%d calls about a card began while another was under way", w.WeChat.Overlaps)
		}
		if w.Outcomes()["activate postponed"] == 0 {
			w.Error("no fault happened")
		}
	})
}

func TestSender_ThatWasStoppedPastItsLeaseDoesNotSend(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		paused := &world.StoreHooks{AfterLease: func() { time.Sleep(18 * time.Second) }}
		stopPaused := w.StartSender(w.Replica(paused.Wrap(world.StoresOn(w.DB))), w.WeChat)
		synctest.Wait()
		w.WeChat.Before = func(context.Context, world.Call) error { time.Sleep(4 * time.Second); return nil }
		stop := w.StartSender(w.Services, w.WeChat) // takes over after 15 s and is not done after 18
		w.WaitSent()
		if got := w.WeChat.Calls(code); got != "info activate info" || w.WeChat.Overlaps > 0 {
			w.Errorf("WeChat was called: %s", got)
		}
		if w.Outcomes()["activate lost"] != 1 || w.Outcomes()["activate done"] != 1 {
			w.Errorf("outcomes: %v", w.Outcomes())
		}
		stop()
		stopPaused()
	})
}

// A slow call keeps its lease: no other Sender takes over.
func TestSender_KeepsItsLeaseDuringASlowCall(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Before = slowActivation(9 * time.Second)
		_, code := w.ClaimCard("push")
		defer w.StartSender(w.Replica(world.StoresOn(w.DB)), w.WeChat)()
		defer w.StartSender(w.Replica(world.StoresOn(w.DB)), w.WeChat)()
		w.WaitSent()
		if got := w.WeChat.Calls(code); got != "info activate info" || w.Outcomes()["activate done"] != 1 {
			w.Errorf("WeChat was called: %s, outcomes %v", got, w.Outcomes())
		}
	})
}

// A Sender that lost its lease during a call records nothing when the answer comes.
func TestSender_WhoseCallOutlastsTheLeaseWritesNothing(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		slow := world.NewWeChat() // it ignores the end of its context
		slow.Before = func(context.Context, world.Call) error { time.Sleep(time.Minute); return nil }
		stopSlow := w.StartSender(w.Replica(world.StoresOn(w.DB)), slow)
		synctest.Wait()
		stop := w.StartSender(w.Services, w.WeChat)
		w.WaitSent()
		before := w.Card("push", code)
		time.Sleep(2 * time.Minute)
		if after := w.Card("push", code); after != before || after.Status != member.Active {
			w.Errorf("got %+v, want %+v", after, before)
		}
		if w.Outcomes()["activate lost"] == 0 || w.Outcomes()["activate done"] != 1 {
			w.Errorf("outcomes: %v", w.Outcomes())
		}
		stop()
		stopSlow()
	})
}

// A process that dies after a call and before its outcome is recorded leaves the
// message behind. The next Sender checks the card before it activates it again.
func TestSender_KilledBetweenTheEffectAndItsNote(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		killed := errors.New("killed")
		dying := &world.StoreHooks{}
		w.WeChat.After = func(context.Context, world.Call) error {
			dying.BeforeWrite = func() error { return killed }
			return nil
		}
		stop := w.StartSender(w.Replica(dying.Wrap(world.StoresOn(w.DB))), w.WeChat)
		time.Sleep(time.Second)
		stop()
		if c := w.Card("push", code); c.Status != member.Claimed || w.WeChat.Activated[code] != 1 {
			w.Fatalf("after the kill: %+v, activated %d times", c, w.WeChat.Activated[code])
		}
		w.WeChat.After = nil
		began := time.Now()
		w.SendAll()
		if c := w.Card("push", code); c.Status != member.Active || c.MembershipNumber != code {
			w.Errorf("got %+v", c)
		}
		if got := w.WeChat.Calls(code); got != "info activate info info" || w.WeChat.Activated[code] != 1 {
			w.Errorf("WeChat was called: %s, activated %d times", got, w.WeChat.Activated[code])
		}
		if took := time.Since(began); took > 16*time.Second {
			w.Errorf("found after %v", took)
		}
	})
}

// slowActivation returns a hook that makes activations take so long, unless their
// context ends before.
func slowActivation(wait time.Duration) func(context.Context, world.Call) error {
	return func(ctx context.Context, c world.Call) error {
		if c.Name != "activate" {
			return nil
		}
		select {
		case <-time.After(wait):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestRun_SendsEightAtOnce(t *testing.T) {
	world.Run(t, func(w *world.World) {
		var running, most atomic.Int32
		w.WeChat.Before = func(context.Context, world.Call) error {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return nil
		}
		for i := range 20 {
			w.ClaimCardAs(fmt.Sprint("member ", i), "push")
		}
		w.SendAll()
		if got := most.Load(); got != 8 {
			w.Errorf("%d calls at once, want 8", got)
		}
	})
}

func TestRun_LetsACallUnderWayFinish(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Before = slowActivation(2 * time.Second)
		_, code := w.ClaimCard("push")
		stop := w.StartSender(w.Services, w.WeChat)
		synctest.Wait() // under way
		stop()
		if c := w.Card("push", code); c.Status != member.Active || w.Outcomes()["activate done"] != 1 {
			w.Errorf("got %+v, outcomes %v", c, w.Outcomes())
		}
	})
}

// A deployment does not wait for WeChat: an interrupted message is released, and the
// next replica checks the card first.
func TestRun_CutsOffACallThatHangs(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.After = func(ctx context.Context, c world.Call) error {
			if c.Name == "activate" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		_, code := w.ClaimCard("push")
		stop := w.StartSender(w.Services, w.WeChat)
		synctest.Wait() // under way
		began := time.Now()
		stop()
		if took := time.Since(began); took > 4*time.Second {
			w.Errorf("Run returned after %v", took)
		}
		if w.Outcomes()["activate released"] != 1 {
			w.Errorf("outcomes: %v", w.Outcomes())
		}
		began = time.Now()
		w.SendAll()
		if took := time.Since(began); took > 2*time.Second {
			w.Errorf("sent by the next after %v: the lease was not released", took)
		}
		if got := w.WeChat.Calls(code); got != "info activate info" {
			w.Errorf("WeChat was called: %s", got)
		}
	})
}

// The outcome of a call that ended after the deadline is recorded all the same.
func TestRun_NotesACallThatEndedAfterTheCut(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name == "activate" {
				time.Sleep(4 * time.Second)
			}
			return nil
		}
		_, code := w.ClaimCard("push")
		stop := w.StartSender(w.Services, w.WeChat)
		synctest.Wait() // under way
		stop()
		if c := w.Card("push", code); c.Status != member.Active || w.Outcomes()["activate done"] != 1 {
			w.Errorf("got %+v, outcomes %v", c, w.Outcomes())
		}
	})
}

func TestRun_EndsAtOnceWhenIdleAndWhenTheDatabaseIsGone(t *testing.T) {
	world.Run(t, func(w *world.World) {
		stop := w.StartSender(w.Services, w.WeChat)
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		down := &world.StoreHooks{BeforeWrite: func() error { return errors.New("down") }}
		w.ClaimCard("push")
		stop = w.StartSender(w.Replica(down.Wrap(world.StoresOn(w.DB))), w.WeChat)
		time.Sleep(time.Second)
		stop()
		if took := time.Since(began); took > 3*time.Second {
			w.Errorf("took %v", took)
		}
	})
}

// counted is a store that has nothing to send, or fails.
type counted struct {
	outbox.Store
	leases int
	err    error
}

func (c *counted) Lease(context.Context, string, time.Duration, int) ([]outbox.Message, error) {
	c.leases++
	return nil, c.err
}

// What another replica has stored is found soon, and a database that fails is not asked
// all the time.
func TestRun_AsksForMessagesNowAndThen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err         error
		least, most int // in a minute
	}{"nothing to send": {nil, 100, 300}, "a failing database": {errors.New("down"), 10, 30}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &counted{err: c.err}
				sender := outbox.New(store, nil).NewSender(nil, slog.New(slog.DiscardHandler), func(string, string) {})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				sender.Run(ctx)
				if store.leases < c.least || store.leases > c.most {
					t.Errorf("asked %d times in a minute, want %d to %d", store.leases, c.least, c.most)
				}
			})
		})
	}
}

func TestRetry_OfAMessageThatWaitsSendsItNow(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name == "update" && c.Attempt == 1 {
				return world.RefusalError{RetryIn: 3 * time.Hour}
			}
			return nil
		}
		id := w.MustAddEntry("push", code, world.Points(3))
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		time.Sleep(time.Minute)
		began := time.Now()
		if err := w.Retry(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		w.WaitSent()
		if time.Since(began) > time.Minute {
			w.Errorf("took %v", time.Since(began))
		}
		w.WantFace(code, 3, 0, "bonus +3 3 r3")
	})
}

// locking is a Tx that records what is done with it.
type locking struct {
	outbox.Tx
	done []string
	err  error // of the lock
}

func (l *locking) LockCard(_ context.Context, cardID, code string) error {
	l.done = append(l.done, "lock "+cardID+" "+code)
	return l.err
}

func (l *locking) Finish(context.Context, outbox.Message) (bool, error) {
	l.done = append(l.done, "finish")
	return true, nil
}

// Enqueuing takes the lock of the card, too: without it, a message that is added while
// the one before it ends would wait for that one.
func TestFinish_LocksTheCardFirst(t *testing.T) {
	t.Parallel()
	m := outbox.Message{CardID: "c1", Code: "A"}
	good, bad := &locking{}, &locking{err: errors.New("the database is away")}
	if err := outbox.Finish(t.Context(), good, m); err != nil || !slices.Equal(good.done, []string{"lock c1 A", "finish"}) {
		t.Errorf("done: %q, %v", good.done, err)
	}
	if err := outbox.Finish(t.Context(), bad, m); !errors.Is(err, bad.err) || len(bad.done) != 1 {
		t.Errorf("without the lock: %q, %v", bad.done, err)
	}
}
