package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTicketUsed is returned by Submit for an activate_ticket that was used for
// another code before.
var ErrTicketUsed = errors.New("member: the activate_ticket was used for another code")

// Form is what came with an activate_ticket. Only the hash of the ticket is stored.
type Form struct {
	TicketHash string
	Phone      string // keyed hash of the phone number, to find the member by
	Sealed     string // what was filled in, encrypted; empty: not stored
}

// Submitted reports whether the ticket was used for this code before. It returns
// ErrTicketUsed if it was used for another code.
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

// Submit records that the member took the card through the open-card component
// (开卡组件) and filled in its form, and enqueues the activation of the card. Unlike in
// Claim, the code was sent by the client unencrypted. So a code that belongs to
// another member is accepted only while its card was never active and has no
// entries. Submit may be repeated. It returns ErrTicketUsed, ErrNotYours or
// ErrMemberUnknown.
func (s *Service) Submit(ctx context.Context, memberID string, claim Claim, form Form) (c Card, err error) {
	err = s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		if err := storeForm(ctx, tx, claim, form); err != nil {
			return err
		}
		if c, err = s.submittedCard(ctx, tx, memberID, claim); err != nil {
			return err
		}
		c.Life.Submitted = true
		c.markTaken(earliest, time.Now())
		if err := s.saveTaken(ctx, tx, c, claim.Plan, c.Status != Active); err != nil {
			return err
		}
		if err := tx.MakeCardDue(ctx, c.CardID, c.Code); err != nil {
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

// submittedCard returns the card as the member's, or ErrNotYours.
func (s *Service) submittedCard(ctx context.Context, tx peopleTx, memberID string, claim Claim) (Card, error) {
	before, err := tx.Card(ctx, claim.CardID, claim.Code)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return Card{}, err
	case err == nil && before.MemberID != memberID && (!before.ActivatedAt.IsZero() || before.Seq > 0):
		return Card{}, ErrNotYours
	}
	return s.claimedCard(ctx, tx, memberID, claim)
}

// storeForm stores a form once.
func storeForm(ctx context.Context, tx Tx, claim Claim, form Form) error {
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

// Forms lists what was filled in for a card, encrypted, oldest first.
func (s *Service) Forms(ctx context.Context, cardID, code string) ([]string, error) {
	return s.store.Forms(ctx, cardID, code)
}

// AwaitActivation blocks until the card's status is no longer Claimed, or patience
// has passed, and returns the card.
func (s *Service) AwaitActivation(ctx context.Context, cardID, code string, patience time.Duration) (Card, error) {
	const interval = 40 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		c, err := s.store.Card(ctx, cardID, code)
		if err != nil || c.Status != Claimed || time.Now().After(end) {
			return c, err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return c, fmt.Errorf("wait for the activation: %w", context.Cause(ctx))
		}
	}
}
