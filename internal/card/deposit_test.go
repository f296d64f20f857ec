package card_test

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// depot is a merchant with a deposit card, whose stock WeChat does not limit.
type depot struct {
	*merchant
	deposited, stock int64
}

func (d *depot) Card(context.Context, string) (card.Card, error) {
	defer d.enter("get")()
	return card.Card{ID: "p1", Status: card.Verified, UseCustomCode: true, Deposit: true, Quantity: d.stock, TotalQuantity: d.stock}, nil
}

func (d *depot) RawCard(ctx context.Context, id string) (card.Card, json.RawMessage, error) {
	c, err := d.Card(ctx, id)
	return c, nil, err
}

func (d *depot) DepositCodes(_ context.Context, _ string, codes []string) (accepted, duplicate, refused []string, err error) {
	defer d.enter("deposit")()
	d.deposited += int64(len(codes))
	return codes, nil, nil, nil
}

func (d *depot) DepositCount(context.Context, string) (int64, error) {
	defer d.enter("count")()
	return d.deposited, nil
}

func (d *depot) ModifyStock(_ context.Context, _ string, delta int64) error {
	defer d.enter("stock")()
	d.stock += delta
	return nil
}

// Symptom: two deposits at the same time both raised the stock by all codes.
func TestDeposit_TwoAtOnceRaiseTheStockOnce(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		d := &depot{merchant: &merchant{before: func(string) { time.Sleep(time.Second) }}}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				codes := []string{"A" + strconv.Itoa(i), "B" + strconv.Itoa(i)}
				if _, err := newOperator(d, s, noLog).Deposit(t.Context(), "p1", codes, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d.deposited != 8 || d.stock != 8 {
			t.Errorf("%d codes, stock %d", d.deposited, d.stock)
		}
	})
}
