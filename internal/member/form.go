package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTicketUsed is returned by Submit for an activate_ticket that served
// another code before.
var ErrTicketUsed = errors.New("member: the activate_ticket was used for another code")

// Form is what came with an activate_ticket. The ticket is known by its hash
// only; what was filled in is sealed, or empty where nothing may be kept.
type Form struct {
	TicketHash string
	Phone      string // keyed hash of the number, to be found by
	Sealed     string
}

// Submitted tells whether the ticket was used for this code before.
func (s *Service) Submitted(ctx context.Context, ticketHash, cardID, code string) (bool, error) {
	id, usedCode, err := s.store.FormCode(ctx, ticketHash)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case id != cardID || usedCode != code:
		return false, ErrTicketUsed
	}
	return true, nil
}

// Submit notes that the member took the card through the open-card component
// and filled in its form, and has the card activated. It is Claim for a code
// that the client names in the clear, so it binds a new one only while nothing
// is on it: not active, and without entries. It may be repeated. Errors:
// ErrTicketUsed; ErrNotYours; ErrMemberUnknown.
func (s *Service) Submit(ctx context.Context, memberID string, claim Claim, form Form) (c Card, err error) {
	err = s.writePeople(ctx, func(ctx context.Context, tx people) error {
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		if err := keepForm(ctx, tx, claim, form); err != nil {
			return err
		}
		before, err := tx.Card(ctx, claim.CardID, claim.Code)
		if err == nil && before.MemberID != memberID && (!before.ActivatedAt.IsZero() || before.Seq > 0) {
			return ErrNotYours
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if c, err = s.own(ctx, tx, memberID, claim); err != nil {
			return err
		}
		c.Life.Submitted = true
		c.take(claimedSometime, time.Now())
		if err := s.keep(ctx, tx, c, taking{claim.Plan, claim.Opening}, c.Status != Active); err != nil {
			return err
		}
		if err := tx.HastenCard(ctx, c.CardID, c.Code); err != nil {
			return err
		}
		c, err = tx.Card(ctx, c.CardID, c.Code)
		return err
	})
	if err != nil {
		return Card{}, err
	}
	s.wake()
	return c, nil
}

// keepForm keeps a form once.
func keepForm(ctx context.Context, tx Tx, claim Claim, form Form) error {
	added, err := tx.AddForm(ctx, claim.CardID, claim.Code, form)
	if err != nil || added {
		return err
	}
	cardID, code, err := tx.FormCode(ctx, form.TicketHash)
	if err == nil && (cardID != claim.CardID || code != claim.Code) {
		return ErrTicketUsed
	}
	return err
}

// Forms lists what was filled in for a card, sealed, oldest first.
func (s *Service) Forms(ctx context.Context, cardID, code string) ([]string, error) {
	return s.store.Forms(ctx, cardID, code)
}

// Settled waits until the card is active or at its end, or patience is over,
// and returns it as it is then.
func (s *Service) Settled(ctx context.Context, cardID, code string, patience time.Duration) (Card, error) {
	const look = 40 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		c, err := s.store.Card(ctx, cardID, code)
		if err != nil || c.Status != Claimed || time.Now().After(end) {
			return c, err
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return c, fmt.Errorf("wait for the activation: %w", context.Cause(ctx))
		}
	}
}
