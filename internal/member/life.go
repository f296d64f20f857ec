package member

import "time"

// A moment orders what happened to one card. WeChat's CreateTime has whole
// seconds, so within one second a card is first taken, then deleted, then
// restored: any other order needs a second event of the same kind. 0 is never.
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

// Life is what decides a card's status, whatever the order in which it became
// known: of each kind of happening only the latest counts.
type Life struct {
	Held      moment // taken or restored, the latest
	Deleted   moment
	Outer     moment // when OuterStr was given
	Submitted bool   // the one-click form was filled in
	Version   int64  // of the row, to notice a change in between
}

// settle derives the status. Gifted and unavailable are the end of a code.
func (c *Card) settle() {
	switch {
	case c.Status == Gifted || c.Status == Unavailable:
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
func (c *Card) activate(at time.Time) {
	if c.ActivatedAt.IsZero() {
		c.ActivatedAt = at
	}
	c.settle()
}

// inWallet tells whether the card is in its holder's wallet.
func (c *Card) inWallet() bool { return c.Status == Claimed || c.Status == Active }
