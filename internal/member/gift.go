package member

import (
	"context"
	"errors"
)

// inherit ends the giver's code of a card that was given away and moves what is
// on it to the new one. The giver's own events may be late, so the card may
// have to be made; and the new one may have been given on already.
func (s *Service) inherit(ctx context.Context, tx people, e Event) error {
	giver, err := s.giver(ctx, tx, e)
	if errors.Is(err, ErrNotFound) {
		return nil // nobody to name; its code ends when we hear of it
	}
	if err != nil {
		return err
	}
	giver.Status = Gifted
	if err := put(ctx, tx, giver); err != nil {
		return err
	}
	after, err := heirs(ctx, tx, giver)
	if err != nil {
		return err
	}
	heir := after[len(after)-1] // at least the one that the event is about
	for i, field := range giver.Fields {
		if heir.Fields[i] == "" {
			heir.Fields[i] = field
		}
	}
	if err := put(ctx, tx, heir); err != nil {
		return err
	}
	if err := bequeath(ctx, tx, e.CardID, giver.Code, heir.Code); err != nil {
		return err
	}
	return beginOnce(ctx, tx, giver, after)
}

// bequeath moves the ledger. An heir that has one already, because we heard of
// its card before we heard that it was given, gets what the giver's amounts to.
// The heir sees it without a word.
func bequeath(ctx context.Context, tx Tx, cardID, from, to string) error {
	giver, err := tx.Card(ctx, cardID, from)
	if err != nil {
		return err
	}
	heir, err := tx.Card(ctx, cardID, to)
	if err != nil {
		return err
	}
	switch {
	case heir.Seq == 0:
		err = tx.MoveLedger(ctx, cardID, from, to)
	case giver.Bonus != 0 || giver.Balance != 0:
		err = transfer(ctx, tx, giver, heir)
	}
	if err != nil {
		return err
	}
	due := dueTotals
	for i := range giver.Fields {
		if giver.Fields[i] != "" && giver.Fields[i] == heir.Fields[i] {
			due |= 1 << i
		}
	}
	return owe(ctx, tx, heir, due)
}

// transfer books the giver's totals to the heir.
func transfer(ctx context.Context, tx Tx, giver, heir Card) error {
	b := Booking{AddBonus: -giver.Bonus, AddBalance: -giver.Balance}
	if err := add(ctx, tx, giver, b, "", false); err != nil {
		return err
	}
	b.AddBonus, b.AddBalance = giver.Bonus, giver.Balance
	return add(ctx, tx, heir, b, "", false)
}

// beginOnce takes back what a card began with twice: before we heard that the one
// code came from the other, they were two cards. What is spent stays spent.
func beginOnce(ctx context.Context, tx Tx, giver Card, after []Card) error {
	before, err := givers(ctx, tx, giver)
	if err != nil {
		return err
	}
	first, err := began(ctx, tx, append(before, giver))
	if err == nil {
		_, err = began(ctx, tx, after)
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	heir, err := tx.Card(ctx, giver.CardID, after[len(after)-1].Code)
	if err != nil {
		return err
	}
	b := Booking{AddBonus: -min(first.AddBonus, heir.Bonus), AddBalance: -min(first.AddBalance, heir.Balance), Reverses: first.ID}
	if b.AddBonus == 0 && b.AddBalance == 0 {
		return nil
	}
	return add(ctx, tx, heir, b, "", false)
}

// began is the entry of what a card began with under one of its codes, or
// ErrNotFound.
func began(ctx context.Context, r Reader, codes []Card) (e Entry, err error) {
	err = ErrNotFound
	for _, c := range codes {
		if e, err = r.EntryFrom(ctx, c.CardID, c.Code, openingRoute); !errors.Is(err, ErrNotFound) {
			break
		}
	}
	return e, err
}

func (s *Service) giver(ctx context.Context, tx people, e Event) (Card, error) {
	if e.FriendOpenID == "" {
		return tx.Card(ctx, e.CardID, e.OldCode)
	}
	return s.inWalletOf(ctx, tx, e.CardID, e.OldCode, Identity{AppID: s.apps.Official, OpenID: e.FriendOpenID})
}

// heirs are the codes under which a card was given on, whoever has it now last.
func heirs(ctx context.Context, r Reader, c Card) ([]Card, error) {
	return follow(c, func(c Card) (Card, error) { return r.Heir(ctx, c.CardID, c.Code) })
}

// givers are the codes that a card had in the wallets it came from, the latest
// first.
func givers(ctx context.Context, r Reader, c Card) ([]Card, error) {
	return follow(c, func(c Card) (Card, error) { return r.Card(ctx, c.CardID, c.Life.GivenFrom) })
}

func follow(c Card, next func(Card) (Card, error)) (cards []Card, err error) {
	const longest = 100 // WeChat makes no circle; a forged story could
	for range longest {
		c, err = next(c)
		if errors.Is(err, ErrNotFound) {
			return cards, nil
		}
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	return cards, nil
}
