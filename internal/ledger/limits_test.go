package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// day is a fake on which an actor has given so many points today. It notes in which
// order the transaction asks.
type day struct {
	*fake
	given int64
	asked *[]string
}

func (d day) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	return fn(ctx, dayTx{fakeTx{fake: d.fake}, d})
}

type dayTx struct {
	fakeTx
	day day
}

func (t dayTx) LockDay(context.Context, string, time.Time) (ledger.Day, error) {
	*t.day.asked = append(*t.day.asked, "lock the day")
	return ledger.Day{GivenBonus: t.day.given}, nil
}

func (t dayTx) LockCard(context.Context, string, string) error {
	*t.day.asked = append(*t.day.asked, "lock the card")
	return nil
}

func (t dayTx) Account(ctx context.Context, cardID, code string) (ledger.Account, error) {
	*t.day.asked = append(*t.day.asked, "read the totals")
	return t.fakeTx.Account(ctx, cardID, code)
}

func (t dayTx) Entry(context.Context, string, string, string) (ledger.Entry, error) {
	return ledger.Entry{Booking: ledger.Booking{AddBonus: 5}}, nil
}

// While this copy of a request waited for the actor, another was answered and has used
// up the day.
func TestAddEntry_ACopyThatUsedUpTheDayIsTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers []string
		want    string
		err     error
	}{{[]string{"", "theirs"}, "theirs", nil}, {[]string{""}, "", ledger.ErrOverDayLimit}} {
		d := day{&fake{answers: c.answers}, 10, new([]string)}
		answer, _, err := ledger.New(d, func() {}).AddEntry(t.Context(), "push", "1", ledger.Booking{AddBonus: 1}, ledger.Request{
			Route: "POST", Key: "k", Actor: "amy", Limits: &ledger.Limits{BonusPerEntry: 10, BonusPerDay: 10},
		})
		if string(answer) != c.want || !errors.Is(err, c.err) {
			t.Errorf("got %q, %v, want %q, %v", answer, err, c.want, c.err)
		}
	}
}

// Otherwise other entries come between the look at the totals and the reversal.
func TestAddEntry_APartialReversalLocksTheCardBeforeItLooks(t *testing.T) {
	t.Parallel()
	d := day{&fake{answers: []string{""}, account: ledger.Account{Held: true, Bonus: 3}, added: true}, 0, new([]string)}
	_, _, err := ledger.New(d, func() {}).AddEntry(t.Context(), "push", "1", ledger.Booking{Reverses: "e", Partial: true}, ledger.Request{
		Route: "POST", Key: "k", Answer: func(ledger.Entry) ([]byte, error) { return nil, nil },
	})
	if want := []string{"lock the card", "read the totals"}; err != nil || !slices.Equal(*d.asked, want) {
		t.Errorf("got %q, %v, want %q", *d.asked, err, want)
	}
}
