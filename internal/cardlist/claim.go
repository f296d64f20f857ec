package cardlist

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ration"
)

var (
	// ErrCodeInvalid is returned for an encrypted code that WeChat cannot decrypt.
	ErrCodeInvalid = errors.New("cardlist: the encrypted code cannot be decrypted")
	// ErrTooMany is returned when a member has used up the minute's calls to WeChat.
	ErrTooMany = errors.New("cardlist: too many different codes")
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
	WasIssued(ctx context.Context, cardID, code string) (bool, error)
}

// Claim stores what the member's phone reports as added, all or nothing, and
// returns the cards. It asks WeChat to decrypt each code and, for codes that
// addcard did not issue, which wallet contains it; it stores nothing before all
// answers are there. Claim may be repeated: WeChat decrypts a code once, however
// often it is named. An error about one card is an *ItemError around ErrCodeInvalid,
// ErrNotYours, ErrTooMany, ration.ErrBusy, an error of Catalogue.Get, or WeChat's
// error.
func (s *Service) Claim(ctx context.Context, memberID string, added []Added) ([]member.Card, error) {
	var claims []member.Claim
	first := map[Added]int{}           // the claim of each card
	claimOf := make([]int, len(added)) // by position
	itemOf := []int{}                  // the position of each claim
	for i, a := range added {
		n, again := first[a]
		if !again {
			claim, err := s.provenClaim(ctx, memberID, a)
			if err != nil {
				return nil, &ItemError{i, err}
			}
			n = len(claims)
			first[a], claims, itemOf = n, append(claims, claim), append(itemOf, i)
		}
		claimOf[i] = n
	}
	stored, err := s.Claims.Claim(ctx, memberID, claims)
	if refused := (*member.ClaimError)(nil); errors.As(err, &refused) && errors.Is(err, member.ErrNotYours) {
		return nil, &ItemError{itemOf[refused.Index], ErrNotYours}
	}
	if err != nil {
		return nil, err
	}
	cards := make([]member.Card, len(added))
	for i, n := range claimOf {
		cards[i] = stored[n]
	}
	return cards, nil
}

// provenClaim returns the claim of an added card with its proof.
func (s *Service) provenClaim(ctx context.Context, memberID string, a Added) (member.Claim, error) {
	c, err := s.Catalogue.Get(ctx, a.CardID)
	if err != nil {
		return member.Claim{}, err
	}
	claim := member.Claim{CardID: a.CardID, Plan: PlanOf(c)}
	if claim.Code, err = s.decrypt(ctx, memberID, a.Code); err != nil {
		return member.Claim{}, fmt.Errorf("decrypt the code: %w", err)
	}
	switch known, err := s.Claims.CardOf(ctx, memberID, a.CardID, claim.Code); {
	case err == nil && known.Status == member.Active:
		return claim, nil // nothing will be asked of WeChat
	case err == nil: // issued to the member, or proved by an earlier report
		return claim, s.pay(memberID) // for the message that the claim may cause
	case !errors.Is(err, member.ErrNotFound):
		return member.Claim{}, err
	}
	if c.TakesCode() {
		// A code that is not in the database may have been issued since a backup.
		if issued, err := s.Claims.WasIssued(ctx, a.CardID, claim.Code); issued || err != nil {
			return claim, err // not to the member: Claims refuses it
		}
	}
	claim.ProvedOpenID, err = s.holder(ctx, memberID, a.CardID, claim.Code)
	return claim, err
}

const (
	// CallsPerMinute is how many calls of WeChat's API for codes one member may
	// cause in a minute: two lists of ten cards, with two calls for each.
	CallsPerMinute = 40
	// decryptedFor is how long a decrypted code, or the refusal of one, is kept. It
	// never changes.
	decryptedFor = 10 * time.Minute
	// notHeldFor is how long a code is known to be in no wallet of use. It is short,
	// because the code may be on its way.
	notHeldFor = 3 * time.Second
)

// decrypt returns the code in encrypted.
func (s *Service) decrypt(ctx context.Context, memberID, encrypted string) (string, error) {
	return s.decrypted.Ask(ctx, s.question(memberID, encrypted), func(ctx context.Context) (string, time.Duration, error) {
		code, err := s.Codes.DecryptCode(ctx, encrypted)
		if err == nil || errors.Is(err, ErrCodeInvalid) {
			return code, decryptedFor, err
		}
		return "", 0, err
	})
}

// holder returns the openid of the wallet that contains a code. That a code is in a
// wallet is not remembered, because it may be given away at any time.
func (s *Service) holder(ctx context.Context, memberID, cardID, code string) (string, error) {
	return s.holders.Ask(ctx, s.question(memberID, cardID+" "+code), func(ctx context.Context) (string, time.Duration, error) {
		openID, err := s.Codes.Holder(ctx, cardID, code)
		if errors.Is(err, ErrNotYours) {
			return "", notHeldFor, err
		}
		return openID, 0, err
	})
}

// question returns a question that the member pays for.
func (s *Service) question(memberID, text string) ration.Question {
	q := ration.Question{Text: text, Pay: func() error { return s.pay(memberID) }}
	if !s.LimitCalls {
		q.Waiting = math.MaxInt64
	}
	return q
}

// pay counts one call for the member.
func (s *Service) pay(memberID string) error {
	if s.LimitCalls && !s.calls.Allow(memberID, CallsPerMinute) {
		return ErrTooMany
	}
	return nil
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
