package outboxtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

// makeDue makes the message with this payload due, and then all of its card.
func makeDue(t *testing.T, s outbox.Store, payload string) {
	t.Helper()
	list, err := s.Messages(t.Context(), "", outbox.Mark{}, 9)
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
		page, err := s.Messages(t.Context(), "", after, 7)
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
