package ledgertest

import (
	"context"
	"errors"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

// The face of the recipient's card shows what the giver's did, with the entries that
// were not sent: they need no push of their own.
func knownLedgerMoves(t *testing.T, s stores) {
	holder(t, s)
	add(t, s, "B1", member.Claimed)
	c := card(t, s, "B1")
	c.FaceKnown = true
	change(t, s, c)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		return ledger.Add(ctx, tx, "c1", "B1", ledger.Booking{AddBonus: 1}, "", false)
	})
	if a := account(t, s, "B1"); a.Seq != 1 || a.Sent {
		t.Fatalf("the giver has %+v, want an entry that was not sent", a)
	}
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MoveLedger(ctx, "c1", "B1", "A1") })
	if a := account(t, s, "A1"); a.Bonus != 1 || !a.Sent {
		t.Errorf("the recipient: %+v, want all marked as sent", a)
	}
	wantPending(t, s, 0)
}

func ledgerMoves(t *testing.T, s stores) {
	holder(t, s)
	add(t, s, "B1", member.Active)
	p := booked(t, s, ledger.Booking{AddBonus: 5, AddBalance: 6}, "k")
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MoveLedger(ctx, "c1", "A1", "B1") })
	if c := account(t, s, "A1"); c.Bonus != 0 || c.Balance != 0 || c.Seq != 0 {
		t.Errorf("the giver: %+v", c)
	}
	if c := account(t, s, "B1"); c.Bonus != 5 || c.Balance != 6 || c.Seq != 1 {
		t.Errorf("the recipient: %+v", c)
	}
	if e, err := s.Entry(t.Context(), "c1", "B1", p.ID); e != p.Entry || err != nil {
		t.Errorf("the entry: %+v, %v", e, err)
	}
	if list, err := s.Entries(t.Context(), "c1", "A1", 0, 9); len(list) != 0 || err != nil {
		t.Errorf("entries of the giver: %+v, %v", list, err)
	}
	booked(t, s, ledger.Booking{AddBonus: 1}, "k2") // on the giver's new ledger
	balanced(t, s)
}

func unsentLedgerMoves(t *testing.T, s stores) {
	add(t, s, "B1", member.Active)
	holder(t, s)
	c := card(t, s, "B1")
	c.FaceKnown = false
	change(t, s, c)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		return errors.Join(
			ledger.Add(ctx, tx, "c1", "B1", ledger.Booking{AddBonus: 1}, "", false), tx.MoveLedger(ctx, "c1", "B1", "A1"),
		)
	})
	if a := account(t, s, "A1"); a.Bonus != 1 || a.Sent {
		t.Errorf("the recipient: %+v", a)
	}
	list, err := s.Entries(t.Context(), "c1", "A1", 0, 9)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	wantPending(t, s, 0, list[0].ID)
}
