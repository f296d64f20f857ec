package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Face is what WeChat says of a member's card.
type Face struct {
	Active           bool
	MembershipNumber string
	Status           string // user_card_status: NORMAL, DELETE, …; empty: not said
	Bonus, Balance   *int64 // nil: not said
}

// inWallet tells whether the card is where its holder can see it. A card on its
// way to a friend still is, and comes back if the friend does not want it.
func (f Face) inWallet() bool {
	return slices.Contains([]string{"NORMAL", "GIFTING", "GIFT_TIMEOUT"}, f.Status)
}

// WeChat is what the Sender calls. An error tells by its methods what it means:
//
//	Temporary() bool                    // the same call may succeed later
//	Permanent() bool                    // not before somebody changes the account
//	RetryAfter() (time.Duration, bool)  // not before that time is over
//	NotDelivered() bool                 // the code is not in a wallet, or not yet
//
// An error without them is treated as one that passes. The calls end soon after
// their context.
type WeChat interface {
	// Activate makes the card active.
	Activate(ctx context.Context, a Activation) error
	// Face reads what the holder of the card sees.
	Face(ctx context.Context, cardID, code string) (Face, error)
	// Update changes what the holder of an active card sees.
	Update(ctx context.Context, u Update) error
}

// errStale makes the work on a message start over: its card changed meanwhile.
var errStale = errors.New("member: the card changed meanwhile")

// beingGiven puts an activation off while the card is on its way to a friend,
// which takes a day at most and in which WeChat refuses it.
type beingGiven struct{}

func (beingGiven) Error() string                     { return "member: the card is being given away" }
func (beingGiven) RetryAfter() (time.Duration, bool) { return 10 * time.Minute, true }

// soonReported puts the activation of a card whose holder is not known in the
// mini-program off, once: who comes from the open-card component reports it a
// moment after WeChat's event, and only a card that is not active yet can be
// shown to be theirs.
type soonReported struct{}

func (soonReported) Error() string                     { return "member: the mini-program may report the card" }
func (soonReported) RetryAfter() (time.Duration, bool) { return 20 * time.Second, true }

func (s *Sender) send(ctx context.Context, m Message) error {
	if m.Kind == applyEvent {
		return s.applyLate(ctx, m)
	}
	c, err := s.service.store.Card(ctx, m.CardID, m.Code)
	switch {
	case err != nil:
		return fmt.Errorf("look the card up: %w", err)
	case m.Kind == lookAtCard, m.Kind == activateCard && m.Started:
		return s.look(ctx, m, c)
	case m.Kind == activateCard:
		return s.activate(ctx, m, c)
	case pushes(m.Kind):
		return s.push(ctx, m, c)
	}
	return fmt.Errorf("member: unknown kind of message %q", m.Kind)
}

// activate makes a claimed card active. It is for the first try only: a message
// that was taken before may have had its effect, and a second activation would
// set the card's figures again.
func (s *Sender) activate(ctx context.Context, m Message, c Card) error {
	if c.Status != Claimed {
		return s.finish(ctx, m, unchanged(c, func(*Card) {}), beginning{})
	}
	begin, err := s.start(ctx, c)
	if err != nil {
		return err
	}
	return s.finish(ctx, m, func(now *Card) error {
		now.activate(m.Code, time.Now())
		return nil
	}, begin)
}

// look reads the card at WeChat, activates it if it should be active and is
// not, and makes ours equal to it.
func (s *Sender) look(ctx context.Context, m Message, c Card) error {
	if c.over() {
		return s.finish(ctx, m, unchanged(c, func(*Card) {}), beginning{})
	}
	face, err := s.wechat.Face(ctx, m.CardID, m.Code)
	if c.Status == Deleted && notDelivered(err) {
		return s.finish(ctx, m, unchanged(c, func(*Card) {}), beginning{}) // no news
	}
	if err != nil {
		return err
	}
	seen := c
	seen.see(face, time.Now())
	wanted, err := s.wanted(ctx, seen)
	if err != nil {
		return err
	}
	var begin beginning
	switch {
	case face.Active:
		begin, err = s.begun(ctx, c, face)
	case wanted && face.Status == "GIFTING":
		err = beingGiven{}
	case wanted && m.Attempts == 0 && s.stranger(ctx, c):
		err = soonReported{}
	case wanted:
		face.Active, face.MembershipNumber = true, m.Code
		begin, err = s.start(ctx, c)
	}
	if err != nil {
		return err
	}
	return s.finish(ctx, m, unchanged(c, func(now *Card) { now.see(face, time.Now()) }), begin)
}

// wanted tells whether it is us who have to make the card active.
func (s *Sender) wanted(ctx context.Context, c Card) (bool, error) {
	if !c.inWallet() {
		return false, nil
	}
	plan, err := s.service.cards.Plan(ctx, c.CardID)
	return plan == PlanPush || plan == PlanForm && c.Life.Submitted, err
}

// stranger tells whether the mini-program does not know the holder of a card
// that became theirs by a form.
func (s *Sender) stranger(ctx context.Context, c Card) bool {
	plan, err := s.service.cards.Plan(ctx, c.CardID)
	if err != nil || plan != PlanForm {
		return false
	}
	k, err := s.service.known(ctx, s.service.store, c.MemberID)
	return err == nil && k.mini.OpenID == ""
}

// applyLate applies an event whose card was not known when it came.
func (s *Sender) applyLate(ctx context.Context, m Message) error {
	_, err := s.service.cards.Learn(ctx, m.CardID)
	var plan taking
	if err == nil {
		plan, err = s.service.taking(ctx, m.CardID)
	}
	foreign := errors.Is(err, ErrCardUnknown)
	if err != nil && !foreign {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	return s.service.writePeople(ctx, func(ctx context.Context, tx people) error {
		if err := done(ctx, tx, m); err != nil || foreign {
			return err // another account's card is kept as a record only
		}
		e, err := tx.Event(ctx, m.Payload)
		if err != nil {
			return err
		}
		return s.service.apply(ctx, tx, e, plan)
	})
}

// finish removes the message and changes its card. The card is written even if
// nothing about it changes: Enqueue relies on that.
func (s *Sender) finish(ctx context.Context, m Message, change func(*Card) error, begin beginning) error {
	return s.conclude(ctx, m, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		before := c
		if err := change(&c); err != nil {
			return err
		}
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		if err := begin.book(ctx, tx, before, c); err != nil {
			return err
		}
		return tell(ctx, tx, c)
	})
}

// unchanged makes a change of what was read at WeChat: it must not overwrite
// what has become known in between.
func unchanged(seen Card, change func(*Card)) func(*Card) error {
	return func(now *Card) error {
		if now.Life.Version != seen.Life.Version {
			return errStale
		}
		change(now)
		return nil
	}
}

// conclude removes the message and does the rest in one transaction. What was
// done at WeChat is written down even if the time for doing it is over.
func (s *Sender) conclude(ctx context.Context, m Message, rest func(ctx context.Context, tx Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	return s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := done(ctx, tx, m); err != nil {
			return err
		}
		return rest(ctx, tx)
	})
}

// done removes the message, or returns errLeaseLost.
func done(ctx context.Context, tx Tx, m Message) error {
	if err := tx.Lock(ctx, m.CardID, m.Code); err != nil {
		return err
	}
	mine, err := tx.Finish(ctx, m)
	return errors.Join(err, lost(mine || err != nil))
}
