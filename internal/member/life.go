package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// A moment orders what happened to one card. WeChat's CreateTime has whole seconds.
// Within one second a card is taken, then deleted, then restored: any other order
// needs a second event of the same kind. 0 is never.
//
// Moments come from WeChat's clock only. The local clock would order wrongly what
// happened at WeChat while it was asked.
type moment int64

const (
	rankTaken = iota
	rankDeleted
	rankRestored
)

func momentOf(t time.Time, rank int64) moment { return moment(t.Unix()*4 + rank) }

// earliest is the moment of a claim by the phone, which comes without WeChat's
// time: after the issue and before every event.
const earliest moment = 1

// Life has what decides a card's status and holder. Of each kind of event only the
// latest counts, so the order in which events arrive does not matter.
type Life struct {
	Taken     moment // when the card was last taken or restored
	Deleted   moment // when it was last deleted
	OuterSet  moment // of the event that OuterStr is from
	Submitted bool   // the one-click form was filled in
	Wallet    string // the Official Account's openid of the holder; empty: not known yet
	GivenFrom string // the giver's code; empty: the card was not a gift
	Version   int64  // of the row, to detect concurrent changes; 0: there is no row yet
}

// CardInfo is what WeChat says about a member card.
type CardInfo struct {
	OpenID           string // of the holder in the Official Account; empty: not said
	Active           bool
	MembershipNumber string
	Status           string   // user_card_status: NORMAL, DELETE, …; empty: not said
	Bonus, Balance   *int64   // nil: not said
	Form             []Answer // what was filled in; nil: not said
}

// InWallet reports whether the holder can see the card. One on its way to a friend
// is still there, and stays if the friend does not take it.
func (i CardInfo) InWallet() bool {
	return slices.Contains([]string{"NORMAL", "GIFTING", "GIFT_TIMEOUT"}, i.Status)
}

// deriveStatus sets the status. Gifted and unavailable are final.
func (c *Card) deriveStatus() {
	switch {
	case c.Ended():
	case c.Life.Deleted > c.Life.Taken:
		c.Status = Deleted
	case c.Life.Taken == 0:
		c.Status = Issued
	case !c.ActivatedAt.IsZero():
		c.Status = Active
	default:
		c.Status = Claimed
	}
}

// markTaken records that the card is in the wallet since at.
func (c *Card) markTaken(m moment, at time.Time) {
	c.Life.Taken = max(c.Life.Taken, m)
	if c.ClaimedAt.IsZero() || at.Before(c.ClaimedAt) {
		c.ClaimedAt = at
	}
	c.deriveStatus()
}

// markDeleted records that the card was deleted from the wallet.
func (c *Card) markDeleted(m moment) {
	c.Life.Deleted = max(c.Life.Deleted, m)
	c.deriveStatus()
}

// setOuterStr keeps the outer_str of the latest event that had one.
func (c *Card) setOuterStr(outerStr string, m moment) {
	if outerStr != "" && m >= c.Life.OuterSet {
		c.OuterStr, c.Life.OuterSet = outerStr, m
	}
}

// MarkActive records that WeChat has activated the card, at the given time unless
// it was active before. If number is empty, the membership number stays as it is.
func (c *Card) MarkActive(number string, at time.Time) {
	if number != "" {
		c.MembershipNumber = number
	}
	if c.ActivatedAt.IsZero() {
		c.ActivatedAt = at
	}
	c.deriveStatus()
}

// ApplyInfo records the state that WeChat says the card is in now. WeChat does not
// say when this state began, so it is ordered just after the latest known event; any
// later event overrides it.
func (c *Card) ApplyInfo(info CardInfo, at time.Time) {
	switch {
	case info.Status == "DELETE":
		c.markDeleted(c.Life.Taken + 1)
	case info.Status == "UNAVAILABLE":
		c.Status = Unavailable
	case info.Status == "GIFT_SUCC": // WeChat names the recipient in an event
		c.Status = Gifted
	case info.InWallet() && !c.InWallet():
		c.markTaken(max(c.Life.Deleted, earliest), at)
	}
	if info.Active {
		c.MarkActive(info.MembershipNumber, at)
	}
}

// InWallet reports whether the card is in its holder's wallet.
func (c *Card) InWallet() bool { return c.Status == Claimed || c.Status == Active }

// Ended reports whether the code has reached a final status.
func (c *Card) Ended() bool { return c.Status == Gifted || c.Status == Unavailable }

// Save adds the card if its Version is 0, else updates it. It returns
// ledger.ErrConflict if another transaction has added or changed the card since it
// was read.
func Save(ctx context.Context, tx Tx, c Card) error {
	write := tx.UpdateCard
	if c.Life.Version == 0 {
		write = tx.AddCard
	}
	done, err := write(ctx, c)
	if err == nil && !done {
		return ledger.ErrConflict
	}
	return err
}

// AddPending adds to the pending updates of a card, and enqueues all of them if they
// can be sent. The same transaction must have saved the card.
func AddPending(ctx context.Context, tx Tx, c Card, updates ledger.PendingUpdates) error {
	if err := tx.AddPending(ctx, c.CardID, c.Code, updates); err != nil {
		return err
	}
	return EnqueuePending(ctx, tx, c)
}

// EnqueuePending enqueues the unsent entries and the pending updates of a card, if
// the card is active and its face is known. The same transaction must have saved the
// card.
func EnqueuePending(ctx context.Context, tx Tx, c Card) error {
	if c.Status != Active || !c.FaceKnown {
		return nil
	}
	return ledger.EnqueuePending(ctx, tx, c.CardID, c.Code)
}

// End records that WeChat has made a code unavailable at the operator's request.
// For an unknown code it does nothing.
func (s *Service) End(ctx context.Context, cardID, code string) error {
	err := s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, cardID, code)
		if errors.Is(err, ErrNotFound) || err == nil && c.Ended() {
			return nil
		}
		if err != nil {
			return err
		}
		c.Status = Unavailable
		return Save(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("end a code of card %s: %w", cardID, err)
	}
	return nil
}
