package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A moment orders what happened to one card. WeChat's CreateTime has whole
// seconds, so within one second a card is first taken, then deleted, then
// restored: any other order needs a second event of the same kind. 0 is never.
//
// Moments come from WeChat's clock only: ours would order wrongly what happened
// there around the time of a look.
type moment int64

const (
	takenFirst = iota
	deletedThen
	restoredLast
)

func momentOf(t time.Time, rank int64) moment { return moment(t.Unix()*4 + rank) }

// claimedSometime is the moment of a claim by the phone, which comes without
// WeChat's time: after the issue and before everything WeChat tells.
const claimedSometime moment = 1

// Life is what decides a card's status and holder, whatever the order in which
// it became known: of each kind of happening only the latest counts.
type Life struct {
	Held      moment // taken or restored, the latest
	Deleted   moment
	Outer     moment // when OuterStr was given
	Submitted bool   // the one-click form was filled in
	Wallet    string // the Official Account's openid of the holder; empty: not known yet
	GivenFrom string // the giver's code, of a card that was given
	Version   int64  // of the row, to notice a change in between; 0: there is no row yet
}

// settle derives the status. Gifted and unavailable are the end of a code.
func (c *Card) settle() {
	switch {
	case c.over():
	case c.Life.Deleted > c.Life.Held:
		c.Status = Deleted
	case c.Life.Held == 0:
		c.Status = Issued
	case !c.ActivatedAt.IsZero():
		c.Status = Active
	default:
		c.Status = Claimed
	}
}

// take notes that the card is in the wallet since at.
func (c *Card) take(m moment, at time.Time) {
	c.Life.Held = max(c.Life.Held, m)
	if c.ClaimedAt.IsZero() || at.Before(c.ClaimedAt) {
		c.ClaimedAt = at
	}
	c.settle()
}

// drop notes that the card was deleted from the wallet.
func (c *Card) drop(m moment) {
	c.Life.Deleted = max(c.Life.Deleted, m)
	c.settle()
}

// channel keeps the OuterStr of the latest event that had one.
func (c *Card) channel(outerStr string, m moment) {
	if outerStr != "" && m >= c.Life.Outer {
		c.OuterStr, c.Life.Outer = outerStr, m
	}
}

// activate notes that WeChat has activated the card.
func (c *Card) activate(number string, at time.Time) {
	if number != "" {
		c.MembershipNumber = number
	}
	if c.ActivatedAt.IsZero() {
		c.ActivatedAt = at
	}
	c.settle()
}

// see notes what WeChat says of the card now. That comes after all that is
// known, and, when that was, only WeChat's clock could tell: so it counts as
// the first moment after, and whatever happens later counts more.
func (c *Card) see(f Face, at time.Time) {
	switch {
	case f.Status == "DELETE":
		c.drop(c.Life.Held + 1)
	case f.Status == "UNAVAILABLE":
		c.Status = Unavailable
	case f.Status == "GIFT_SUCC": // who has it now, WeChat tells in an event
		c.Status = Gifted
	case f.inWallet():
		c.take(max(c.Life.Deleted, claimedSometime), at)
	}
	if f.Active {
		c.activate(f.MembershipNumber, at)
	}
}

// inWallet tells whether the card is in its holder's wallet.
func (c *Card) inWallet() bool { return c.Status == Claimed || c.Status == Active }

// over tells whether the code is at its end.
func (c *Card) over() bool { return c.Status == Gifted || c.Status == Unavailable }

// put adds the card, or updates it if nobody else did since it was read.
func put(ctx context.Context, tx Tx, c Card) error {
	write := tx.UpdateCard
	if c.Life.Version == 0 {
		write = tx.AddCard
	}
	done, err := write(ctx, c)
	if err == nil && !done {
		return ErrRaced
	}
	return err
}

// End notes that WeChat has ended a code on the operator's word. A code that
// nobody has heard of needs no note.
func (s *Service) End(ctx context.Context, cardID, code string) error {
	err := s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, cardID, code)
		if errors.Is(err, ErrNotFound) || err == nil && c.over() {
			return nil
		}
		if err != nil {
			return err
		}
		c.Status = Unavailable
		return put(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("end a code of card %s: %w", cardID, err)
	}
	return nil
}
