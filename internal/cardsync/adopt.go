package cardsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

var (
	// ErrNotInWallet is returned by Adopt for a code that WeChat says is in no wallet.
	ErrNotInWallet = errors.New("cardsync: the code is in no wallet")
	// ErrOtherHolder is returned by Adopt if WeChat says that another person has the
	// code, or does not say who.
	ErrOtherHolder = errors.New("cardsync: the code is in another wallet")
)

// Adopt reads a card that was in a wallet before addcard knew it, and records it; see
// member.Service.Adopt. openID is the holder's in the Official Account; if it is empty,
// it is what WeChat says. For a card whose face is known Adopt calls nothing, and reports
// that it was known. It repeats a call that failed for the moment, for a few seconds.
func (s *Service) Adopt(ctx context.Context, cardID, code, openID string) (c member.Card, known bool, err error) {
	c, err = s.store.Card(ctx, cardID, code)
	if err == nil && (c.FaceKnown || c.Ended()) {
		return c, true, nil
	}
	if err != nil && !errors.Is(err, member.ErrNotFound) {
		return c, false, err
	}
	info, err := s.readCard(ctx, cardID, code)
	switch {
	case outbox.NotDelivered(err), err == nil && !info.InWallet() && (info.Status != "" || !info.Active):
		return c, false, ErrNotInWallet
	case err != nil:
		return c, false, err
	case cmp.Or(info.OpenID, openID) == "", openID != "" && info.OpenID != "" && info.OpenID != openID:
		return c, false, ErrOtherHolder
	}
	c, err = s.members.Adopt(ctx, cardID, code, cmp.Or(info.OpenID, openID), info)
	return c, false, err
}

// readCard reads a card, and again when WeChat is busy.
func (s *Service) readCard(ctx context.Context, cardID, code string) (info member.CardInfo, err error) {
	const most = 4
	for i := range int64(most) {
		info, err = s.wechat.CardInfo(ctx, cardID, code)
		wait, park := outbox.BackOff(i, err)
		if err == nil || outbox.NotDelivered(err) || park || i == most-1 || wait > time.Minute {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return info, fmt.Errorf("read a card: %w", context.Cause(ctx))
		}
	}
	return info, err
}
