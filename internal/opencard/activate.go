package opencard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
)

// Activate processes what App.onShow returned from the component. It asks WeChat
// which wallet holds the code and what the member filled in, stores both in one
// transaction, and waits up to four seconds for the activation. When that takes
// longer, the returned card is claimed and becomes active in the background.
// Activate may be repeated.
//
// A client's report proves nothing. Unless the card is already this member's,
// the code must be in a wallet that is not linked to another member, and the
// card must be inactive and without entries. A ticket is good for one code.
// Activate returns ErrTicket, ErrCodeMode, ErrNotOneClick, cardlist.ErrNotYours,
// the errors of Catalogue.Get, or WeChat's error.
func (s *Service) Activate(ctx context.Context, memberID, cardID, code, ticket string) (member.Card, error) {
	c, err := s.Catalogue.Get(ctx, cardID)
	if err != nil {
		return member.Card{}, err
	}
	if err := checkCard(c); err != nil {
		return member.Card{}, err
	}
	claim, err := s.provenClaim(ctx, memberID, c, code)
	if err != nil {
		return member.Card{}, err
	}
	form, err := s.form(ctx, cardID, code, ticket)
	if err != nil {
		return member.Card{}, err
	}
	_, err = s.Members.Submit(ctx, memberID, claim, form)
	switch {
	case errors.Is(err, member.ErrTicketUsed):
		return member.Card{}, fmt.Errorf("%w: %w", ErrTicket, err)
	case errors.Is(err, member.ErrNotYours):
		return member.Card{}, cardlist.ErrNotYours
	case err != nil:
		return member.Card{}, err
	}
	const patience = 4 * time.Second
	return s.Members.AwaitActivation(ctx, cardID, code, patience)
}

// provenClaim returns the member's claim of the code with its proof.
func (s *Service) provenClaim(ctx context.Context, memberID string, c card.Card, code string) (member.Claim, error) {
	claim := member.Claim{CardID: c.ID, Code: code, Plan: cardlist.PlanOf(c)}
	switch _, err := s.Members.CardOf(ctx, memberID, c.ID, code); {
	case err == nil:
		return claim, nil // proved by an earlier report
	case !errors.Is(err, member.ErrNotFound):
		return claim, err
	}
	openID, err := s.Codes.Holder(ctx, c.ID, code)
	if err != nil {
		return claim, err
	}
	active, err := s.WeChat.Active(ctx, c.ID, code)
	if err != nil {
		return claim, err
	}
	if active {
		// Only this member's own concurrent request may have activated it.
		_, err := s.Members.CardOf(ctx, memberID, c.ID, code)
		if errors.Is(err, member.ErrNotFound) {
			err = cardlist.ErrNotYours
		}
		return claim, err
	}
	claim.ProvedOpenID = openID
	return claim, nil
}
