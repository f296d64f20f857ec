package ledger

import (
	"context"
	"errors"
)

// reversible returns the entry with that ID of the card's ledger, which was not
// reversed and is no reversal itself.
func reversible(ctx context.Context, tx Tx, cardID, code, id string) (*Entry, error) {
	e, err := tx.Entry(ctx, cardID, code, id)
	switch {
	case errors.Is(err, ErrNotFound):
		if _, err = account(ctx, tx, cardID, code); err == nil {
			err = ErrEntryUnknown
		}
	case err == nil && (e.Reversed || e.Reverses != ""):
		err = ErrNotReversible
	}
	return &e, err
}

// clamp returns b with amounts that keep the totals within their bounds. It locks the
// card, so that the totals stay as they are until the transaction ends. If nothing is
// left of b, it returns why.
func clamp(ctx context.Context, tx Tx, cardID, code string, b Booking) (Booking, error) {
	if err := tx.LockCard(ctx, cardID, code); err != nil {
		return b, err
	}
	a, err := account(ctx, tx, cardID, code)
	if err != nil {
		return b, err
	}
	asked := b
	b.AddBonus = min(max(b.AddBonus, -a.Bonus), MaxTotal-a.Bonus)
	b.AddBalance = min(max(b.AddBalance, -a.Balance), MaxTotal-a.Balance)
	if b.AddBonus == 0 && b.AddBalance == 0 {
		return b, refusal(ctx, tx, cardID, code, asked)
	}
	return b, nil
}
