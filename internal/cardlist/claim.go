package cardlist

import (
	"context"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
)

var (
	// ErrCodeInvalid is returned for an encrypted code that WeChat cannot open.
	ErrCodeInvalid = errors.New("cardlist: the encrypted code does not open")
	// ErrNotYours is returned for a code that is not shown to be the member's.
	ErrNotYours = errors.New("cardlist: the code is not this member's")
)

// Claimed is one element of what wx.addCard's success gave. Code is encrypted.
type Claimed struct{ CardID, Code string }

// Codes is what cardlist asks of WeChat about codes. DecryptCode returns
// ErrCodeInvalid for what does not open. Holder returns the Official Account's
// openid in whose wallet the card is, or ErrNotYours when it is in none, not
// usable, or of another card.
type Codes interface {
	DecryptCode(ctx context.Context, encrypted string) (code string, err error)
	Holder(ctx context.Context, cardID, code string) (openID string, err error)
}

// Claims is what cardlist asks of package member to note what was taken.
type Claims interface {
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
	Claim(ctx context.Context, memberID string, claims []member.Claim) ([]member.Card, error)
}

// Claim notes what the member's phone says it took, all or nothing, and returns
// the cards. It asks WeChat to open each code and, for codes that we did not
// issue, in whose wallet it is; nothing is written before all of that is known.
// It may be repeated. Errors about one card come as *ItemError around
// ErrCodeInvalid, ErrNotYours, those of Catalogue.Get, or what WeChat answered.
func (s *Service) Claim(ctx context.Context, memberID string, claimed []Claimed) ([]member.Card, error) {
	claims := make([]member.Claim, len(claimed))
	for i, c := range claimed {
		var err error
		if claims[i], err = s.proof(ctx, memberID, c); err != nil {
			return nil, &ItemError{i, err}
		}
	}
	cards, err := s.Claims.Claim(ctx, memberID, claims)
	if refused := (*member.ClaimError)(nil); errors.As(err, &refused) && errors.Is(err, member.ErrNotYours) {
		return nil, &ItemError{refused.Index, ErrNotYours}
	}
	return cards, err
}

func (s *Service) proof(ctx context.Context, memberID string, c Claimed) (member.Claim, error) {
	attributes, err := s.Catalogue.Get(ctx, c.CardID)
	if err != nil {
		return member.Claim{}, err
	}
	claim := member.Claim{CardID: c.CardID, Plan: PlanOf(attributes), Opening: OpeningOf(attributes)}
	if claim.Code, err = s.Codes.DecryptCode(ctx, c.Code); err != nil {
		return member.Claim{}, fmt.Errorf("open the code: %w", err)
	}
	if attributes.TakesCode() {
		return claim, nil // must have been issued by us: the database knows
	}
	switch _, err := s.Claims.CardOf(ctx, memberID, c.CardID, claim.Code); {
	case err == nil:
		return claim, nil // proved before
	case !errors.Is(err, member.ErrNotFound):
		return member.Claim{}, err
	}
	claim.ProvedOpenID, err = s.Codes.Holder(ctx, c.CardID, claim.Code)
	return claim, err
}

// OpeningOf says what a card begins with.
func OpeningOf(c card.Card) member.Opening {
	return member.Opening{Bonus: c.Settings.InitBonus, Balance: c.Settings.InitBalance, Record: c.Settings.InitBonusRecord}
}

// PlanOf says how a card that was taken becomes active.
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
