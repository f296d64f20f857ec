package member

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
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

// Live is what has to be known of a card whose code may be handed out again.
type Live struct {
	Code     string
	Status   Status
	OuterStr string
	IssuedAt time.Time
}

// Want is a card that a code is wanted of, and the channel through which; the
// channel may be empty.
type Want struct{ CardID, OuterStr string }

// Codes returns one live code of this member for each card, in the order of
// wants, issuing those that are missing: all of them or none. A repeat returns
// the same codes; concurrent first calls get one and the same. Until the card
// is taken its channel is the latest that was asked through. It returns
// ErrMemberUnknown for a member who is not there.
func (s *Service) Codes(ctx context.Context, memberID string, wants []Want) ([]Code, error) {
	codes, err := held(ctx, s.store, memberID, wants)
	if !errors.Is(err, ErrNotFound) {
		return codes, err
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		codes = make([]Code, len(wants))
		for _, i := range inOneOrder(wants) {
			if codes[i], err = issue(ctx, tx, memberID, wants[i]); err != nil {
				return fmt.Errorf("issue a code of card %s: %w", wants[i].CardID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// inOneOrder returns the places of wants by their cards: two lists of the same
// cards in two orders would lock each other out.
func inOneOrder(wants []Want) []int {
	places := make([]int, len(wants))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int { return strings.Compare(wants[a].CardID, wants[b].CardID) })
	return places
}

// Holds tells whether the member has a live code of the card.
func (s *Service) Holds(ctx context.Context, memberID, cardID string) (bool, error) {
	_, err := s.store.LiveCard(ctx, memberID, cardID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// held returns the codes if none of them has to be written.
func held(ctx context.Context, r Reader, memberID string, wants []Want) ([]Code, error) {
	codes := make([]Code, len(wants))
	for i, want := range wants {
		c, err := r.LiveCard(ctx, memberID, want.CardID)
		if err != nil {
			return nil, err
		}
		if c.rechannels(want) {
			return nil, ErrNotFound
		}
		codes[i] = Code{Code: c.Code, IssuedAt: c.IssuedAt}
	}
	return codes, nil
}

// rechannels tells whether the wish changes the channel of a card not yet taken.
func (l Live) rechannels(want Want) bool {
	return l.Status == Issued && want.OuterStr != "" && want.OuterStr != l.OuterStr
}

// issue makes sure that there is a live code. One statement does it for the
// usual first call. When that is refused, the member has one already, perhaps
// from a rival call, or is not there, or the random code is taken and another
// is drawn.
func issue(ctx context.Context, tx Tx, memberID string, want Want) (Code, error) {
	for range 5 {
		code := newCode()
		if at, err := tx.AddIssued(ctx, memberID, want, code); err != nil || !at.IsZero() {
			return Code{code, at}, err
		}
		switch c, err := tx.LiveCard(ctx, memberID, want.CardID); {
		case err == nil && c.rechannels(want):
			return Code{c.Code, c.IssuedAt}, rechannel(ctx, tx, memberID, want, c.Code)
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

// rechannel notes the channel of a card that is not taken yet. Rivals with other
// wishes take turns.
func rechannel(ctx context.Context, tx Tx, memberID string, want Want, code string) error {
	if err := tx.Lock(ctx, want.CardID, code); err != nil {
		return err
	}
	c, err := tx.Card(ctx, want.CardID, code)
	switch {
	case err != nil:
		return err
	case c.Status != Issued || c.MemberID != memberID:
		return ErrRaced
	}
	c.OuterStr = want.OuterStr
	return put(ctx, tx, c)
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
