package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotYours is returned by Claim for a code that is not shown to be the
// member's: another's, or one we never issued.
var ErrNotYours = errors.New("member: the code is not this member's")

// Claim is what a member's phone says it took. What a client sends proves
// nothing by itself, so either the code was issued to the member, or WeChat has
// said in whose wallet it is.
type Claim struct {
	CardID, Code string
	Plan         Plan
	// ProvedOpenID is the Official Account's openid in whose wallet WeChat
	// says the card is, for a code that we did not issue. Empty: it must have
	// been issued to the member or proved before.
	ProvedOpenID string
}

// ClaimError says which claim of a list an error is about.
type ClaimError struct {
	Index int
	Err   error
}

func (e *ClaimError) Error() string { return fmt.Sprintf("claim %d: %v", e.Index, e.Err) }

// Unwrap returns the error itself.
func (e *ClaimError) Unwrap() error { return e.Err }

// Claim notes that the cards are in the member's wallet, all or none, and
// returns them as they are then. It may be repeated. Errors: *ClaimError around
// ErrNotYours; ErrMemberUnknown.
func (s *Service) Claim(ctx context.Context, memberID string, claims []Claim) (cards []Card, err error) {
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		cards = make([]Card, len(claims))
		for i, claim := range claims {
			if cards[i], err = s.claim(ctx, tx, memberID, claim); err != nil {
				return &ClaimError{i, err}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return cards, nil
}

func (s *Service) claim(ctx context.Context, tx Tx, memberID string, claim Claim) (Card, error) {
	if claim.ProvedOpenID != "" {
		if err := s.prove(ctx, tx, memberID, claim.ProvedOpenID); err != nil {
			return Card{}, err
		}
	}
	c, err := tx.Card(ctx, claim.CardID, claim.Code)
	switch {
	case errors.Is(err, ErrNotFound) && claim.ProvedOpenID != "":
		c = Card{CardID: claim.CardID, Code: claim.Code, MemberID: memberID, Status: Issued}
	case errors.Is(err, ErrNotFound):
		return Card{}, ErrNotYours
	case err != nil:
		return Card{}, err
	case c.MemberID != memberID && claim.ProvedOpenID == "":
		return Card{}, ErrNotYours
	case c.MemberID != memberID:
		if err := s.cede(ctx, tx, c.MemberID); err != nil {
			return Card{}, err
		}
		c.MemberID = memberID
	}
	if c.Status == Deleted && claim.ProvedOpenID != "" {
		c.take(c.Life.Deleted, time.Now()) // WeChat has just said that it is there
	}
	c.take(claimedSometime, time.Now())
	if err := s.keep(ctx, tx, c, claim.Plan, false); err != nil {
		return Card{}, err
	}
	if c.Status == Deleted { // whether it was taken again only WeChat knows
		if err := tx.Enqueue(ctx, Message{CardID: c.CardID, Code: c.Code, Kind: lookAtCard}); err != nil {
			return Card{}, err
		}
	}
	return tx.Card(ctx, c.CardID, c.Code)
}

// prove joins the member with the person in whose wallet WeChat sees the card,
// unless something known says that they are two.
func (s *Service) prove(ctx context.Context, tx Tx, memberID, openID string) error {
	me, err := s.known(ctx, tx, memberID)
	if err != nil {
		return err
	}
	mine := me.openID(s.apps.Official)
	switch id, err := tx.Identity(ctx, s.apps.Official, openID); {
	case errors.Is(err, ErrNotFound) && mine != "":
		return ErrNotYours
	case errors.Is(err, ErrNotFound):
		return s.addIdentity(ctx, tx, Identity{AppID: s.apps.Official, OpenID: openID, MemberID: memberID})
	case err != nil:
		return err
	case id.MemberID == memberID:
		return nil
	default:
		them, err := s.known(ctx, tx, id.MemberID)
		if err != nil {
			return err
		}
		if mine != "" || them.isUser(s.apps.MiniProgram) || me.differs(them.unions()...) {
			return ErrNotYours
		}
		return s.merge(ctx, tx, them.id, memberID)
	}
}

// cede lets a proved code go to the one who proved it, if its present holder is
// only known from events; a user of the mini-program keeps it.
func (s *Service) cede(ctx context.Context, tx Tx, holderID string) error {
	them, err := s.known(ctx, tx, holderID)
	if err == nil && them.isUser(s.apps.MiniProgram) {
		return ErrNotYours
	}
	return err
}

// CardOf returns the member's own card of that code, or ErrNotFound.
func (s *Service) CardOf(ctx context.Context, memberID, cardID, code string) (Card, error) {
	c, err := s.store.Card(ctx, cardID, code)
	if err == nil && c.MemberID != memberID {
		return Card{}, ErrNotFound
	}
	return c, err
}
