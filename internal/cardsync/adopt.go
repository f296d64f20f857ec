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
// it is what WeChat says. WeChat does not say the unionid: unionID may be empty. For a
// card whose face is known Adopt calls nothing, and reports that it was known. It repeats
// a call that failed for the moment, for a few seconds. calls is the number of calls that
// it made, also with an error.
func (s *Service) Adopt(
	ctx context.Context, cardID, code, openID, unionID string,
) (c member.Card, known bool, calls int, err error) {
	c, err = s.store.Card(ctx, cardID, code)
	switch {
	case err == nil && openID != "" && c.Life.Wallet != "" && c.Life.Wallet != openID:
		return c, true, 0, ErrOtherHolder
	case err == nil && (c.FaceKnown || c.Ended()):
		return c, true, 0, nil
	case err != nil && !errors.Is(err, member.ErrNotFound):
		return c, false, 0, err
	}
	info, calls, err := s.readCard(ctx, cardID, code)
	switch {
	case outbox.NotDelivered(err), err == nil && !info.InWallet() && (info.Status != "" || !info.Active):
		return c, false, calls, ErrNotInWallet
	case err != nil:
		return c, false, calls, err
	case cmp.Or(info.OpenID, openID) == "", openID != "" && info.OpenID != "" && info.OpenID != openID:
		return c, false, calls, ErrOtherHolder
	}
	c, err = s.members.Adopt(ctx, cardID, code, member.Identity{OpenID: cmp.Or(info.OpenID, openID), UnionID: unionID}, info)
	return c, false, calls, err
}

// readCard reads a card, and again when WeChat is busy. It returns the number of calls.
func (s *Service) readCard(ctx context.Context, cardID, code string) (info member.CardInfo, calls int, err error) {
	const most = 4
	for calls = 1; ; calls++ {
		info, err = s.wechat.CardInfo(ctx, cardID, code)
		wait, park := outbox.BackOff(int64(calls-1), err)
		if err == nil || outbox.NotDelivered(err) || park || calls == most || wait > time.Minute {
			return info, calls, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return info, calls, fmt.Errorf("read a card: %w", context.Cause(ctx))
		}
	}
}
