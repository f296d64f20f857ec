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
// Activate returns ErrTicket, ErrCodeMode, ErrNotOneClick, ErrTooMany,
// cardlist.ErrNotYours, ration.ErrBusy, the errors of Catalogue.Get, or WeChat's error.
// It does not wait for the activation while 64 requests do.
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
	form, err := s.form(ctx, memberID, cardID, code, ticket)
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
	patience := 4 * time.Second
	if leave, err := s.awaiting.Enter(maxWaiting); err != nil {
		patience = 0
	} else {
		defer leave()
	}
	return s.Members.AwaitActivation(ctx, cardID, code, patience)
}

// provenClaim returns the member's claim of the code with its proof.
func (s *Service) provenClaim(ctx context.Context, memberID string, c card.Card, code string) (member.Claim, error) {
	claim := member.Claim{CardID: c.ID, Code: code, Plan: cardlist.PlanOf(c)}
	switch known, err := s.Members.CardOf(ctx, memberID, c.ID, code); {
	case err == nil && known.Status == member.Active:
		return claim, nil // nothing will be asked of WeChat
	case err == nil: // proved by an earlier report
		return claim, s.pay(memberID) // for the message that is made due
	case !errors.Is(err, member.ErrNotFound):
		return claim, err
	}
	openID, err := s.holder(ctx, memberID, c.ID, code)
	if err != nil {
		return claim, err
	}
	active, err := s.active(ctx, memberID, c.ID, code)
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

// notHeldFor is how long a code is known to be in no wallet of use.
const notHeldFor = 3 * time.Second

// holder returns the openid of the wallet that contains a code.
func (s *Service) holder(ctx context.Context, memberID, cardID, code string) (string, error) {
	return s.holders.Ask(ctx, s.question(memberID, cardID+" "+code), func(ctx context.Context) (string, time.Duration, error) {
		openID, err := s.Codes.Holder(ctx, cardID, code)
		if errors.Is(err, cardlist.ErrNotYours) {
			return "", notHeldFor, err
		}
		return openID, 0, err
	})
}

// active reports whether the card is active at WeChat.
func (s *Service) active(ctx context.Context, memberID, cardID, code string) (bool, error) {
	leave, err := s.asking.Enter(maxWaiting)
	if err != nil {
		return false, err
	}
	defer leave()
	if err := s.pay(memberID); err != nil {
		return false, err
	}
	return s.WeChat.Active(ctx, cardID, code)
}
