package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Event is one card event that WeChat pushed to the Official Account. OpenID is
// the Official Account's.
type Event struct {
	DedupeKey    string // equal for every delivery of one event
	Name         string // user_get_card and so on
	CardID, Code string
	OpenID       string
	UnionID      string
	At           time.Time // WeChat's CreateTime, whole seconds

	OuterStr     string
	Restored     bool   // IsRestoreMemberCard
	OldCode      string // of the giver, for a card that was given away
	FriendOpenID string // of the giver

	Fields map[string]string // all that WeChat said, for the record
}

// The events that move a card through its life, and the one that its figures
// have changed; all others are only kept.
const (
	eventTaken     = "user_get_card"
	eventDeleted   = "user_del_card"
	eventSubmitted = "submit_membercard_user_info"
	eventModified  = "update_member_card" // by us, or by WeChat itself
)

// moves tells whether the event moves a card through its life.
func (e Event) moves() bool {
	return e.Name == eventTaken || e.Name == eventDeleted || e.Name == eventSubmitted
}

// Cards tells what has to happen to a card that was taken.
type Cards interface {
	// Plan answers from what is at hand, without asking WeChat, and returns
	// ErrCardUnknown for a card that is not.
	Plan(ctx context.Context, cardID string) (Plan, error)
	// Learn asks WeChat, and returns ErrCardUnknown for a card that the
	// account does not have.
	Learn(ctx context.Context, cardID string) (Plan, error)
	// Opening answers from what is at hand, as Plan does.
	Opening(ctx context.Context, cardID string) (Opening, error)
}

// ErrCardUnknown is returned by Cards.
var ErrCardUnknown = errors.New("member: card is not in the catalogue")

// Plan says how a card that was taken becomes active.
type Plan string

// A card activates itself when it is taken, or waits for us, or for the
// one-click form, or for the operator.
const (
	PlanAuto   Plan = "auto"
	PlanPush   Plan = "push"
	PlanForm   Plan = "form"
	PlanManual Plan = "manual"
)

// Receive applies an event once, in one durable transaction, and returns. It
// asks nobody outside: an event of a card that the catalogue does not know yet
// is kept, and applied by the Sender when it has asked. Deliveries may come in
// any order and any number of times with the same end.
func (s *Service) Receive(ctx context.Context, e Event) error {
	err := s.receive(ctx, e)
	if err != nil {
		return fmt.Errorf("receive %s of card %s: %w", e.Name, e.CardID, err)
	}
	s.wake()
	return nil
}

func (s *Service) receive(ctx context.Context, e Event) (err error) {
	var plan taking
	if e.moves() {
		plan, err = s.taking(ctx, e.CardID)
	}
	unknown := errors.Is(err, ErrCardUnknown)
	if err != nil && !unknown {
		return err
	}
	return s.writePeople(ctx, func(ctx context.Context, tx people) error {
		if erased, err := tx.Erased(ctx, e.CardID, e.Code); erased || err != nil {
			return err // nothing is kept of somebody who wanted to be forgotten
		}
		added, err := tx.AddEvent(ctx, e)
		switch {
		case err == nil && added && e.Name == eventModified:
			return suspect(ctx, tx, e)
		case err != nil || !added || !e.moves():
			return err
		case unknown:
			return tx.Enqueue(ctx, Message{CardID: e.CardID, Code: e.Code, Kind: applyEvent, Payload: e.DedupeKey})
		}
		return s.apply(ctx, tx, e, plan)
	})
}

// apply notes what an event that moves says of its card.
func (s *Service) apply(ctx context.Context, tx people, e Event, plan taking) error {
	c, err := s.inWalletOf(ctx, tx, e.CardID, e.Code, Identity{AppID: s.apps.Official, OpenID: e.OpenID, UnionID: e.UnionID})
	if err != nil {
		return err
	}
	if e.Name == eventDeleted {
		c.drop(momentOf(e.At, deletedThen))
		return put(ctx, tx, c)
	}
	given := e.Name == eventTaken && e.OldCode != "" && e.OldCode != e.Code
	if given {
		c.Life.GivenFrom = e.OldCode
	}
	// What the card became meanwhile, WeChat has to say.
	look := given || e.Restored || e.Name == eventSubmitted || c.Status == Deleted
	c.taken(e)
	if err := s.keep(ctx, tx, c, plan, look && c.inWallet()); err != nil || !given {
		return err
	}
	return s.inherit(ctx, tx, e)
}

