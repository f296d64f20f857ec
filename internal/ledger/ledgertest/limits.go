package ledgertest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// by returns a request of an actor, which is answered with the entry's ID.
func by(actor, key string, limits *ledger.Limits) ledger.Request {
	r := request(key)
	r.Actor, r.Limits = actor, limits
	r.Answer = func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil }
	return r
}

// ask books b on c1/A1 and returns the entry's ID. It must end as want says.
func ask(t *testing.T, s stores, b ledger.Booking, r ledger.Request, want error) string {
	t.Helper()
	id, _, err := service(s).AddEntry(t.Context(), "c1", "A1", b, r)
	if !errors.Is(err, want) {
		t.Errorf("%s, %+v of %s: got %v, want %v", r.Key, b, r.Actor, err, want)
	}
	return string(id)
}

// most allows n of each kind in a day that has begun long ago.
func most(n int64) *ledger.Limits {
	return &ledger.Limits{BonusPerEntry: n, BonusPerDay: n, BalancePerEntry: n, BalancePerDay: n}
}

func points(n int64) ledger.Booking { return ledger.Booking{AddBonus: n} }

func fen(n int64) ledger.Booking { return ledger.Booking{AddBalance: n} }

func labels(t *testing.T, s stores) {
	holder(t, s)
	id := ask(t, s, ledger.Booking{AddBonus: 1, Store: "s1", Order: "o1"}, by("amy", "k1", nil), nil)
	e, err := s.Entry(t.Context(), "c1", "A1", id)
	if e.Actor != "amy" || e.Store != "s1" || e.Order != "o1" || err != nil {
		t.Errorf("got %+v, %v", e, err)
	}
	list, err := s.Entries(t.Context(), "c1", "A1", 0, 1)
	if len(list) != 1 || list[0].Actor != "amy" || list[0].Store != "s1" || list[0].Order != "o1" || err != nil {
		t.Errorf("listed: %+v, %v", list, err)
	}
	ask(t, s, ledger.Booking{Reverses: id, Store: "s2"}, by("bob", "k2", nil), nil)
	list, err = s.Entries(t.Context(), "c1", "A1", 0, 1)
	if len(list) != 1 || list[0].Actor != "bob" || list[0].Store != "s2" || list[0].Order != "" || err != nil {
		t.Errorf("its reversal: %+v, %v", list, err)
	}
}

func entryLimits(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBonus: 100, AddBalance: 100}, "")
	l := &ledger.Limits{BonusPerEntry: 5, BonusPerDay: 100, BalancePerEntry: 7, BalancePerDay: 100}
	for i, c := range []struct {
		b    ledger.Booking
		want error
	}{
		{points(5), nil}, {points(-5), nil}, {fen(7), nil}, {fen(-7), nil}, {ledger.Booking{AddBonus: 5, AddBalance: -7}, nil},
		{points(6), ledger.ErrOverEntryLimit}, {points(-6), ledger.ErrOverEntryLimit},
		{fen(8), ledger.ErrOverEntryLimit}, {fen(-8), ledger.ErrOverEntryLimit},
		{ledger.Booking{AddBonus: 1, AddBalance: 8}, ledger.ErrOverEntryLimit},
	} {
		ask(t, s, c.b, by("amy", fmt.Sprint("k", i), l), c.want)
	}
	none := &ledger.Limits{}
	ask(t, s, points(1), by("amy", "none", none), ledger.ErrOverEntryLimit)
	ask(t, s, fen(-1), by("amy", "none", none), ledger.ErrOverEntryLimit)
	ask(t, s, points(6), by("amy", "without", nil), nil)
	balanced(t, s)
}

func dayLimits(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBonus: 100, AddBalance: 100}, "")
	l := most(10)
	ask(t, s, points(6), by("amy", "k1", l), nil)
	ask(t, s, points(5), by("amy", "k2", l), ledger.ErrOverDayLimit)
	ask(t, s, points(-10), by("amy", "k3", l), nil) // what is taken counts by itself
	ask(t, s, points(-1), by("amy", "k4", l), ledger.ErrOverDayLimit)
	ask(t, s, fen(-10), by("amy", "k5", l), nil)
	ask(t, s, fen(-1), by("amy", "k6", l), ledger.ErrOverDayLimit)
	ask(t, s, fen(10), by("amy", "k7", l), nil)
	ask(t, s, ledger.Booking{AddBonus: 1, AddBalance: 1}, by("amy", "k8", l), ledger.ErrOverDayLimit)
	ask(t, s, points(4), by("amy", "k2", l), nil) // up to the limit, under a key that was refused
	ask(t, s, points(6), by("amy", "k1", l), nil) // a replay is no booking
	ask(t, s, points(10), by("bob", "k9", l), nil)
	tomorrow := most(10)
	tomorrow.DayBegan = time.Now().Add(time.Hour)
	ask(t, s, points(10), by("amy", "k10", tomorrow), nil)
	balanced(t, s)
}

