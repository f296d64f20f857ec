package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

func unbalanced(t *testing.T, s stores) {
	balanced(t, s)
	holder(t, s)
	booked(t, s, ledger.Booking{AddBonus: 5}, "")
	balanced(t, s)
	for _, lost := range []struct { // each has moved the totals, and no entry is there
		add  int64
		want ledger.Imbalance
	}{
		{1, ledger.Imbalance{CardID: "c1", Code: "A1", Bonus: 6, SumBonus: 5, Seq: 2, Entries: 1}},
		{-1, ledger.Imbalance{CardID: "c1", Code: "A1", Bonus: 5, SumBonus: 5, Seq: 3, Entries: 1}},
	} {
		write(t, s, func(ctx context.Context, tx ledger.Tx) error {
			_, err := tx.Post(ctx, "c1", "A1", ledger.Booking{AddBonus: lost.add}, true)
			return err
		})
		if wrong, err := s.Unbalanced(t.Context(), 9); !slices.Equal(wrong, []ledger.Imbalance{lost.want}) || err != nil {
			t.Errorf("got %+v, %v, want %+v", wrong, err, lost.want)
		}
	}
}

func unbalancedAmongMany(t *testing.T, s stores) {
	holder(t, s)
	write := func(fn func(ctx context.Context, tx member.Tx) error) {
		t.Helper()
		if err := s.members.Write(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	const atOnce = 50 // a transaction has seconds, on a busy machine too
	for from := 0; from < 1100; from += atOnce {
		write(func(ctx context.Context, tx member.Tx) error {
			for i := range atOnce {
				card := member.Card{CardID: "c1", Code: fmt.Sprintf("B%04d", from+i), MemberID: "m1", Status: member.Active}
				if _, err := tx.AddCard(ctx, card); err != nil {
					return err
				}
			}
			return nil
		})
	}
	write(func(ctx context.Context, tx member.Tx) error {
		for _, code := range []string{"A1", "B0998", "B0999", "B1099"} {
			if _, err := tx.Post(ctx, "c1", code, ledger.Booking{AddBalance: 1}, true); err != nil {
				return err
			}
		}
		return nil
	})
	wrong, err := s.Unbalanced(t.Context(), 9)
	if len(wrong) != 4 || wrong[0].Code != "A1" || wrong[2].Code != "B0999" || wrong[3].Code != "B1099" || err != nil {
		t.Errorf("got %+v, %v", wrong, err)
	}
	if wrong, err := s.Unbalanced(t.Context(), 2); len(wrong) != 2 || err != nil {
		t.Errorf("two of them: %+v, %v", wrong, err)
	}
}

func balanced(t *testing.T, s stores) {
	t.Helper()
	if wrong, err := s.Unbalanced(t.Context(), 9); len(wrong) != 0 || err != nil {
		t.Errorf("the ledger does not add up: %+v, %v", wrong, err)
	}
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

// The database may have been changed by hand.
func wrongTotals(t *testing.T, s stores) {
	holder(t, s)
	for _, change := range []ledger.Booking{{AddBonus: 1}, {AddBalance: 1}} {
		write(t, s, func(ctx context.Context, tx ledger.Tx) error {
			p, err := tx.Post(ctx, "c1", "A1", ledger.Booking{AddBonus: 5, AddBalance: 5}, true)
			if err != nil {
				return err
			}
			p.AddBonus += change.AddBonus
			p.AddBalance += change.AddBalance
			_, err = tx.AddEntry(ctx, p, ledger.Request{}, nil)
			return err
		})
		wrong, err := s.Unbalanced(t.Context(), 9)
		if len(wrong) != 1 || wrong[0].Seq != wrong[0].Entries || err != nil {
			t.Errorf("an entry of %+v too much: got %+v, %v", change, wrong, err)
		}
		write(t, s, func(ctx context.Context, tx ledger.Tx) error { // the next one makes up for it
			p, err := tx.Post(ctx, "c1", "A1", ledger.Booking{AddBonus: 5, AddBalance: 5}, true)
			if err != nil {
				return err
			}
			p.AddBonus -= change.AddBonus
			p.AddBalance -= change.AddBalance
			_, err = tx.AddEntry(ctx, p, ledger.Request{}, nil)
			return err
		})
		balanced(t, s)
	}
}
