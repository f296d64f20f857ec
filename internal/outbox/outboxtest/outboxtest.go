// Package outboxtest is the conformance suite of outbox.Store: what package outbox
// relies on, whatever the database behind it.
package outboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

// Run runs the suite. open returns a fresh, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) outbox.Store) {
	for name, test := range map[string]func(*testing.T, outbox.Store){
		"messages go out in order, one of a kind":       queue,
		"a message that is undone was never there":      undoneMessage,
		"of a card only the oldest is leased":           oldestOnly,
		"a postponed message delays its card":           postponed,
		"a parked message delays nothing":               parked,
		"a released message is as it was":               released,
		"a lease that ends":                             leaseEnds,
		"16 workers send everything once":               exclusive,
		"16 writers enqueue for one card":               enqueuers,
		"the backlog is counted":                        backlog,
		"messages are withdrawn by kind":                withdrawn,
		"messages are listed page by page":              messagePages,
		"a message is made due or discarded":            madeDue,
		"a message keeps the ID that it was given once": givenID,
		"a waiting message of a card is found":          hasWaiting,
		"a message that is made due waits its turn":     dueBehindAnother,
		"a message that failed waits to the end":        failedIsNotPromoted,
		"cards do not delay each other":                 cardsAreApart,
		"messages of one moment are all listed":         pagesOfOneMoment,
		"the message that is due longest comes first":   longestDueFirst,
		"an early event waits behind no other message":  eventIsDueAtOnce,
		"messages are listed by kind, card and error":   filtered,
		"a retry of many is recorded page by page":      retryPages,
		"a retry of waiting messages":                   retryWaiting,
		"a retry takes no message twice":                retryOnce,
		"a retry of chosen messages":                    retryChosen,
		"a retry that fails changes nothing":            retryUndone,
		"a stopped retry takes no more":                 retryStopped,
		"workers share retries":                         retryWorkers,
		"retries are listed, newest first":              retryList,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

var errUndo = errors.New("undo this")

func write(t *testing.T, s outbox.Store, fn func(ctx context.Context, tx outbox.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func message(code, payload string) outbox.Message {
	return outbox.Message{CardID: "c1", Code: code, Kind: "k", Payload: payload}
}

func enqueue(t *testing.T, s outbox.Store, messages ...outbox.Message) {
	t.Helper()
	for _, m := range messages {
		write(t, s, func(ctx context.Context, tx outbox.Tx) error { return tx.Enqueue(ctx, m) })
	}
}

// lease leases up to n messages and returns them, and their names "code/payload",
// sorted.
func lease(t *testing.T, s outbox.Store, lease string, n int) (leased []outbox.Message, names []string) {
	t.Helper()
	leased, err := s.Lease(t.Context(), lease, time.Hour, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range leased {
		names = append(names, m.Code+"/"+m.Payload)
		if m.Lease != lease || m.ID == "" || m.CardID != "c1" || m.Kind != "k" {
			t.Errorf("leased: %+v", m)
		}
	}
	slices.Sort(names)
	return leased, names
}

func wantLeased(t *testing.T, s outbox.Store, want ...string) []outbox.Message {
	t.Helper()
	leased, names := lease(t, s, "a lease", 10)
	if !slices.Equal(names, want) {
		t.Errorf("leased: got %v, want %v", names, want)
	}
	return leased
}

// outcome is one of the four ways in which the lease of a message ends.
type outcome func(ctx context.Context, tx outbox.Tx, m outbox.Message) (bool, error)

var (
	finish   outcome = func(ctx context.Context, tx outbox.Tx, m outbox.Message) (bool, error) { return tx.Finish(ctx, m) }
	release  outcome = func(ctx context.Context, tx outbox.Tx, m outbox.Message) (bool, error) { return tx.Release(ctx, m) }
	park     outcome = func(ctx context.Context, tx outbox.Tx, m outbox.Message) (bool, error) { return tx.Park(ctx, m, "why") }
	postpone         = func(wait time.Duration) outcome {
		return func(ctx context.Context, tx outbox.Tx, m outbox.Message) (bool, error) {
			return tx.Postpone(ctx, m, wait, "汉字 🎂")
		}
	}
)

func end(t *testing.T, s outbox.Store, do outcome, m outbox.Message, want bool) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		mine, err := do(ctx, tx, m)
		if mine != want {
			t.Errorf("%s/%s: got %v, want %v", m.Code, m.Payload, mine, want)
		}
		return err
	})
}

func queue(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"), message("A", "1"), message("B", "1"), message("A", "3"))
	other := message("A", "2")
	other.Kind = "another"
	enqueue(t, s, other)
	if b, err := s.Backlog(t.Context()); b.Waiting != 5 || err != nil {
		t.Errorf("got %+v, %v, want 5 waiting: one of each kind and payload of a card", b, err)
	}
	for _, want := range []string{"1", "2", "3"} {
		leased, err := s.Lease(t.Context(), "l", time.Hour, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range leased {
			if m.Code == "A" && m.Payload != want {
				t.Errorf("got %s, want %s", m.Payload, want)
			}
			if m.Code == "A" {
				enqueue(t, s, message("A", want)) // the same message is leased: nothing is added
			}
			end(t, s, finish, m, true)
		}
	}
	enqueue(t, s, message("A", "1")) // that message is finished, so it is enqueued again, behind the others
	leased, err := s.Lease(t.Context(), "l", time.Hour, 10)
	if err != nil || len(leased) != 1 || leased[0].Kind != "another" {
		t.Errorf("got %+v, %v, want the message of the other kind, which was enqueued before", leased, err)
	}
}

func undoneMessage(t *testing.T, s outbox.Store) {
	err := s.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error {
		if err := tx.Enqueue(ctx, message("A", "1")); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Errorf("got %v", err)
	}
	wantLeased(t, s)
	enqueue(t, s, message("A", "1"))
	leased := wantLeased(t, s, "A/1")
	err = s.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error {
		if _, err := tx.Finish(ctx, leased[0]); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Errorf("got %v", err)
	}
	end(t, s, finish, leased[0], true)
}

func oldestOnly(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "1"), message("B", "2"), message("C", "1"))
	if leased, _ := lease(t, s, "one", 2); len(leased) != 2 {
		t.Fatalf("asked for 2, got %+v", leased)
	}
	if leased, _ := lease(t, s, "another", 10); len(leased) != 1 {
		t.Fatalf("got %+v, want the oldest of the third card", leased)
	}
	if _, names := lease(t, s, "a third", 10); names != nil {
		t.Errorf("got %v while the oldest of each card is leased", names)
	}
}

