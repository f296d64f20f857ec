package cardlist

import (
	"context"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
)

var (
	// ErrCodeInvalid is returned for an encrypted code that WeChat cannot decrypt.
	ErrCodeInvalid = errors.New("cardlist: the encrypted code cannot be decrypted")
	// ErrNotYours is returned for a code that is not proved to be the member's.
	ErrNotYours = errors.New("cardlist: the code is not this member's")
)

// Added is one element of the cardList that wx.addCard returns on success. Code is
// encrypted.
type Added struct{ CardID, Code string }

// Codes is what the Service needs of WeChat's API for codes.
type Codes interface {
	// DecryptCode returns ErrCodeInvalid for a code that WeChat cannot decrypt.
	DecryptCode(ctx context.Context, encrypted string) (code string, err error)
	// Holder returns the Official Account's openid of the wallet that contains the
	// code. It returns ErrNotYours if the code is in no wallet, is not usable, or
	// belongs to another card.
	Holder(ctx context.Context, cardID, code string) (openID string, err error)
}

// Claims is what the Service needs of package member to store claims.
type Claims interface {
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
	Claim(ctx context.Context, memberID string, claims []member.Claim) ([]member.Card, error)
}

// Claim stores what the member's phone reports as added, all or nothing, and
// returns the cards. It asks WeChat to decrypt each code and, for codes that
// addcard did not issue, which wallet contains it; it stores nothing before all
// answers are there. Claim may be repeated. An error about one card is an
// *ItemError around ErrCodeInvalid, ErrNotYours, an error of Catalogue.Get, or
// WeChat's error.
func (s *Service) Claim(ctx context.Context, memberID string, added []Added) ([]member.Card, error) {
	claims := make([]member.Claim, len(added))
	for i, a := range added {
		var err error
		if claims[i], err = s.provenClaim(ctx, memberID, a); err != nil {
			return nil, &ItemError{i, err}
		}
	}
	cards, err := s.Claims.Claim(ctx, memberID, claims)
	if refused := (*member.ClaimError)(nil); errors.As(err, &refused) && errors.Is(err, member.ErrNotYours) {
		return nil, &ItemError{refused.Index, ErrNotYours}
	}
	return cards, err
}

// provenClaim returns the claim of an added card with its proof.
func (s *Service) provenClaim(ctx context.Context, memberID string, a Added) (member.Claim, error) {
	c, err := s.Catalogue.Get(ctx, a.CardID)
	if err != nil {
		return member.Claim{}, err
	}
	claim := member.Claim{CardID: a.CardID, Plan: PlanOf(c)}
	if claim.Code, err = s.Codes.DecryptCode(ctx, a.Code); err != nil {
		return member.Claim{}, fmt.Errorf("decrypt the code: %w", err)
	}
	if c.TakesCode() {
		return claim, nil // an issued code: the database has its owner
	}
	switch _, err := s.Claims.CardOf(ctx, memberID, a.CardID, claim.Code); {
	case err == nil:
		return claim, nil // proved by an earlier report
	case !errors.Is(err, member.ErrNotFound):
		return member.Claim{}, err
	}
	claim.ProvedOpenID, err = s.Codes.Holder(ctx, a.CardID, claim.Code)
	return claim, err
}

// InitialGrantOf returns the initial grant of a card.
func InitialGrantOf(c card.Card) member.InitialGrant {
	return member.InitialGrant{Bonus: c.Settings.InitBonus, Balance: c.Settings.InitBalance, Record: c.Settings.InitBonusRecord}
}

// PlanOf returns how a claimed card becomes active.
func PlanOf(c card.Card) member.Plan {
	switch {
	case c.AutoActivate:
		return member.PlanAuto
	case c.ActivatesOnClaim():
		return member.PlanPush
	case c.WxActivate:
		return member.PlanForm
	}
	return member.PlanManual
}
