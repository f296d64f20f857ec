package ledger

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrOverEntryLimit and ErrOverDayLimit are returned for an entry of more than the
	// actor may give or take at once, or in one day.
	ErrOverEntryLimit = errors.New("ledger: more than the actor may book at once")
	ErrOverDayLimit   = errors.New("ledger: more than the actor may book in a day")
	// ErrNotYours is returned for the reversal of an entry that another actor has
	// booked, or that the actor has booked too long ago.
	ErrNotYours = errors.New("ledger: the actor may not reverse the entry")
)

// Limits bound what one actor books. Zero allows nothing of its kind. The limits of
// amounts hold for what is given and for what is taken, each by itself; reversals are
// free of them.
type Limits struct {
	BonusPerEntry, BonusPerDay     int64
	BalancePerEntry, BalancePerDay int64
	DayBegan                       time.Time
	UndoWithin                     time.Duration // how long the actor may reverse an entry of their own
}

// Day is what an actor has given and taken since some moment, without what the same
// actor has reversed of it. Now is the time of the database.
type Day struct {
	GivenBonus, TakenBonus     int64
	GivenBalance, TakenBalance int64
	Now                        time.Time
}

// check returns why an actor may not book b, which reverses the entry reversed, unless
// that is nil. It makes other bookings of an actor with limits wait until the
// transaction ends: they must not exceed the limits of the day together.
func (l *Limits) check(ctx context.Context, tx Tx, actor string, b Booking, reversed *Entry) error {
	if l == nil {
		return nil
	}
	if reversed == nil && (abs(b.AddBonus) > l.BonusPerEntry || abs(b.AddBalance) > l.BalancePerEntry) {
		return ErrOverEntryLimit
	}
	day, err := tx.LockDay(ctx, actor, l.DayBegan)
	switch {
	case err != nil:
		return err
	case reversed != nil:
		if reversed.Actor != actor || day.Now.Sub(reversed.CreatedAt) >= l.UndoWithin {
			return ErrNotYours
		}
	case over(b.AddBonus, day.GivenBonus, day.TakenBonus, l.BonusPerDay),
		over(b.AddBalance, day.GivenBalance, day.TakenBalance, l.BalancePerDay):
		return ErrOverDayLimit
	}
	return nil
}

// over reports whether a further amount makes more than most of what was given, or
// taken if the amount is negative.
func over(add, given, taken, most int64) bool {
	return add > 0 && given+add > most || add < 0 && taken-add > most
}

func abs(n int64) int64 { return max(n, -n) }