func dayLimitsAfterReversals(t *testing.T, s stores) {
	holder(t, s)
	l := most(10)
	l.UndoWithin = time.Hour
	ask(t, s, points(10), by("amy", "k1", l), nil)
	id := ask(t, s, fen(10), by("amy", "k2", l), nil)
	ask(t, s, ledger.Booking{Reverses: id}, by("amy", "k3", l), nil)
	id = ask(t, s, fen(10), by("amy", "k4", l), nil) // there is room again
	ask(t, s, fen(-10), by("amy", "k5", l), nil)     // the reversal has taken nothing
	ask(t, s, ledger.Booking{Reverses: id}, by("bob", "k6", nil), ledger.ErrInsufficientBalance)
	booked(t, s, fen(4), "")
	ask(t, s, ledger.Booking{Reverses: id, Partial: true}, by("amy", "k7", l), nil) // takes back four
	ask(t, s, fen(5), by("amy", "k8", l), ledger.ErrOverDayLimit)
	id = ask(t, s, fen(4), by("amy", "k9", l), nil)
	ask(t, s, ledger.Booking{Reverses: id}, by("bob", "k10", nil), nil) // which is bob's doing
	ask(t, s, fen(1), by("amy", "k11", l), ledger.ErrOverDayLimit)
	balanced(t, s)
}

func undoLimits(t *testing.T, s stores) {
	holder(t, s)
	limits := func(within time.Duration) *ledger.Limits { return &ledger.Limits{UndoWithin: within} }
	id := ask(t, s, points(100), by("amy", "k1", nil), nil)
	undo := ledger.Booking{Reverses: id}
	ask(t, s, undo, by("bob", "k2", limits(time.Hour)), ledger.ErrNotYours)
	ask(t, s, undo, by("", "k2", limits(time.Hour)), ledger.ErrNotYours)
	ask(t, s, undo, by("amy", "k2", limits(0)), ledger.ErrNotYours)
	if c := account(t, s, "A1"); c.Bonus != 100 {
		t.Errorf("after refusals: %+v", c)
	}
	ask(t, s, undo, by("amy", "k2", limits(time.Hour)), nil) // whatever the limits of amounts are
	if c := account(t, s, "A1"); c.Bonus != 0 {
		t.Errorf("undone: %+v", c)
	}
	ask(t, s, undo, by("amy", "k3", limits(time.Hour)), ledger.ErrNotReversible)
}

func dayLimitAtOnce(t *testing.T, s stores) {
	holder(t, s)
	svc, l := service(s), most(30)
	var key, added, refused atomic.Int64
	each(t, 16, func() (string, error) {
		_, _, err := svc.AddEntry(t.Context(), "c1", "A1", points(10), by("amy", fmt.Sprint("k", key.Add(1)), l))
		switch {
		case err == nil:
			added.Add(1)
		case errors.Is(err, ledger.ErrOverDayLimit):
			refused.Add(1)
			err = nil
		}
		return "", err
	})
	if c := account(t, s, "A1"); added.Load() != 3 || refused.Load() != 13 || c.Bonus != 30 {
		t.Errorf("%d were added, %d refused, the card %+v", added.Load(), refused.Load(), c)
	}
}

// A copy of a request waits for the first, and must not find the day full.
func dayLimitOfOneKey(t *testing.T, s stores) {
	holder(t, s)
	svc, l := service(s), most(10)
	answers := each(t, 16, func() (string, error) {
		got, _, err := svc.AddEntry(t.Context(), "c1", "A1", points(10), by("amy", "k", l))
		return string(got), err
	})
	if c := account(t, s, "A1"); len(answers) != 1 || c.Bonus != 10 {
		t.Errorf("answers %v, the card %+v", answers, c)
	}
}
