package member

import (
	"context"
	"errors"
)

// inherit ends the giver's code of a card that was given away and moves what is
// on it to the new one. The giver's own events may be late, so the card may
// have to be made; and the new one may have been given on already.
func (s *Service) inherit(ctx context.Context, tx Tx, e Event) error {
	giver, err := s.giver(ctx, tx, e)
	if errors.Is(err, ErrNotFound) {
		return nil // nobody to name; its code ends when we hear of it
	}
	if err != nil {
		return err
	}
	bonus, balance, fields := giver.Bonus, giver.Balance, giver.Fields
	giver.Status, giver.Bonus, giver.Balance = Gifted, 0, 0
	if err := put(ctx, tx, giver); err != nil {
		return err
	}
	heir, err := lastHeir(ctx, tx, e.CardID, e.OldCode)
	if err != nil {
		return err
	}
	heir.Bonus, heir.Balance = heir.Bonus+bonus, heir.Balance+balance
	for i, field := range fields {
		if heir.Fields[i] == "" {
			heir.Fields[i] = field
		}
	}
	return put(ctx, tx, heir)
}

func (s *Service) giver(ctx context.Context, tx Tx, e Event) (Card, error) {
	if e.FriendOpenID == "" {
		return tx.Card(ctx, e.CardID, e.OldCode)
	}
	return s.inWalletOf(ctx, tx, e.CardID, e.OldCode, Identity{AppID: s.apps.Official, OpenID: e.FriendOpenID})
}

// lastHeir follows a card from giver to giver to whoever has it now.
func lastHeir(ctx context.Context, tx Tx, cardID, code string) (Card, error) {
	const longest = 100 // WeChat makes no circle; a forged story could
	heir, err := tx.Heir(ctx, cardID, code)
	for range longest {
		if err != nil {
			break
		}
		next, again := tx.Heir(ctx, cardID, heir.Code)
		if errors.Is(again, ErrNotFound) {
			break
		}
		heir, err = next, again
	}
	return heir, err
}
