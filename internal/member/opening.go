package member

import "context"

// Opening is what a card begins with when it becomes active for the first time:
// points, fen (分), and what its holder reads about them.
type Opening struct {
	Bonus, Balance int64
	Record         string
}

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

// beginning is what the card begins with, if it is new: one that was given away
// brings what it had.
func (s *Sender) beginning(ctx context.Context, c Card) (b beginning, err error) {
	if c.Life.GivenFrom == "" && c.ActivatedAt.IsZero() {
		b.Opening, err = s.service.cards.Opening(ctx, c.CardID)
	}
	return b, err
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
	first := before.ActivatedAt.IsZero() && !now.ActivatedAt.IsZero()
	switch {
	case first && b.Opening != (Opening{}):
		return b.enter(ctx, tx, now)
	case b.reset:
		return tx.Owe(ctx, now.CardID, now.Code, dueTotals)
	}
	return nil
}

func (b beginning) enter(ctx context.Context, tx Tx, c Card) error {
	p, err := tx.Post(ctx, c.CardID, c.Code, Booking{
		AddBonus: b.Bonus, AddBalance: b.Balance, RecordBonus: b.Record, NotifyBonus: true, NotifyBalance: true,
	}, anyStatus)
	if err != nil {
		return err
	}
	if err := enter(ctx, tx, p, Request{}, nil); err != nil || !p.Told || b.shown {
		return err
	}
	return tx.Enqueue(ctx, entryMessage(p.CardID, p.Code, p.ID))
}
