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
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.AddPending(ctx, "c1", "A1", 2) })
	wantPending(t, s, 2) // without an entry
	wantPending(t, s, 0)

	c := card(t, s, "A1")
	c.Status, c.FaceKnown = member.Deleted, true
	change(t, s, c)
	behind := booked(t, s, ledger.Booking{AddBonus: 1}, "")
	if behind.MustEnqueue || behind.Sendable {
		t.Errorf("an entry of a deleted card: %+v", behind)
	}
	wantPending(t, s, 0, behind.ID)

	c = card(t, s, "A1")
	c.Status, c.FaceKnown = member.Active, true
	change(t, s, c)
	if third := booked(t, s, ledger.Booking{AddBonus: 1}, ""); !third.MustEnqueue {
		t.Error("an entry of an active card does not count as sent")
	}
	wantPending(t, s, 0)
}

func faceUnknown(t *testing.T, s stores) {
	holder(t, s)
	c := card(t, s, "A1")
	c.FaceKnown = false
	change(t, s, c)
	if a := account(t, s, "A1"); a.Sent {
		t.Errorf("nothing was sent: %+v", a)
	}
	p := booked(t, s, ledger.Booking{AddBonus: 1}, "")
	if p.MustEnqueue || p.Sendable {
		t.Errorf("got %+v", p)
	}
	wantPending(t, s, 0, p.ID)
	if a := account(t, s, "A1"); !a.Sent {
		t.Errorf("an entry was sent: %+v", a)
	}
}

func openingEntry(t *testing.T, s stores) {
	add(t, s, "A1", member.Claimed)
	first := booked(t, s, ledger.Booking{AddBonus: 1}, "")
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		return ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 500, AddBalance: 8800}, ledger.RouteFace, true)
	})
	last := booked(t, s, ledger.Booking{AddBonus: 2}, "")
	wantPending(t, s, 0, first.ID, last.ID)
	if e, err := s.FirstFrom(t.Context(), "c1", "A1", "POST /x"); e.ID != first.ID || err != nil {
		t.Errorf("the first of two entries of a route: %+v, %v", e, err)
	}
	if e, err := s.FirstFrom(t.Context(), "c1", "A1", ledger.RouteFace); e.AddBonus != 500 || e.Seq != 2 || err != nil {
		t.Errorf("the opening entry: %+v, %v", e, err)
	}
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
	markUnsent(4) // there is none
	wantPending(t, s, 0)
	markUnsent(3)
	wantPending(t, s, 0, ids[2])
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
		enqueue(t, s, ledger.KindEntryAgain, booked(t, s, ledger.Booking{AddBonus: 1}, "").ID)
		enqueue(t, s, ledger.KindEntry, id)
	}
	for _, want := range []string{ids[0], ids[0], ids[1], ids[1], ids[1], ids[2], ids[2], ids[2], ""} {
		m := lease(t, s)
		e, err := s.NextQueued(t.Context(), m)
		if missing := errors.Is(err, ledger.ErrNotFound); e.ID != want && !missing || missing != (want == "") {
			t.Errorf("behind %s: got %+v, %v, want %s", m.Payload, e, err, want)
		}
		write(t, s, func(ctx context.Context, tx ledger.Tx) error { return outbox.Finish(ctx, tx, m) })
	}
}

func totalsAt(t *testing.T, s stores) {
	holder(t, s)
	at := func(m outbox.Message, bonus, balance int64) {
		t.Helper()
		gotBonus, gotBalance, err := s.TotalsAt(t.Context(), m)
		if gotBonus != bonus || gotBalance != balance || err != nil {
			t.Errorf("behind %s: %d and %d, %v, want %d and %d", m.Payload, gotBonus, gotBalance, err, bonus, balance)
		}
	}
	refused := booked(t, s, ledger.Booking{AddBonus: 10}, "")
	enqueue(t, s, ledger.KindEntry, refused.ID)
	m := lease(t, s)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		_, err := tx.Park(ctx, m, "why")
		return err
	})
	again := booked(t, s, ledger.Booking{AddBonus: 20}, "")
	first, second, third := booked(t, s, ledger.Booking{AddBonus: 1}, ""), booked(t, s, ledger.Booking{AddBonus: 2, AddBalance: 7}, ""),
		booked(t, s, ledger.Booking{AddBonus: 4}, "")
	enqueue(t, s, ledger.KindEntry, first.ID, second.ID)
	enqueue(t, s, ledger.KindEntryAgain, again.ID)
	enqueue(t, s, ledger.KindEntry, third.ID)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { // it is on the face already
		return ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 500}, ledger.RouteFace, true)
	})
	at(outbox.Message{CardID: "c1", Code: "A1", Payload: "nothing"}, 530, 0) // what was parked is not sent behind it
	if e, err := s.NextQueued(t.Context(), outbox.Message{CardID: "c1", Code: "A1"}); e.ID != first.ID || err != nil {
		t.Errorf("the next entry: %+v, %v, want the first that waits", e, err)
	}
	for _, want := range [][2]int64{{531, 0}, {533, 7}, {533, 7}, {537, 7}} {
		m := lease(t, s)
		at(m, want[0], want[1])
		write(t, s, func(ctx context.Context, tx ledger.Tx) error { return outbox.Finish(ctx, tx, m) })
	}
	if _, _, err := s.TotalsAt(t.Context(), outbox.Message{CardID: "c1", Code: "none"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("of an unknown code: %v", err)
	}
}
