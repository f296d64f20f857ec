package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrErased is returned for what belonged to a person who was erased.
var ErrErased = errors.New("member: the person was erased")

// Adopt records a card that was in a wallet before addcard knew it, as WeChat says that
// it is: its holder, its status, its membership number, its form. The figures on its face
// become its opening entry. Nothing is sent to WeChat: a card that is not active is not
// activated, and one without figures gets no initial grant. who is the holder, in the
// Official Account. Adopt may be repeated. It returns ErrErased for a card or a holder
// that was erased.
func (s *Service) Adopt(ctx context.Context, cardID, code string, who Identity, info CardInfo) (c Card, err error) {
	who.AppID = s.apps.Official
	err = s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if gone, err := s.isGone(ctx, tx, cardID, code, who.OpenID); gone || err != nil {
			return errors.Join(err, ErrErased)
		}
		before, err := s.cardInWalletOf(ctx, tx, cardID, code, who)
		if err != nil {
			return err
		}
		c = before
		c.markTaken(earliest, time.Now())
		c.ApplyInfo(info, time.Now())
		c.FaceKnown = c.FaceKnown || c.Status == Active
		if err := Save(ctx, tx, c); err != nil {
			return err
		}
		if err := s.AddForm(ctx, tx, before, info.Form); err != nil {
			return err
		}
		if err := joinTaken(ctx, tx, c); err != nil {
			return err
		}
		if c.FaceKnown {
			if err := (Start{Face: info.Figures()}).Book(ctx, tx, before, c); err != nil {
				return err
			}
		}
		if err := EnqueuePending(ctx, tx, c); err != nil {
			return err
		}
		c, err = tx.Card(ctx, cardID, code)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("adopt a code of card %s: %w", cardID, err)
	}
	s.wake()
	return c, nil
}