func postponed(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "1"))
	leased := wantLeased(t, s, "A/1", "B/1")
	for _, m := range leased {
		if m.Attempts != 0 || m.Started {
			t.Errorf("first: %+v", m)
		}
		end(t, s, map[string]outcome{"A": postpone(time.Hour), "B": postpone(20 * time.Millisecond)}[m.Code], m, true)
		end(t, s, finish, m, false) // its lease has ended
	}
	m := eventuallyLeased(t, s, "B/1")
	if m.Attempts != 1 || !m.Started {
		t.Errorf("after a failure: %+v", m)
	}
	wantLeased(t, s) // the first of A waits for an hour, and the second waits behind it
}

func parked(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"))
	m := wantLeased(t, s, "A/1")[0]
	end(t, s, park, m, true)
	for _, do := range []outcome{finish, release, park, postpone(0)} {
		end(t, s, do, m, false)
	}
	if b, err := s.Backlog(t.Context()); b.Waiting != 1 || b.Parked != 1 || err != nil {
		t.Errorf("got %+v, %v", b, err)
	}
	end(t, s, finish, wantLeased(t, s, "A/2")[0], true)
	enqueue(t, s, message("A", "1")) // the parked one does not count as the same message
	wantLeased(t, s, "A/1")
}

func released(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"))
	m := wantLeased(t, s, "A/1")[0]
	end(t, s, release, m, true)
	end(t, s, release, m, false)
	if again := wantLeased(t, s, "A/1")[0]; again.Attempts != 0 || !again.Started {
		t.Errorf("released and leased again: %+v, want no attempt counted", again)
	}
}

