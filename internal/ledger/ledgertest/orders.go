package ledgertest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
)

// once returns a booking that must be the only one of its order.
func once(order string, n int64) ledger.Booking {
	return ledger.Booking{AddBonus: n, Order: order, OncePerOrder: true}
}

func orderOnce(t *testing.T, s stores) {
	holder(t, s)
	first := ask(t, s, once("o1", 30), by("amy", "k1", nil), nil)
	ask(t, s, once("o1", 30), by("amy", "k1", nil), nil) // the request again
	ask(t, s, once("o1", 30), by("bob", "k2", nil), ledger.ErrOrderBooked)
	ask(t, s, once("o1", -300), by("amy", "k3", nil), ledger.ErrOrderBooked)
	ask(t, s, once("o2", 5), by("eve", "k4", most(10)), nil)
	ask(t, s, once("o2", 50), by("eve", "k5", most(10)), ledger.ErrOrderBooked) // which is more to the point than the limit
	e, err := s.OfOrder(t.Context(), "c1", "A1", "o1")
	if e.ID != first || e.Actor != "amy" || e.AddBonus != 30 || err != nil {
		t.Errorf("got %+v, %v", e, err)
	}

	ask(t, s, ledger.Booking{Reverses: first, Order: "o1"}, by("amy", "k7", nil), nil)
	if _, err := s.OfOrder(t.Context(), "c1", "A1", "o1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("after it was undone: %v", err)
	}
	second := ask(t, s, once("o1", 20), by("bob", "k8", nil), nil)
	ask(t, s, once("o1", 20), by("amy", "k9", nil), ledger.ErrOrderBooked)
	if e, err := s.OfOrder(t.Context(), "c1", "A1", "o1"); e.ID != second || err != nil {
		t.Errorf("after it was booked again: %+v, %v", e, err)
	}

	booked(t, s, points(1), "") // of no order
	ask(t, s, ledger.Booking{AddBonus: 1, OncePerOrder: true}, by("amy", "k10", nil), nil)
	for _, other := range [][2]string{{"c1", "N1"}, {"c2", "A1"}, {"c1", "nobody's"}} {
		if e, err := s.OfOrder(t.Context(), other[0], other[1], "o1"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("of %v: %+v, %v", other, e, err)
		}
	}
	balanced(t, s)
}

func orderOnceAtOnce(t *testing.T, s stores) {
	holder(t, s)
	for round := range int64(5) { // the first of a round may be done before the others begin
		var n atomic.Int64
		answers := each(t, 16, func() (string, error) {
			i := round*16 + n.Add(1)
			b := once(fmt.Sprint("o", round), i)
			_, _, err := service(s).AddEntry(t.Context(), "c1", "A1", b, by(fmt.Sprint("cashier ", i), fmt.Sprint("k", i), nil))
			if errors.Is(err, ledger.ErrOrderBooked) {
				return "refused", nil
			}
			return "booked", err
		})
		entries, err := s.Entries(t.Context(), "c1", "A1", 0, 100)
		if !answers["booked"] || !answers["refused"] || int64(len(entries)) != 2*round+1 || err != nil {
			t.Errorf("got %v and %d entries after round %d, %v", answers, len(entries), round, err)
		}
		answers = each(t, 16, func() (string, error) {
			order := fmt.Sprint("copied ", round)
			answer, _, err := service(s).AddEntry(t.Context(), "c1", "A1", once(order, 1), by("amy", order, nil))
			return string(answer), err
		})
		if len(answers) != 1 {
			t.Errorf("copies of one request got %v", answers)
		}
	}
	balanced(t, s)
}
