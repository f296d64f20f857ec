package outboxtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

// makeDue makes the message with this payload due, and then all of its card.
func makeDue(t *testing.T, s outbox.Store, payload string) {
	t.Helper()
	list, err := s.Messages(t.Context(), outbox.Filter{}, outbox.Mark{}, 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Payload == payload {
			write(t, s, func(ctx context.Context, tx outbox.Tx) error { return tx.MakeDue(ctx, m.ID) })
		}
	}
}

// An operator who retries a message does not have it sent beside another of its card.
func dueBehindAnother(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "3"))
	first := wantLeased(t, s, "A/1", "B/3")
	if first[0].Code != "A" {
		first[0] = first[1]
	}
	makeDue(t, s, "2")
	wantLeased(t, s) // the first is leased
	write(t, s, func(ctx context.Context, tx outbox.Tx) error { return tx.MakeCardDue(ctx, "c1", "A") })
	wantLeased(t, s)
	end(t, s, postpone(time.Hour), first[0], true)
	makeDue(t, s, "2")
	wantLeased(t, s) // the first is postponed
	makeDue(t, s, "1")
	end(t, s, finish, wantLeased(t, s, "A/1")[0], true)
	wantLeased(t, s, "A/2")
}

// The end of another message does not cut short the wait of one that failed.
func failedIsNotPromoted(t *testing.T, s outbox.Store) {
	enqueue(t, s, message("A", "1"), message("A", "2"))
	end(t, s, postpone(time.Hour), wantLeased(t, s, "A/1")[0], true)
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		_, err := tx.Withdraw(ctx, "c1", "A", []string{"another kind"})
		return err
	})
	wantLeased(t, s)
}

// Neither another code of the card nor the same code of another card delays a
// message, nor takes part in what is done with it.
func cardsAreApart(t *testing.T, s outbox.Store) {
	twin := func(payload string) outbox.Message {
		return outbox.Message{CardID: "c2", Code: "A", Kind: "k", Payload: payload}
	}
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "3"), message("B", "4"), twin("5"), twin("6"))
	leaseAll := func(want ...string) (leased []outbox.Message) {
		t.Helper()
		leased, err := s.Lease(t.Context(), "l", time.Hour, 10)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, m := range leased {
			got[m.Payload] = true
		}
		for _, payload := range want {
			if !got[payload] || len(got) != len(want) {
				t.Fatalf("leased %v, want %v", got, want)
			}
		}
		return leased
	}
	for _, m := range leaseAll("1", "3", "5") {
		if m.Payload == "1" {
			end(t, s, finish, m, true)
		} else {
			end(t, s, postpone(time.Hour), m, true)
		}
	}
	end(t, s, postpone(time.Hour), leaseAll("2")[0], true)
	write(t, s, func(ctx context.Context, tx outbox.Tx) error { return tx.MakeCardDue(ctx, "c1", "A") })
	end(t, s, park, leaseAll("2")[0], true)
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		if has, err := tx.HasWaiting(ctx, "c1", "A"); has || err != nil {
			t.Errorf("the card of the other's messages has one: %v, %v", has, err)
		}
		withdrawn, err := tx.Withdraw(ctx, "c1", "B", []string{"k"})
		if len(withdrawn) != 2 || withdrawn[0].Payload != "3" || withdrawn[1].Payload != "4" {
			t.Errorf("withdrawn: %+v", withdrawn)
		}
		return err
	})
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		if withdrawn, err := tx.Withdraw(ctx, "c1", "A", []string{"k"}); len(withdrawn) > 0 || err != nil {
			t.Errorf("withdrawn from a card without messages: %+v, %v", withdrawn, err)
		}
		return nil
	})
	makeDue(t, s, "5")
	end(t, s, finish, leaseAll("5")[0], true)
	leaseAll("6")
}

// Messages that are enqueued together may have one time of creation.
func pagesOfOneMoment(t *testing.T, s outbox.Store) {
	const n = 60
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		for i := range n {
			if err := tx.Enqueue(ctx, message(fmt.Sprint(i), "1")); err != nil {
				return err
			}
		}
		return nil
	})
	seen := map[string]bool{}
	for after := (outbox.Mark{}); ; {
		page, err := s.Messages(t.Context(), outbox.Filter{}, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			if seen[m.ID] {
				t.Fatalf("%s is listed twice", m.ID)
			}
			seen[m.ID], after = true, m.Mark()
		}
		if len(page) == 0 {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("%d messages are listed, want %d", len(seen), n)
	}
}

