package member

import (
	"context"
	"errors"

	"github.com/addcard/addcard/internal/ledger"
)

// receiveGift ends the giver's code of a card that was given away, and moves what is
// on it to the recipient's code. The giver's own events may arrive later, so the
// giver's card may have to be made; and the recipient may have given the card away
// already.
func (s *Service) receiveGift(ctx context.Context, tx peopleTx, e Event) error {
	if err := dropForm(ctx, tx, e.CardID, e.Code); err != nil {
		return err
	}
	giver, err := s.giver(ctx, tx, e)
	if errors.Is(err, ErrNotFound) {
		return nil // WeChat named no giver; the code ends when an event about it arrives
	}
	if err != nil {
		return err
	}
	giver.Status = Gifted
	if err := Save(ctx, tx, giver); err != nil {
		return err
	}
	if err := joinCode(ctx, tx, giver); err != nil {
		return err
	}
	after, err := successors(ctx, tx, giver)
	if err != nil {
		return err
	}
	recipient := after[len(after)-1] // at least the one that the event is about
	for i, field := range giver.Fields {
		if recipient.Fields[i] == "" {
			recipient.Fields[i] = field
		}
	}
	recipient.FaceKnown = recipient.FaceKnown || giver.FaceKnown // it shows what the giver's did
	if err := Save(ctx, tx, recipient); err != nil {
		return err
	}
	if err := moveLedger(ctx, tx, e.CardID, giver.Code, recipient.Code); err != nil {
		return err
	}
	return grantOnce(ctx, tx, giver, after)
}

// moveLedger moves the ledger. A recipient's code that has entries already, because
// its event came before the gift was known, gets the giver's totals instead. The
// recipient's face is changed without a notification.
func moveLedger(ctx context.Context, tx Tx, cardID, from, to string) error {
	giver, err := tx.Card(ctx, cardID, from)
	if err != nil {
		return err
	}
	recipient, err := tx.Card(ctx, cardID, to)
	if err != nil {
		return err
	}
	if recipient.Seq == 0 {
		err = tx.MoveLedger(ctx, cardID, from, to)
	} else {
		err = transfer(ctx, tx, giver, recipient)
	}
	if err != nil {
		return err
	}
	pending := ledger.PendingTotals
	for i := range giver.Fields {
		if giver.Fields[i] != "" && giver.Fields[i] == recipient.Fields[i] {
			pending |= ledger.PendingField(i, false)
		}
	}
	return AddPending(ctx, tx, recipient, pending)
}

// transfer moves the giver's totals to the recipient by an entry on each side. What
// the recipient's face showed when it was first read came from the giver.
func transfer(ctx context.Context, tx Tx, giver, recipient Card) error {
	if giver.FaceKnown {
		if err := reverseOpening(ctx, tx, recipient); err != nil {
			return err
		}
	}
	if giver.Bonus == 0 && giver.Balance == 0 {
		return nil
	}
	b := ledger.Booking{AddBonus: -giver.Bonus, AddBalance: -giver.Balance}
	if err := addEntry(ctx, tx, giver, b); err != nil {
		return err
	}
	b.AddBonus, b.AddBalance = giver.Bonus, giver.Balance
	return addEntry(ctx, tx, recipient, b)
}

func addEntry(ctx context.Context, tx Tx, c Card, b ledger.Booking) error {
	return ledger.Add(ctx, tx, c.CardID, c.Code, b, "", false)
}

// reverseOpening reverses the opening entry of a card, if it has one.
func reverseOpening(ctx context.Context, tx Tx, c Card) error {
	e, err := tx.FirstFrom(ctx, c.CardID, c.Code, ledger.RouteFace)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return reverseUnspent(ctx, tx, c, e)
}

// reverseUnspent reverses an entry. What was spent stays spent.
func reverseUnspent(ctx context.Context, tx Tx, c Card, e ledger.Entry) error {
	b := ledger.Booking{AddBonus: -min(e.AddBonus, c.Bonus), AddBalance: -min(e.AddBalance, c.Balance), Reverses: e.ID}
	if b.AddBonus == 0 && b.AddBalance == 0 {
		return nil
	}
	return addEntry(ctx, tx, c, b)
}

// grantOnce reverses the second initial grant of a card that got two: before the
// gift was known, its two codes were two cards.
func grantOnce(ctx context.Context, tx Tx, giver Card, after []Card) error {
	before, err := predecessors(ctx, tx, giver)
	if err != nil {
		return err
	}
	first, err := grantEntry(ctx, tx, append(before, giver))
	if err == nil {
		_, err = grantEntry(ctx, tx, after)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	recipient, err := tx.Card(ctx, giver.CardID, after[len(after)-1].Code)
	if err != nil {
		return err
	}
	return reverseUnspent(ctx, tx, recipient, first)
}

// grantEntry returns the entry of the initial grant to one of the codes of a card,
// or ledger.ErrNotFound.
func grantEntry(ctx context.Context, r Reader, codes []Card) (e ledger.Entry, err error) {
	err = ledger.ErrNotFound
	for _, c := range codes {
		if e, err = r.FirstFrom(ctx, c.CardID, c.Code, grantRoute); !errors.Is(err, ledger.ErrNotFound) {
			break
		}
	}
	return e, err
}

func (s *Service) giver(ctx context.Context, tx peopleTx, e Event) (Card, error) {
	if e.FriendOpenID == "" {
		return tx.Card(ctx, e.CardID, e.OldCode)
	}
	return s.cardInWalletOf(ctx, tx, e.CardID, e.OldCode, Identity{AppID: s.apps.Official, OpenID: e.FriendOpenID})
}

// successors returns the codes that a card got when it was given away, the present
// one last.
func successors(ctx context.Context, r Reader, c Card) ([]Card, error) {
	return chain(c, func(c Card) (Card, error) { return r.Successor(ctx, c.CardID, c.Code) })
}

// predecessors returns the codes that a card had in the wallets it came from, the
// latest first.
func predecessors(ctx context.Context, r Reader, c Card) ([]Card, error) {
	return chain(c, func(c Card) (Card, error) { return r.Card(ctx, c.CardID, c.Life.GivenFrom) })
}

// chain follows next until it returns ErrNotFound.
func chain(c Card, next func(Card) (Card, error)) (cards []Card, err error) {
	const longest = 100 // WeChat makes no cycle; a forged history could
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
