package member

import (
	"context"
	"slices"
)

// Opening is what a card begins with when it becomes active for the first time:
// points, fen (分), and what its holder reads about them.
type Opening struct {
	Bonus, Balance int64
	Record         string
}

// openingRoute is where its entry comes from.
const openingRoute = "opening"

// Activation is what WeChat is asked to activate a card with. An Opening that is
// zero is not sent.
type Activation struct {
	CardID, Code     string
	MembershipNumber string
	Opening          Opening
}

// beginning is what has to be booked when a card becomes active.
type beginning struct {
	Opening
	shown bool // its holder sees it already
	reset bool // the activation may have set the face to nothing
}

// beginning is what the card begins with, if it is new.
func (s *Sender) beginning(ctx context.Context, c Card) (b beginning, err error) {
	begun, err := hasBegun(ctx, s.service.store, c)
	if err == nil && !begun {
		b.Opening, err = s.service.cards.Opening(ctx, c.CardID)
	}
	return b, err
}

// hasBegun tells whether the card was active before, under this code or, as it
// may have been given from wallet to wallet, under another: it brings along what
// it had then.
func hasBegun(ctx context.Context, r Reader, c Card) (bool, error) {
	before, err := givers(ctx, r, c)
	if err != nil {
		return false, err
	}
	after, err := heirs(ctx, r, c)
	return slices.ContainsFunc(slices.Concat(before, []Card{c}, after), func(c Card) bool { return !c.ActivatedAt.IsZero() }), err
}

// start activates the card at WeChat, with what it begins with if it is new.
func (s *Sender) start(ctx context.Context, c Card) (beginning, error) {
	b, err := s.beginning(ctx, c)
	if err != nil {
		return b, err
	}
	a := Activation{CardID: c.CardID, Code: c.Code, MembershipNumber: c.Code}
	if c.Seq == 0 {
		a.Opening, b.shown = b.Opening, true
	}
	b.reset = c.Seq > 0 && !c.ActivatedAt.IsZero()
	return b, s.wechat.Activate(ctx, a)
}

// begun is what a card begins with that is active at WeChat already, perhaps by
// an activation of ours whose answer was lost.
func (s *Sender) begun(ctx context.Context, c Card, face Face) (beginning, error) {
	b, err := s.beginning(ctx, c)
	b.shown = c.Seq == 0 && face.Bonus != nil && face.Balance != nil && *face.Bonus == b.Bonus && *face.Balance == b.Balance
	return b, err
}

// book books it as the first entry of a card that has become active, once.
func (b beginning) book(ctx context.Context, tx Tx, before, now Card) error {
	first := before.ActivatedAt.IsZero() && !now.ActivatedAt.IsZero() && b.Opening != (Opening{})
	if first {
		begun, err := hasBegun(ctx, tx, before)
		if err == nil && !begun {
			err = b.enter(ctx, tx, now)
		}
		if err != nil || !begun {
			return err
		}
	}
	if first && b.shown || b.reset {
		return tx.Owe(ctx, now.CardID, now.Code, dueTotals)
	}
	return nil
}

// enter writes the entry. A card that was given away before we heard that it was
// active has its ledger where it is now.
func (b beginning) enter(ctx context.Context, tx Tx, c Card) error {
	if c.Status == Gifted {
		after, err := heirs(ctx, tx, c)
		if err != nil {
			return err
		}
		if len(after) > 0 {
			c, b.shown = after[len(after)-1], false
		}
	}
	return add(ctx, tx, c, Booking{
		AddBonus: b.Bonus, AddBalance: b.Balance, RecordBonus: b.Record, NotifyBonus: true, NotifyBalance: true,
	}, openingRoute, b.shown)
}