// tick waits until the clock of the database has moved on, so that what happens next
// has a later time.
func tick() { <-time.After(2 * time.Millisecond) }

// With more due messages than senders, none is passed over again and again.
func longestDueFirst(t *testing.T, s outbox.Store) {
	for _, code := range []string{"B", "C", "A"} {
		enqueue(t, s, message(code, "1"))
		tick()
	}
	for _, want := range []string{"B/1", "C/1", "A/1"} {
		if _, names := lease(t, s, "l", 1); !slices.Equal(names, []string{want}) {
			t.Errorf("leased %v, want %s", names, want)
		}
	}
}

// The card of an early event may have no row, and so no lock: the message before the
// event may end without having seen it.
func eventIsDueAtOnce(t *testing.T, s outbox.Store) {
	event := message("A", "2")
	event.Kind = "apply_event"
	enqueue(t, s, message("A", "1"), event)
	list, err := s.Messages(t.Context(), outbox.Filter{}, outbox.Mark{}, 9)
	if err != nil || len(list) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	for _, m := range list {
		if m.DueAt.After(m.CreatedAt) {
			t.Errorf("%s is due %v after it was stored", m.Kind, m.DueAt.Sub(m.CreatedAt))
		}
	}
}

func backlog(t *testing.T, s outbox.Store) {
	if b, err := s.Backlog(t.Context()); b != (outbox.Backlog{}) || err != nil {
		t.Errorf("empty: got %+v, %v", b, err)
	}
	enqueue(t, s, message("P", "1"))
	end(t, s, park, wantLeased(t, s, "P/1")[0], true)
	tick()
	if b, err := s.Backlog(t.Context()); b != (outbox.Backlog{Parked: 1}) || err != nil {
		t.Errorf("with a parked one: got %+v, %v, want no age of a waiting one", b, err)
	}
	enqueue(t, s, message("A", "1"), message("B", "1"), message("C", "1"))
	for _, m := range wantLeased(t, s, "A/1", "B/1", "C/1") {
		switch m.Code {
		case "A":
			end(t, s, park, m, true)
		case "B":
			end(t, s, postpone(time.Hour), m, true)
		}
	}
	before, err := s.Backlog(t.Context())
	if before.Waiting != 2 || before.Parked != 2 || err != nil {
		t.Errorf("got %+v, %v, want one postponed, one leased and two parked", before, err)
	}
	const age = 100 * time.Millisecond
	var b outbox.Backlog
	for deadline := time.Now().Add(10 * time.Second); b.Oldest < age; {
		if b, err = s.Backlog(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatalf("got %+v, %v: the age of the oldest message does not grow", b, err)
		}
	}
	enqueue(t, s, message("D", "1"))
	if b, err := s.Backlog(t.Context()); b.Oldest < age || err != nil {
		t.Errorf("with a new message: got %+v, %v, want the age of the oldest", b, err)
	}
}

func withdrawn(t *testing.T, s outbox.Store) {
	other := message("A", "4")
	other.Kind = "other"
	third := message("A", "3")
	third.Kind = "third"
	enqueue(t, s, message("A", "1"), message("A", "2"), message("B", "1"), third, other)
	end(t, s, park, leasedOf(t, s, "A"), true)
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		got, err := tx.Withdraw(ctx, "c1", "A", []string{"other", "k", "none"})
		if len(got) != 2 || got[0].Payload != "2" || got[1].Payload != "4" || got[1].Kind != "other" || got[0].Code != "A" {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if b, err := s.Backlog(t.Context()); b.Waiting != 2 || b.Parked != 1 || err != nil {
		t.Errorf("left: %+v, %v", b, err)
	}
	// What waited behind those that were withdrawn is due.
	if leased, err := s.Lease(t.Context(), "l", time.Hour, 10); len(leased) != 1 || leased[0].Payload != "3" || err != nil {
		t.Errorf("leased then: %+v, %v", leased, err)
	}
}
