package cardsync

import (
	"context"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// The outcomes of comparing a card of a restored database with its face.
const (
	// FaceEqual: the face shows the totals of the ledger.
	FaceEqual = "equal"
	// FaceUnsent: the face shows the totals before entries that the database has not
	// sent. They are sent.
	FaceUnsent = "unsent"
	// FaceDiffers: the face shows what the ledger does not explain, such as entries
	// that were made after the copy.
	FaceDiffers = "differs"
	// FaceAdopted: an entry has made the ledger equal to the face.
	FaceAdopted = "adopted"
	// FaceAbsent: WeChat does not know the card or the code, or no holder has it.
	FaceAbsent = "absent"
)

// Settlement is a card of a restored database, compared with its face.
type Settlement struct {
	CardID, Code           string
	Outcome                string
	Bonus, Balance         int64 // of the ledger; balance is in fen
	FaceBonus, FaceBalance int64 // a figure that WeChat does not say is that of the ledger
}

// recordSettled is the text of the entry that makes a ledger equal to a face.
const recordSettled = "按卡面更正"

// Settle reads the face of a card of a restored database and compares it with the
// ledger, which may lack entries that the holder has seen. It records what WeChat says
// about the state of the card. With adopt, an entry makes a ledger that differs equal to
// the face; nothing that the face shows is changed, and the holder is not notified. It
// must not be called while something else books on the card; see Service.HoldWith.
func (s *Service) Settle(ctx context.Context, cardID, code string, adopt bool) (st Settlement, err error) {
	seen, err := s.store.Card(ctx, cardID, code)
	if err != nil {
		return st, err
	}
	info, err := s.wechat.CardInfo(ctx, cardID, code)
	absent := outbox.NotDelivered(err) || outbox.Refused(err) // by its code or its card_id
	if err != nil && !absent {
		return st, err
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, cardID, code)
		if err != nil {
			return err
		}
		if c.Life.Version != seen.Life.Version || c.Seq != seen.Seq {
			return outbox.ErrStale
		}
		st = Settlement{cardID, code, FaceAbsent, c.Bonus, c.Balance, c.Bonus, c.Balance}
		if absent {
			return nil
		}
		c.ApplyInfo(info, time.Now())
		if err := member.Save(ctx, tx, c); err != nil {
			return err
		}
		if !c.InWallet() {
			return nil
		}
		st.FaceBonus, st.FaceBalance = or(info.Bonus, c.Bonus), or(info.Balance, c.Balance)
		if st.Outcome, err = explain(ctx, tx, st); err != nil || st.Outcome != FaceDiffers || !adopt {
			return err
		}
		st.Outcome = FaceAdopted
		return takeFace(ctx, tx, c, st)
	})
	return st, err
}

// explain says why the face shows what it does.
func explain(ctx context.Context, tx Tx, st Settlement) (outcome string, err error) {
	if st.FaceBonus == st.Bonus && st.FaceBalance == st.Balance {
		return FaceEqual, nil
	}
	unsent, first, err := tx.FirstUnsent(ctx, st.CardID, st.Code)
	if err != nil || !unsent {
		return FaceDiffers, err
	}
	had, err := tx.HadTotals(ctx, st.CardID, st.Code, first-1, st.FaceBonus, st.FaceBalance)
	if err != nil || !had {
		return FaceDiffers, err
	}
	return FaceUnsent, nil
}

// takeFace makes the ledger equal to the face. What waits to be sent is on the face
// already, or is overtaken by it, but for the custom fields.
func takeFace(ctx context.Context, tx Tx, c member.Card, st Settlement) error {
	withdrawn, err := tx.Withdraw(ctx, c.CardID, c.Code, ledger.Kinds)
	if err != nil {
		return err
	}
	_, pending, err := tx.DrainPending(ctx, c.CardID, c.Code)
	if err != nil {
		return err
	}
	for _, m := range withdrawn {
		pending |= ledger.Pending(m)
	}
	if err := tx.AddPending(ctx, c.CardID, c.Code, pending&^ledger.PendingTotals); err != nil {
		return err
	}
	correction := ledger.Booking{
		AddBonus: st.FaceBonus - st.Bonus, AddBalance: st.FaceBalance - st.Balance,
		RecordBonus: recordSettled, RecordBalance: recordSettled,
	}
	if err := ledger.Add(ctx, tx, c.CardID, c.Code, correction, ledger.RouteRecovery, true); err != nil {
		return err
	}
	return member.EnqueuePending(ctx, tx, c)
}