func leaseEnds(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"))
	leased, err := s.Lease(t.Context(), "the first", 20*time.Millisecond, 10)
	if err != nil || len(leased) != 1 {
		t.Fatalf("got %+v, %v", leased, err)
	}
	first := leased[0]
	second := eventuallyLeased(t, s, "A/1")
	if !second.Started || second.Attempts != 0 {
		t.Errorf("leased again: %+v, want Started and no attempt counted", second)
	}
	for _, do := range []outcome{finish, release, park, postpone(0)} {
		end(t, s, do, first, false)
	}
	end(t, s, finish, second, true)
	wantLeased(t, s, "A/2")
}

// eventuallyLeased waits until a message can be leased, and returns it.
func eventuallyLeased(t *testing.T, s outbox.Store, want string) outbox.Message {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if leased, names := lease(t, s, "the next", 10); len(leased) > 0 {
			if len(leased) != 1 || names[0] != want {
				t.Fatalf("leased: got %v, want %s", names, want)
			}
			return leased[0]
		}
	}
	t.Fatalf("%s could not be leased within 10 s", want)
	return outbox.Message{}
}

func exclusive(t *testing.T, s outbox.Store) {
	const cards, each, workers = 12, 4, 16
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		for i := range cards * each {
			if err := tx.Enqueue(ctx, message(fmt.Sprint(i%cards), fmt.Sprint(i/cards))); err != nil {
				return err
			}
		}
		return nil
	})
	var mu sync.Mutex
	sent := map[string][]string{} // card → payloads
	busy := map[string]bool{}
	left := cards * each
	work := func(lease string) error {
		for deadline := time.Now().Add(time.Minute); ; {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: a message cannot be leased for a minute", lease)
			}
			leased, err := s.Lease(t.Context(), lease, time.Hour, 3)
			if err != nil {
				return err
			}
			for _, m := range leased {
				mu.Lock()
				if busy[m.Code] {
					t.Errorf("two messages of card %s are leased at once", m.Code)
				}
				busy[m.Code] = true
				sent[m.Code] = append(sent[m.Code], m.Payload)
				mu.Unlock()
				err := s.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error {
					mu.Lock()
					busy[m.Code] = false // before the commit, after which the next one can be leased
					mu.Unlock()
					mine, err := tx.Finish(ctx, m)
					if !mine {
						t.Errorf("%+v was leased by another worker", m)
					}
					return err
				})
				if err != nil {
					return err
				}
				mu.Lock()
				left--
				mu.Unlock()
			}
			mu.Lock()
			done := left <= 0
			mu.Unlock()
			if done || t.Failed() {
				return nil
			}
		}
	}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			if err := work(fmt.Sprint("worker ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range cards {
		if got := sent[fmt.Sprint(i)]; !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("card %d: sent %v", i, got)
		}
	}
}

