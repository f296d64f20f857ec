package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotYours is returned by Claim and Submit for a code that is not proved to be
// the member's, for example one that was issued to another member.
var ErrNotYours = errors.New("member: the code is not this member's")

// Claim is a card that a member's phone reports as taken. The report alone proves
// nothing: either the code must have been issued to the member, or WeChat must have
// said in which wallet it is.
type Claim struct {
	CardID, Code string
	Plan         Plan
	// ProvedOpenID is the Official Account's openid that WeChat names as the holder
	// of a code that addcard did not issue. When it is empty, the code must have
	// been issued to the member or proved before.
	ProvedOpenID string
}

// ClaimError is an error about one claim of a list.
type ClaimError struct {
	Index int
	Err   error
}

func (e *ClaimError) Error() string { return fmt.Sprintf("claim %d: %v", e.Index, e.Err) }

// Unwrap returns the error without the index.
func (e *ClaimError) Unwrap() error { return e.Err }

// Claim records that the cards are in the member's wallet, all or none, and returns
// them. It may be repeated. A deleted card stays deleted until WeChat says that it
// was restored; Claim enqueues that question. It returns a *ClaimError that wraps
// ErrNotYours, or ErrMemberUnknown.
func (s *Service) Claim(ctx context.Context, memberID string, claims []Claim) ([]Card, error) {
	var cards []Card
	err := s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
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

func (s *Service) claim(ctx context.Context, tx peopleTx, memberID string, claim Claim) (Card, error) {
	c, err := s.claimedCard(ctx, tx, memberID, claim)
	if err != nil {
		return Card{}, err
	}
	c.markTaken(earliest, time.Now())
	if err := s.saveTaken(ctx, tx, c, claim.Plan, c.Status == Deleted); err != nil {
		return Card{}, err
	}
	return tx.Card(ctx, c.CardID, c.Code)
}

// claimedCard returns the claimed card as the member's, or ErrNotYours.
func (s *Service) claimedCard(ctx context.Context, tx peopleTx, memberID string, claim Claim) (Card, error) {
	if erased, err := tx.Erased(ctx, claim.CardID, claim.Code); erased || err != nil {
		return Card{}, errors.Join(err, ErrNotYours)
	}
	proved := claim.ProvedOpenID != ""
	if proved {
		if err := s.joinProved(ctx, tx, memberID, claim.ProvedOpenID); err != nil {
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
		err = s.mayMoveFrom(ctx, tx, c.MemberID)
	}
	if proved {
		c.MemberID, c.Life.Wallet = memberID, claim.ProvedOpenID
	}
	if err == nil && c.Life.Wallet != "" && c.IssuedAt.IsZero() {
		err = tx.AddProof(ctx, Proof{memberID, c.Life.Wallet})
	}
	return c, err
}

// joinProved joins the member with the person who holds the card, as WeChat says.
// It returns ErrNotYours when something shows that they are two people.
func (s *Service) joinProved(ctx context.Context, tx peopleTx, memberID, openID string) error {
	owner, err := s.memberOf(ctx, tx, Identity{AppID: s.apps.Official, OpenID: openID})
	if err != nil || owner == memberID {
		return err
	}
	joined, err := s.joinByCard(ctx, tx, memberID, openID)
	if err == nil && !joined {
		err = ErrNotYours
	}
	return err
}

// mayMoveFrom returns ErrNotYours if a proved code must stay with its holder, a
// user of the mini-program. A holder who is only known from events loses it.
func (s *Service) mayMoveFrom(ctx context.Context, tx Tx, holderID string) error {
	known, err := s.InMiniProgram(ctx, tx, holderID)
	if err == nil && known {
		return ErrNotYours
	}
	return err
}