// suspect has the card's figures looked at, unless they have changed by what one
// of our latest entries says.
func suspect(ctx context.Context, tx Tx, e Event) error {
	const latest = 20
	entries, err := tx.Entries(ctx, e.CardID, e.Code, 0, latest)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if e.modified("ModifyBonus", entry.AddBonus) && e.modified("ModifyBalance", entry.AddBalance) {
			return nil
		}
	}
	return tx.Suspect(ctx, e.CardID, e.Code)
}

// modified tells whether the event says that the figure changed by n; what it
// does not say has not changed.
func (e Event) modified(figure string, n int64) bool {
	by, err := strconv.ParseInt(cmp.Or(e.Fields[figure], "0"), 10, 64)
	return err == nil && by == n
}

// taken notes that the card is in the wallet, which a form that was filled in
// says as well.
func (c *Card) taken(e Event) {
	m := momentOf(e.At, takenFirst)
	if e.Restored {
		m = momentOf(e.At, restoredLast)
	}
	c.Life.Submitted = c.Life.Submitted || e.Name == eventSubmitted
	c.channel(e.OuterStr, m)
	c.take(m, e.At)
}

// inWalletOf returns the card as who has it in the wallet, now or once, making
// it if this is the first that is heard of it. Its caller has to put it.
func (s *Service) inWalletOf(ctx context.Context, tx people, cardID, code string, who Identity) (Card, error) {
	c, err := tx.Card(ctx, cardID, code)
	switch {
	case errors.Is(err, ErrNotFound):
		if c, err = newCard(ctx, tx, cardID, code); err == nil {
			c.MemberID, err = s.person(ctx, tx, who)
		}
	case err == nil:
		var owner string
		if owner, err = s.holder(ctx, tx, c.MemberID, who); err == nil {
			c, err = tx.Card(ctx, cardID, code) // it may have moved with the wallet
			c.MemberID = owner
		}
	}
	c.Life.Wallet = who.OpenID
	return c, err
}

// newCard is a card under a code that we did not issue. It may have been given
// away before we hear that it was taken.
func newCard(ctx context.Context, tx Tx, cardID, code string) (Card, error) {
	c := Card{CardID: cardID, Code: code, Status: Issued}
	_, err := tx.Heir(ctx, cardID, code)
	switch {
	case errors.Is(err, ErrNotFound):
		return c, nil
	case err == nil:
		c.Status = Gifted
	}
	return c, err
}

// taking is what happens to a card that is taken.
type taking struct {
	Plan
	Opening // of a card that activates itself; others begin when we activate them
}

func (s *Service) taking(ctx context.Context, cardID string) (t taking, err error) {
	if t.Plan, err = s.cards.Plan(ctx, cardID); err == nil && t.Plan == PlanAuto {
		t.Opening, err = s.cards.Opening(ctx, cardID)
	}
	return t, err
}

// keep writes the card and enqueues what its state asks for: a look at it, or
// the activation, and what WeChat was not told.
func (s *Service) keep(ctx context.Context, tx Tx, c Card, how taking, look bool) error {
	before := c
	if how.Plan == PlanAuto && c.Life.Held > 0 {
		c.activate("", c.ClaimedAt)
	}
	if err := put(ctx, tx, c); err != nil {
		return err
	}
	if err := (beginning{Opening: how.Opening}).book(ctx, tx, before, c); err != nil {
		return err
	}
	m := Message{CardID: c.CardID, Code: c.Code, Kind: activateCard}
	if look {
		m.Kind = lookAtCard
	}
	if look || how.Plan == PlanPush && c.Status == Claimed {
		if err := tx.Enqueue(ctx, m); err != nil {
			return err
		}
	}
	return tell(ctx, tx, c)
}