func enqueuers(t *testing.T, s outbox.Store) {
	payloads := make(chan string, 16)
	for i := range cap(payloads) {
		payloads <- fmt.Sprint(i / 2) // each twice
		if i%2 == 0 {                 // a parked one is not the same message
			enqueue(t, s, message("A", fmt.Sprint(i/2)))
			end(t, s, park, wantLeased(t, s, fmt.Sprint("A/", i/2))[0], true)
		}
	}
	var wg sync.WaitGroup
	for range cap(payloads) {
		wg.Go(func() {
			m := message("A", <-payloads)
			if err := s.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error { return tx.Enqueue(ctx, m) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for range cap(payloads) / 2 {
		leased, names := lease(t, s, "l", 10)
		if len(leased) != 1 || seen[names[0]] {
			t.Fatalf("got %v after %v, want one other", names, seen)
		}
		seen[names[0]] = true
		end(t, s, finish, leased[0], true)
	}
	wantLeased(t, s)
}

// leasedOf leases the next message of each card and returns that of one.
func leasedOf(t *testing.T, s outbox.Store, code string) outbox.Message {
	t.Helper()
	leased, _ := lease(t, s, "l", 10)
	for _, m := range leased {
		if m.Code == code {
			return m
		}
	}
	t.Fatalf("none of %+v", leased)
	return outbox.Message{}
}

func messagePages(t *testing.T, s outbox.Store) {
	for i := range 7 {
		enqueue(t, s, message(fmt.Sprint("C", i), fmt.Sprint(i)))
	}
	leased, _ := lease(t, s, "l", 3)
	for _, m := range leased[:2] {
		end(t, s, park, m, true)
	}
	end(t, s, postpone(time.Hour), leased[2], true)
	for state, want := range map[string]int{"": 7, outbox.Parked: 2, outbox.Waiting: 5} {
		for size := 1; size <= 8; size++ {
			var got []outbox.Stored
			for after := (outbox.Mark{}); len(got) <= want; {
				page, err := s.Messages(t.Context(), outbox.Filter{State: state}, after, size)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page...)
				if len(page) < size {
					break
				}
				after = page[size-1].Mark()
			}
			if len(got) != want {
				t.Errorf("%q, pages of %d: %d messages, want %d", state, size, len(got), want)
			}
			for i, q := range got {
				if wants := q.State == outbox.Waiting; state == "" && wants != (i >= 2) {
					t.Errorf("message %d: %+v, want the parked first", i, q)
				}
				if q.State == outbox.Parked && (q.LastError != "why" || q.Attempts != 1) {
					t.Errorf("parked: %+v", q)
				}
				if q.State == outbox.Waiting && q.Attempts == 1 && q.LastError != "汉字 🎂" {
					t.Errorf("postponed: %+v", q)
				}
				if q.CreatedAt.IsZero() || q.ID == "" || q.Kind != "k" {
					t.Errorf("message: %+v", q)
				}
			}
		}
	}
}

func madeDue(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"))
	end(t, s, postpone(time.Hour), wantLeased(t, s, "A/1")[0], true)
	list, err := s.Messages(t.Context(), outbox.Filter{}, outbox.Mark{}, 9)
	if err != nil || len(list) != 1 || list[0].DueAt.Before(list[0].CreatedAt.Add(time.Hour)) {
		t.Fatalf("got %+v, %v", list, err)
	}
	id := list[0].ID
	if m, err := s.Message(t.Context(), id); err != nil || m != list[0] {
		t.Errorf("alone: got %+v, %v", m, err)
	}
	if _, err := s.Message(t.Context(), "none"); !errors.Is(err, outbox.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		discarded, err := tx.Discard(ctx, id)
		if discarded {
			t.Error("a waiting message was discarded")
		}
		return errors.Join(err, tx.MakeDue(ctx, id))
	})
	m := wantLeased(t, s, "A/1")[0]
	end(t, s, park, m, true)
	enqueue(t, s, message("B", "2"))
	end(t, s, park, wantLeased(t, s, "B/2")[0], true)
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		if q, err := tx.Message(ctx, id); q.State != outbox.Parked || q.Payload != "1" || q.Code != "A" || err != nil {
			t.Errorf("parked: %+v, %v", q, err)
		}
		if err := tx.MakeDue(ctx, id); err != nil {
			return err
		}
		for _, want := range []bool{true, false} {
			if discarded, err := tx.Discard(ctx, id); discarded != want || err != nil {
				t.Errorf("discard: got %v, %v, want %v", discarded, err, want)
			}
		}
		if _, err := tx.Message(ctx, id); !errors.Is(err, outbox.ErrNotFound) {
			t.Errorf("discarded: %v", err)
		}
		return nil
	})
	if b, err := s.Backlog(t.Context()); b.Parked != 1 || err != nil {
		t.Errorf("the other parked one: %+v, %v", b, err)
	}
}

func givenID(t *testing.T, s outbox.Store) {
	m := message("A", "1")
	m.ID = "an-id"
	enqueue(t, s, m, m)
	if leased := wantLeased(t, s, "A/1"); leased[0].ID != "an-id" || leased[0].Seq == 0 || leased[0].Started {
		t.Errorf("got %+v", leased)
	}
	started := message("B", "1")
	started.Started = true
	enqueue(t, s, started)
	if leased := wantLeased(t, s, "B/1"); !leased[0].Started {
		t.Errorf("got %+v, want it started", leased)
	}
}

func hasWaiting(t *testing.T, s outbox.Store) {
	wait := func(code string) (got bool) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx outbox.Tx) (err error) {
			got, err = tx.HasWaiting(ctx, "c1", code)
			return err
		})
		return got
	}
	enqueue(t, s, message("A", "1"))
	if !wait("A") || wait("B") {
		t.Error("want a waiting message of A, and none of B")
	}
	end(t, s, park, wantLeased(t, s, "A/1")[0], true)
	if wait("A") {
		t.Error("a parked message counts as waiting")
	}
}
