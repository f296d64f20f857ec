package member

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ErrCodesExhausted is returned when new random codes keep meeting existing
// ones, which only a broken source of randomness can bring about.
var ErrCodesExhausted = errors.New("member: no free card code found")

// Code is a card code and the second it was issued at.
type Code struct {
	Code     string
	IssuedAt time.Time
}

// Codes returns one live code of this member for each card, in the order of
// cardIDs, issuing those that are missing: all of them or none. A repeat
// returns the same codes; concurrent first calls get one and the same. It
// returns ErrMemberUnknown for a member who is not there.
func (s *Service) Codes(ctx context.Context, memberID string, cardIDs []string) ([]Code, error) {
	codes, err := held(ctx, s.store, memberID, cardIDs)
	if !errors.Is(err, ErrNotFound) {
		return codes, err
	}
	err = s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
		codes = make([]Code, len(cardIDs))
		for i, cardID := range cardIDs {
			if codes[i], err = issue(ctx, tx, memberID, cardID); err != nil {
				return fmt.Errorf("issue a code of card %s: %w", cardID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// Holds tells whether the member has a live code of the card.
func (s *Service) Holds(ctx context.Context, memberID, cardID string) (bool, error) {
	_, err := s.store.LiveCard(ctx, memberID, cardID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func held(ctx context.Context, r Reader, memberID string, cardIDs []string) ([]Code, error) {
	codes := make([]Code, len(cardIDs))
	for i, cardID := range cardIDs {
		c, err := r.LiveCard(ctx, memberID, cardID)
		if err != nil {
			return nil, err
		}
		codes[i] = Code{Code: c.Code, IssuedAt: c.IssuedAt}
	}
	return codes, nil
}

// issue makes sure that there is a live code. One statement does it for the
// usual first call. When that is refused, the member has one already, perhaps
// from a rival call, or is not there, or the random code is taken and another
// is drawn.
func issue(ctx context.Context, tx Tx, memberID, cardID string) (Code, error) {
	for range 5 {
		code := newCode()
		if at, err := tx.AddIssued(ctx, memberID, cardID, code); err != nil || !at.IsZero() {
			return Code{code, at}, err
		}
		switch c, err := tx.LiveCard(ctx, memberID, cardID); {
		case err == nil:
			return Code{c.Code, c.IssuedAt}, nil
		case !errors.Is(err, ErrNotFound):
			return Code{}, err
		}
		if err := mustExist(ctx, tx, memberID); err != nil {
			return Code{}, err
		}
	}
	return Code{}, ErrCodesExhausted
}

// newCode draws a card code: 16 decimal digits, the first not 0, the last a
// Luhn check digit that catches most slips of the staff who type it in. WeChat
// takes at most 20 letters and digits. About 50 bits are random: enough next to
// a session and a rate limit, not a secret by itself.
func newCode() string {
	low := big.NewInt(1e14)
	n, err := rand.Int(rand.Reader, new(big.Int).Mul(low, big.NewInt(9)))
	if err != nil {
		panic(err) // crypto/rand.Reader does not fail
	}
	digits := n.Add(n, low).String()
	return digits + string('0'+luhn(digits))
}

// luhn returns the digit that makes the weighted sum of all digits a multiple
// of ten; the last of digits is doubled, as it will stand beside the check digit.
func luhn(digits string) byte {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte((10 - sum%10) % 10)
}
