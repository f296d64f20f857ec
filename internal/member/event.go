package member

import (
	"context"
	"errors"
	"fmt"
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

// The events that move a card through its life; all others are only kept.
const (
	eventTaken     = "user_get_card"
	eventDeleted   = "user_del_card"
	eventSubmitted = "submit_membercard_user_info"
)

// Cards tells what has to happen to a card that was taken.
type Cards interface {
	// Plan answers from what is at hand, without asking WeChat, and returns
	// ErrCardUnknown for a card that is not.
	Plan(ctx context.Context, cardID string) (Plan, error)
	// Learn asks WeChat, and returns ErrCardUnknown for a card that the
	// account does not have.
	Learn(ctx context.Context, cardID string) (Plan, error)
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
	plan, err := s.cards.Plan(ctx, e.CardID)
	unknown := errors.Is(err, ErrCardUnknown)
	if err != nil && !unknown {
		return fmt.Errorf("look card %s up: %w", e.CardID, err)
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		if added, err := tx.AddEvent(ctx, e); err != nil || !added {
			return err
		}
		switch {
		case e.Name != eventTaken && e.Name != eventDeleted && e.Name != eventSubmitted:
			return nil
		case unknown:
			return tx.Enqueue(ctx, Message{CardID: e.CardID, Code: e.Code, Kind: applyEvent, Payload: e.DedupeKey})
		}
		return s.apply(ctx, tx, e, plan)
	})
	if err != nil {
		return fmt.Errorf("receive %s of card %s: %w", e.Name, e.CardID, err)
	}
	s.wake()
	return nil
}

func (s *Service) apply(ctx context.Context, tx Tx, e Event, plan Plan) error {
	switch {
	case e.Name == eventDeleted:
		return s.deleted(ctx, tx, e)
	case e.Name == eventTaken && e.OldCode != "" && e.OldCode != e.Code:
		if err := s.given(ctx, tx, e); err != nil {
			return err
		}
	}
	return s.taken(ctx, tx, e, plan)
}

func (s *Service) who(e Event) Identity {
	return Identity{AppID: s.apps.Official, OpenID: e.OpenID, UnionID: e.UnionID}
}

// taken puts the card into the wallet of the event's person.
func (s *Service) taken(ctx context.Context, tx Tx, e Event, plan Plan) error {
	c, err := s.inWalletOf(ctx, tx, e)
	if err != nil {
		return err
	}
	rank := int64(takenFirst)
	if e.Restored {
		rank = restoredLast
	}
	m := momentOf(e.At, rank)
	c.take(m, e.At)
	c.channel(e.OuterStr, m)
	c.Life.Submitted = c.Life.Submitted || e.Name == eventSubmitted
	look := e.Restored || e.OldCode != "" || e.Name == eventSubmitted
	return s.keep(ctx, tx, c, plan, look)
}

// inWalletOf returns the event's card, held by the event's person: whoever it
// was issued to, the wallet is the truth.
func (s *Service) inWalletOf(ctx context.Context, tx Tx, e Event) (Card, error) {
	c, err := tx.Card(ctx, e.CardID, e.Code)
	if errors.Is(err, ErrNotFound) {
		c = Card{CardID: e.CardID, Code: e.Code, Status: Issued}
		c.MemberID, err = s.person(ctx, tx, s.who(e))
		return c, err
	}
	if err != nil {
		return Card{}, err
	}
	owner, err := s.holder(ctx, tx, c.MemberID, s.who(e))
	if err != nil {
		return Card{}, err
	}
	c, err = tx.Card(ctx, e.CardID, e.Code) // a merge may have moved it
	c.MemberID = owner
	return c, err
}

func (s *Service) deleted(ctx context.Context, tx Tx, e Event) error {
	c, err := tx.Card(ctx, e.CardID, e.Code)
	if errors.Is(err, ErrNotFound) { // its taking is late
		c = Card{CardID: e.CardID, Code: e.Code, Status: Issued}
		c.MemberID, err = s.person(ctx, tx, s.who(e))
	}
	if err != nil {
		return err
	}
	c.drop(momentOf(e.At, deletedThen))
	return s.keep(ctx, tx, c, PlanManual, false)
}

// given ends the giver's code and moves what was on it to the new one. The
// giver's own events may be late, so the row may have to be made.
func (s *Service) given(ctx context.Context, tx Tx, e Event) error {
	old, err := tx.Card(ctx, e.CardID, e.OldCode)
	if errors.Is(err, ErrNotFound) {
		old = Card{CardID: e.CardID, Code: e.OldCode}
		giver := e.FriendOpenID
		if giver == "" {
			return nil // there is nothing to move and nobody to name
		}
		old.MemberID, err = s.person(ctx, tx, Identity{AppID: s.apps.Official, OpenID: giver})
	}
	if err != nil || old.Status == Gifted {
		return err
	}
	gone := old
	gone.Status, gone.Bonus, gone.Balance = Gifted, 0, 0
	if err := s.put(ctx, tx, gone); err != nil {
		return err
	}
	c, err := s.inWalletOf(ctx, tx, e)
	if err != nil {
		return err
	}
	c.Bonus, c.Balance = c.Bonus+old.Bonus, c.Balance+old.Balance
	c.MembershipNumber, c.Fields = old.MembershipNumber, old.Fields
	return s.put(ctx, tx, c)
}

// keep writes the card and enqueues what its state asks for.
func (s *Service) keep(ctx context.Context, tx Tx, c Card, plan Plan, look bool) error {
	if plan == PlanAuto && c.inWallet() {
		c.activate(c.ClaimedAt)
	}
	if err := s.put(ctx, tx, c); err != nil {
		return err
	}
	m := Message{CardID: c.CardID, Code: c.Code}
	switch {
	case look && c.inWallet():
		m.Kind = lookAtCard
	case plan == PlanPush && c.Status == Claimed:
		m.Kind = activateCard
	default:
		return nil
	}
	return tx.Enqueue(ctx, m)
}

// put adds or updates the row, whichever it needs.
func (s *Service) put(ctx context.Context, tx Tx, c Card) error {
	write := tx.UpdateCard
	if _, err := tx.Card(ctx, c.CardID, c.Code); errors.Is(err, ErrNotFound) {
		write = tx.AddCard
	} else if err != nil {
		return err
	}
	done, err := write(ctx, c)
	if err == nil && !done {
		return errRaced
	}
	return err
}
