package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
)

// partly returns a partial reversal of an entry, and its request, which is answered
// with what was added and what is missing.
func partly(id, key string) (ledger.Booking, ledger.Request) {
	r := request(key)
	r.Answer = func(e ledger.Entry) ([]byte, error) {
		return fmt.Appendf(nil, "%d %d, missing %d %d", e.AddBonus, e.AddBalance, e.MissingBonus, e.MissingBalance), nil
	}
	return ledger.Booking{Reverses: id, Partial: true}, r
}

// takeBack reverses an entry partly, and checks the answer.
func takeBack(t *testing.T, s stores, id, key, want string) {
	t.Helper()
	b, r := partly(id, key)
	got, _, err := service(s).AddEntry(t.Context(), "c1", "A1", b, r)
	if string(got) != want || err != nil {
		t.Errorf("%s: got %q, %v, want %q", key, got, err, want)
	}
}

func partialReversal(t *testing.T, s stores) {
	holder(t, s)
	earned := booked(t, s, points(10), "")
	booked(t, s, points(-10), "")
	b, r := partly(earned.ID, "k1")
	ask(t, s, b, r, ledger.ErrInsufficientBonus)
	booked(t, s, points(4), "")
	takeBack(t, s, earned.ID, "k1", "-4 0, missing 6 0")
	booked(t, s, points(6), "")
	takeBack(t, s, earned.ID, "k1", "-4 0, missing 6 0") // the request again
	ask(t, s, b, request("k2"), ledger.ErrNotReversible) // also for what was missing
	ask(t, s, ledger.Booking{Reverses: earned.ID}, request("k3"), ledger.ErrNotReversible)
	if c := account(t, s, "A1"); c.Bonus != 6 {
		t.Errorf("got %+v", c)
	}
	whole := booked(t, s, points(3), "")
	takeBack(t, s, whole.ID, "k4", "-3 0, missing 0 0")
	b.Reverses = "none"
	ask(t, s, b, request("k5"), ledger.ErrEntryUnknown)
	balanced(t, s)
}

func partialReversalOfBoth(t *testing.T, s stores) {
	holder(t, s)
	both := booked(t, s, ledger.Booking{AddBonus: 10, AddBalance: 20, Order: "o1"}, "")
	booked(t, s, ledger.Booking{AddBonus: -10, AddBalance: -5}, "")
	takeBack(t, s, both.ID, "k1", "0 -15, missing 10 5")
	list, err := s.Entries(t.Context(), "c1", "A1", 0, 3)
	if err != nil || len(list) != 3 {
		t.Fatalf("got %+v, %v", list, err)
	}
	all := journal(t, s, ledger.Filter{CardID: "c1"}, 50)
	for i, want := range []ledger.Undo{{Order: "o1", BookedAt: both.CreatedAt}, {}, {BackBalance: -15}} {
		j := slices.IndexFunc(all, func(e ledger.CardEntry) bool { return e.ID == list[i].ID })
		if list[i].Undo != want || all[j].Undo != want {
			t.Errorf("entry %d: got %+v and %+v, want %+v", i, list[i].Undo, all[j].Undo, want)
		}
	}

	booked(t, s, fen(20), "")
	exchanged := booked(t, s, ledger.Booking{AddBonus: 10, AddBalance: -20}, "")
	booked(t, s, ledger.Booking{AddBonus: -3, AddBalance: ledger.MaxTotal - 5}, "")
	takeBack(t, s, exchanged.ID, "k2", "-7 5, missing 3 15")

	spent := booked(t, s, fen(-20), "")
	booked(t, s, fen(20), "")
	b, r := partly(spent.ID, "k3")
	ask(t, s, b, r, ledger.ErrTooMuch) // the balance is the largest that there may be
	balanced(t, s)
}

// The reversal takes back exactly what the debits before it have left.
func partialReversalAtOnce(t *testing.T, s stores) {
	holder(t, s)
	earned := booked(t, s, points(100), "")
	svc := service(s)
	var n, spent atomic.Int64
	answers := each(t, 16, func() (string, error) {
		i := n.Add(1)
		if i == 8 {
			b, r := partly(earned.ID, "back")
			got, _, err := svc.AddEntry(t.Context(), "c1", "A1", b, r)
			return string(got), err
		}
		_, _, err := svc.AddEntry(t.Context(), "c1", "A1", points(-5), request(fmt.Sprint("k", i)))
		if errors.Is(err, ledger.ErrInsufficientBonus) {
			return "", nil
		} else if err == nil {
			spent.Add(5)
		}
		return "", err
	})
	want := fmt.Sprintf("%d 0, missing %d 0", spent.Load()-100, spent.Load())
	if c := account(t, s, "A1"); !answers[want] || c.Bonus != 0 {
		t.Errorf("got %v after %d were spent, want %q, and the card %+v", answers, spent.Load(), want, c)
	}
	balanced(t, s)
}
