package ledgertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

func drained(t *testing.T, s stores) {
	add(t, s, "A1", member.Claimed)
	wantPending(t, s, 0)
	first, second := booked(t, s, ledger.Booking{AddBonus: 1}, ""), booked(t, s, ledger.Booking{AddBonus: 1}, "")
	if first.MustEnqueue || second.MustEnqueue {
		t.Error("entries of a claimed card count as sent")
	}
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		return errors.Join(tx.AddPending(ctx, "c1", "A1", 5), tx.AddPending(ctx, "c1", "A1", 9), tx.AddPending(ctx, "c1", "A1", 0))
	})
	wantPending(t, s, 13, first.ID, second.ID)
	wantPending(t, s, 0)

	c := card(t, s, "A1")
	c.Status = member.Active
	change(t, s, c)
	if third := booked(t, s, ledger.Booking{AddBonus: 1}, ""); !third.MustEnqueue {
		t.Error("an entry of an active card does not count as sent")
	}
	wantPending(t, s, 0)
}

func wantPending(t *testing.T, s stores, want ledger.PendingUpdates, ids ...string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		got, updates, err := tx.DrainPending(ctx, "c1", "A1")
		if !slices.Equal(got, ids) || updates != want {
			t.Errorf("pending: got %v and %b, want %v and %b", got, updates, ids, want)
		}
		return err
	})
}

func unsent(t *testing.T, s stores) {
	holder(t, s)
	var ids []string
	for range 3 {
		ids = append(ids, booked(t, s, ledger.Booking{AddBonus: 1}, "").ID)
	}
	markUnsent := func(seq int64) {
		write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MarkUnsent(ctx, "c1", "A1", seq) })
	}
	markUnsent(3)
	markUnsent(2)
	markUnsent(3) // entries from 2 on are marked already
	if p := booked(t, s, ledger.Booking{AddBonus: 1}, ""); p.MustEnqueue {
		t.Error("an entry counts as sent although one before it does not")
	} else {
		ids = append(ids, p.ID)
	}
	wantPending(t, s, 0, ids[1:]...)
}

func sentState(t *testing.T, s stores) {
	holder(t, s)
	var ids []string
	for range 4 {
		ids = append(ids, booked(t, s, ledger.Booking{AddBonus: 1}, "").ID)
	}
	enqueue(t, s, "k", ids[0])
	m := lease(t, s)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		_, err := tx.Park(ctx, m, "why")
		return err
	})
	enqueue(t, s, "k", ids[2])
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MarkUnsent(ctx, "c1", "A1", 4) })
	list, err := s.Entries(t.Context(), "c1", "A1", 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []ledger.Sent{ledger.SentHeld, ledger.SentWaiting, ledger.SentDone, ledger.SentParked} {
		if list[i].Sent != want {
			t.Errorf("entry %d: got %s, want %s", list[i].Seq, list[i].Sent, want)
		}
	}
}

// lease leases the next message of c1/A1.
func lease(t *testing.T, s stores) outbox.Message {
	t.Helper()
	leased, err := s.outbox.Lease(t.Context(), "l", time.Hour, 1)
	if err != nil || len(leased) != 1 {
		t.Fatalf("leased %+v, %v, want one", leased, err)
	}
	return leased[0]
}

func enqueue(t *testing.T, s stores, kind string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		write(t, s, func(ctx context.Context, tx ledger.Tx) error {
			return tx.Enqueue(ctx, outbox.Message{ID: id, CardID: "c1", Code: "A1", Kind: kind, Payload: id})
		})
	}
}

func nextQueued(t *testing.T, s stores) {
	holder(t, s)
	var ids []string
	for range 3 {
		id := booked(t, s, ledger.Booking{AddBonus: 1}, "").ID
		ids = append(ids, id)
		enqueue(t, s, "k", "between"+id)
		enqueue(t, s, ledger.KindEntry, id)
	}
	for _, want := range []string{ids[0], ids[1], ids[1], ids[2], ids[2], ""} {
		m := lease(t, s)
		e, err := s.NextQueued(t.Context(), m)
		if missing := errors.Is(err, ledger.ErrNotFound); e.ID != want && !missing || missing != (want == "") {
			t.Errorf("behind %s: got %+v, %v, want %s", m.Payload, e, err, want)
		}
		write(t, s, func(ctx context.Context, tx ledger.Tx) error { return outbox.Finish(ctx, tx, m) })
	}
}
