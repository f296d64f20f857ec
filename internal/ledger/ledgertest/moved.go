package ledgertest

import (
	"context"
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

// Two entries that were lost may add up to nothing.
func lostEntries(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBonus: 5}, "")
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		for _, n := range []int64{2, -2} {
			if _, err := tx.Post(ctx, "c1", "A1", ledger.Booking{AddBonus: n}, true); err != nil {
				return err
			}
		}
		return nil
	})
	wrong, err := s.Unbalanced(t.Context(), 9)
	if len(wrong) != 1 || wrong[0].Seq != 3 || wrong[0].Entries != 1 || err != nil {
		t.Errorf("got %+v, %v, want the card that lost two entries", wrong, err)
	}
}
