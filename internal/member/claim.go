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
	Opening      Opening // of a card that activates itself
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
// returns them as they are then. It may be repeated. A card that was deleted
// stays so until WeChat, which the Sender asks, says that it is back. Errors:
// *ClaimError around ErrNotYours; ErrMemberUnknown.
func (s *Service) Claim(ctx context.Context, memberID string, claims []Claim) ([]Card, error) {
	var cards []Card
	err := s.writePeople(ctx, func(ctx context.Context, tx people) error {
		cards = make([]Card, len(claims))
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		for i, claim := range claims {
			c, err := s.claim(ctx, tx, memberID, claim)
			if err != nil {
				return &ClaimError{i, err}
			}
			cards[i] = c
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return cards, nil
}

func (s *Service) claim(ctx context.Context, tx people, memberID string, claim Claim) (Card, error) {
	c, err := s.own(ctx, tx, memberID, claim)
	if err != nil {
		return Card{}, err
	}
	c.take(claimedSometime, time.Now())
	if err := s.keep(ctx, tx, c, taking{claim.Plan, claim.Opening}, c.Status == Deleted); err != nil {
		return Card{}, err
	}
	return tx.Card(ctx, c.CardID, c.Code)
}

// own returns the claimed card as the member's, or ErrNotYours.
func (s *Service) own(ctx context.Context, tx people, memberID string, claim Claim) (Card, error) {
	if erased, err := tx.Erased(ctx, claim.CardID, claim.Code); erased || err != nil {
		return Card{}, errors.Join(err, ErrNotYours)
	}
	proved := claim.ProvedOpenID != ""
	if proved {
		if err := s.prove(ctx, tx, memberID, claim.ProvedOpenID); err != nil {
			return Card{}, err
		}
	}
	c, err := tx.Card(ctx, claim.CardID, claim.Code)
	switch {
	case errors.Is(err, ErrNotFound) && proved:
		c, err = newCard(ctx, tx, claim.CardID, claim.Code)
	case errors.Is(err, ErrNotFound), err == nil && c.MemberID != memberID && !proved:
		return Card{}, ErrNotYours
	case err == nil && c.MemberID != memberID:
		err = s.cede(ctx, tx, c.MemberID)
	}
	if proved {
		c.MemberID, c.Life.Wallet = memberID, claim.ProvedOpenID
	}
	return c, err
}

// prove joins the member with the person in whose wallet WeChat sees the card,
// unless something says that they are two.
func (s *Service) prove(ctx context.Context, tx people, memberID, openID string) error {
	theirs, err := s.person(ctx, tx, Identity{AppID: s.apps.Official, OpenID: openID})
	if err != nil || theirs == memberID {
		return err
	}
	tied, err := s.tie(ctx, tx, memberID, openID)
	if err == nil && !tied {
		err = ErrNotYours
	}
	return err
}

// cede lets a proved code go to the one who proved it, if its present holder is
// only known from events; a user of the mini-program keeps it.
func (s *Service) cede(ctx context.Context, tx Tx, holderID string) error {
	them, err := s.known(ctx, tx, holderID)
	if err == nil && them.mini.OpenID != "" {
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
