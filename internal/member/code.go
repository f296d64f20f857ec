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

	"github.com/addcard/addcard/internal/ledger"
)

// ErrCodesExhausted is returned when all new random codes exist already, which only
// a broken source of randomness can cause.
var ErrCodesExhausted = errors.New("member: no free card code found")

// Code is a card code and the second at which it was issued.
type Code struct {
	Code     string
	IssuedAt time.Time
}

// CurrentCode is a member's current code of a card; see Reader.CurrentCode.
type CurrentCode struct {
	Code     string
	Status   Status
	OuterStr string
	IssuedAt time.Time
}

// CodeRequest asks for a code of a card. OuterStr is the channel; it may be empty.
type CodeRequest struct{ CardID, OuterStr string }

// Codes returns the member's current code for each request, in the order of
// requests. It issues the missing ones, all or none. A repeated call returns the
// same codes, and so do concurrent first calls. Until a card is taken, its
// outer_str is that of the latest request that had one. Codes returns
// ErrMemberUnknown for an unknown member.
func (s *Service) Codes(ctx context.Context, memberID string, requests []CodeRequest) ([]Code, error) {
	codes, err := currentCodes(ctx, s.store, memberID, requests)
	if !errors.Is(err, ErrNotFound) {
		return codes, err
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		codes = make([]Code, len(requests))
		for _, i := range lockOrder(requests) {
			if codes[i], err = issue(ctx, tx, memberID, requests[i]); err != nil {
				return fmt.Errorf("issue a code of card %s: %w", requests[i].CardID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// lockOrder returns the indexes of the requests, ordered by card: two lists of the
// same cards in different orders would deadlock.
func lockOrder(requests []CodeRequest) []int {
	order := make([]int, len(requests))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(requests[a].CardID, requests[b].CardID) })
	return order
}

// Holds reports whether the member has a current code of the card.
func (s *Service) Holds(ctx context.Context, memberID, cardID string) (bool, error) {
	_, err := s.store.CurrentCode(ctx, memberID, cardID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// WasIssued reports whether the code was issued to some member, as far as the database
// knows.
func (s *Service) WasIssued(ctx context.Context, cardID, code string) (bool, error) {
	c, err := s.store.Card(ctx, cardID, code)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && !c.IssuedAt.IsZero(), err
}

// currentCodes returns the codes, or ErrNotFound if one of them must be written.
func currentCodes(ctx context.Context, r Reader, memberID string, requests []CodeRequest) ([]Code, error) {
	codes := make([]Code, len(requests))
	for i, request := range requests {
		c, err := r.CurrentCode(ctx, memberID, request.CardID)
		if err != nil {
			return nil, err
		}
		if c.changedBy(request) {
			return nil, ErrNotFound
		}
		codes[i] = Code{Code: c.Code, IssuedAt: c.IssuedAt}
	}
	return codes, nil
}

// changedBy reports whether the request changes the outer_str of a code that is
// not taken yet.
func (c CurrentCode) changedBy(r CodeRequest) bool {
	return c.Status == Issued && r.OuterStr != "" && r.OuterStr != c.OuterStr
}

// issue makes sure that there is a current code. The usual first call needs one
// statement. If that changes nothing, the member has a code already, perhaps from
// a concurrent call, or is unknown, or the random code is taken and another is
// drawn.
func issue(ctx context.Context, tx Tx, memberID string, r CodeRequest) (Code, error) {
	for range 5 {
		code := newCode()
		if at, err := tx.AddIssued(ctx, memberID, r, code); err != nil || !at.IsZero() {
			return Code{code, at}, err
		}
		switch c, err := tx.CurrentCode(ctx, memberID, r.CardID); {
		case err == nil && c.changedBy(r):
			return Code{c.Code, c.IssuedAt}, setOuterStr(ctx, tx, memberID, r, c.Code)
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

// setOuterStr sets the channel of a code that is not taken yet. Concurrent requests
// through other channels wait for each other.
func setOuterStr(ctx context.Context, tx Tx, memberID string, r CodeRequest, code string) error {
	if err := tx.LockCard(ctx, r.CardID, code); err != nil {
		return err
	}
	c, err := tx.Card(ctx, r.CardID, code)
	switch {
	case err != nil:
		return err
	case c.Status != Issued || c.MemberID != memberID:
		return ledger.ErrConflict
	}
	c.OuterStr = r.OuterStr
	return Save(ctx, tx, c)
}

// newCode draws a card code: 16 decimal digits, the first not 0, the last a Luhn
// check digit, which catches most typing mistakes of the staff. WeChat takes at
// most 20 letters and digits. About 50 bits are random: enough next to a session
// and a rate limit, but a code is no secret by itself.
func newCode() string {
	low := big.NewInt(1e14)
	n, err := rand.Int(rand.Reader, new(big.Int).Mul(low, big.NewInt(9)))
	if err != nil {
		panic(err) // crypto/rand.Reader does not fail
	}
	digits := n.Add(n, low).String()
	return digits + string('0'+luhn(digits))
}

// luhn returns the digit that makes the weighted sum of all digits a multiple of
// ten. The last of digits is doubled: it stands beside the check digit.
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
