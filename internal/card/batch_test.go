package card_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// fussy is a depot that fails some calls, by number from 1. It forgets the code "lost".
type fussy struct {
	*depot
	batches  [][]string
	deposits map[int]error
	checks   map[int]error
	asked    [][]string
	stocks   map[int]error
	raised   int
}

func (f *fussy) DepositCodes(ctx context.Context, cardID string, codes []string) (accepted, duplicate, refused []string, err error) {
	f.batches = append(f.batches, codes)
	if err := f.deposits[len(f.batches)]; err != nil {
		return nil, nil, nil, err
	}
	codes = slices.DeleteFunc(slices.Clone(codes), func(code string) bool { return code == "lost" })
	return f.depot.DepositCodes(ctx, cardID, codes)
}

func (f *fussy) CheckCodes(_ context.Context, _ string, codes []string) ([]string, error) {
	f.asked = append(f.asked, codes)
	return codes[:1], f.checks[len(f.asked)]
}

func (f *fussy) ModifyStock(ctx context.Context, cardID string, delta int64) error {
	f.raised++
	if err := f.stocks[f.raised]; err != nil {
		return err
	}
	return f.depot.ModifyStock(ctx, cardID, delta)
}

func numbered(n int) (codes []string) {
	for i := range n {
		codes = append(codes, fmt.Sprintf("A%03d", i))
	}
	return codes
}

// count returns how many results there are of each kind.
func count(results []card.CodeResult) string {
	n := map[string]int{}
	for _, r := range results {
		n[r.Result]++
	}
	return fmt.Sprint(n)
}

func TestDeposit_SendsAHundredCodesAtATime(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		f := &fussy{depot: &depot{merchant: &merchant{}}}
		var reported []card.CodeResult
		results, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(250), func(r []card.CodeResult) {
			reported = append(reported, r...)
		})
		if err != nil || count(results) != "map[deposited:250]" || !slices.Equal(results, reported) || f.stock != 250 {
			t.Errorf("%v, %s, reported %s, stock %d", err, count(results), count(reported), f.stock)
		}
		for i, want := range []int{100, 100, 50} {
			if len(f.batches) != 3 || len(f.batches[i]) != want {
				t.Fatalf("%d batches; the one at %d has %d codes", len(f.batches), i, len(f.batches[i]))
			}
		}
	})
}

func TestDeposit_RefusesCodesThatWeChatWould(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		f := &fussy{depot: &depot{merchant: &merchant{}}}
		codes := []string{strings.Repeat("1", 20), strings.Repeat("1", 21), "", "a b", "azAZ09", "azAZ09", "lost", "é"}
		results, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", codes, nil)
		var got []string
		for i, r := range results {
			if r.Code != codes[i] {
				t.Errorf("result %d is of %q", i, r.Code)
			}
			got = append(got, r.Result)
		}
		want := []string{card.Deposited, card.Refused, card.Refused, card.Refused, card.Deposited, card.Duplicate, card.Failed, card.Refused}
		if err != nil || !slices.Equal(got, want) || f.stock != 2 || len(f.batches) != 1 || len(f.batches[0]) != 3 {
			t.Errorf("%v, got %v, want %v; stock %d, sent %v", err, got, want, f.stock, f.batches)
		}
	})
}

// What was deposited before a failure can be claimed. What comes after it is not sent.
func TestDeposit_EndsAtAFailure(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		f := &fussy{depot: &depot{merchant: &merchant{}}, deposits: map[int]error{2: errDown}}
		results, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(250), nil)
		if err != nil || count(results) != "map[deposited:100 failed:150]" || f.stock != 100 || len(f.batches) != 2 {
			t.Errorf("%v, %s, stock %d, %d batches", err, count(results), f.stock, len(f.batches))
		}
		f = &fussy{depot: &depot{merchant: &merchant{}}, deposits: map[int]error{1: errDown}}
		results, err = newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(250), nil)
		if !errors.Is(err, errDown) || count(results) != "map[failed:250]" || f.raised != 0 || len(f.batches) != 1 {
			t.Errorf("at once: %v, %s, the stock was raised %d times, %d batches", err, count(results), f.raised, len(f.batches))
		}
	})
}

// After a lost answer the codes that WeChat does not have are sent once more.
func TestDeposit_SendsWhatWasLostOnceMore(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		lost := unanswered{errDown}
		f := &fussy{depot: &depot{merchant: &merchant{}}, deposits: map[int]error{1: lost}}
		results, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(3), nil)
		if err != nil || count(results) != "map[deposited:3]" || len(f.batches) != 2 || len(f.batches[1]) != 2 {
			t.Errorf("lost once: %v, %s, sent %v", err, count(results), f.batches)
		}
		f = &fussy{depot: &depot{merchant: &merchant{}}, deposits: map[int]error{1: lost, 2: lost}}
		results, err = newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(3), nil)
		if err != nil || count(results) != "map[deposited:2 failed:1]" || len(f.batches) != 2 {
			t.Errorf("lost twice: %v, %s, sent %v", err, count(results), f.batches)
		}
		f = &fussy{depot: &depot{merchant: &merchant{}}, deposits: map[int]error{1: lost}, checks: map[int]error{1: errDown}}
		results, err = newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(3), nil)
		if !errors.Is(err, lost) || count(results) != "map[failed:3]" || len(f.batches) != 1 {
			t.Errorf("and the check fails: %v, %s, sent %v", err, count(results), f.batches)
		}
	})
}

// A stock that may have been raised is compared again, once.
func TestDeposit_RaisesTheStockAgainOnce(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		f := &fussy{depot: &depot{merchant: &merchant{}}, stocks: map[int]error{1: errDown}}
		if _, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(3), nil); err != nil || f.stock != 3 || f.raised != 2 {
			t.Errorf("fails once: %v, stock %d, raised %d times", err, f.stock, f.raised)
		}
		f = &fussy{depot: &depot{merchant: &merchant{}}, stocks: map[int]error{1: errDown, 2: errDown}}
		if _, err := newOperator(f, s, noLog).Deposit(t.Context(), "p1", numbered(3), nil); !errors.Is(err, errDown) || f.raised != 2 {
			t.Errorf("fails twice: %v, raised %d times", err, f.raised)
		}
	})
}
