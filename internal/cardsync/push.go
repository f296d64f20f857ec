package cardsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// pushTotals sends the card's totals, minus the entries still queued behind the
// message, so totals never go backwards, whatever is retried, parked or repaired. The
// last message in the queue makes the face equal to the ledger.
func (s *Service) pushTotals(ctx context.Context, m outbox.Message, c member.Card) error {
	if c.Status != member.Active {
		return s.holdBack(ctx, m, func(*member.Card) {})
	}
	entry, err := s.entryOf(ctx, m)
	if errors.Is(err, ledger.ErrNotFound) {
		return s.finish(ctx, m, nothing) // the ledger moved with a gift
	}
	if err != nil {
		return err
	}
	next, err := s.store.NextQueued(ctx, m)
	last := errors.Is(err, ledger.ErrNotFound)
	switch {
	case err != nil && !last:
		return err
	case !last && !entry.Notifies() && !next.Notifies():
		return s.finish(ctx, m, nothing) // the next push includes this one
	}
	bonus, balance, err := s.store.TotalsAt(ctx, m)
	if err != nil {
		return err
	}
	u := updateFor(c, entry, bonus, balance)
	switch err := s.updateOnce(ctx, m, u, entry.Notifies()); {
	case outbox.NotDelivered(err):
		return s.resolveRefusal(ctx, m, c, err)
	case err != nil:
		return err
	case m.Kind == ledger.KindTotals:
		return s.finishUnchanged(ctx, m, c)
	}
	return s.finish(ctx, m, func(ctx context.Context, tx Tx) error {
		return tx.CheckSoon(ctx, m.CardID, m.Code, member.FirstCheck)
	})
}

// entryOf returns the entry that a message is about; a message about totals alone
// has none.
func (s *Service) entryOf(ctx context.Context, m outbox.Message) (ledger.Entry, error) {
	if m.Kind == ledger.KindTotals {
		return ledger.Entry{}, nil
	}
	e, err := s.store.Entry(ctx, m.CardID, m.Code, m.Payload)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		err = fmt.Errorf("read the entry: %w", err)
	}
	return e, err
}

// updateFor returns the update about an entry, with the totals after it. Of a figure
// that the entry does not change it has the total alone.
func updateFor(c member.Card, e ledger.Entry, bonus, balance int64) Update {
	u := Update{CardID: c.CardID, Code: c.Code, Bonus: &Change{Total: bonus}, Balance: &Change{Total: balance}}
	if e.AddBonus != 0 {
		u.Bonus.Add, u.Bonus.Record, u.Bonus.Notify = e.AddBonus, e.RecordBonus, e.NotifyBonus
	}
	if e.AddBalance != 0 {
		u.Balance.Add, u.Balance.Record, u.Balance.Notify = e.AddBalance, e.RecordBalance, e.NotifyBalance
	}
	return u
}

// updateOnce sends the update. If an earlier call may have notified the holder, the
// card is read first, and the update is not sent again when its totals are there.
func (s *Service) updateOnce(ctx context.Context, m outbox.Message, u Update, notifies bool) error {
	if m.Started && notifies {
		if info, err := s.wechat.CardInfo(ctx, m.CardID, m.Code); err != nil || shows(info, u) {
			return err
		}
	}
	return s.wechat.Update(ctx, u)
}

// shows reports whether the face shows the totals of the update.
func shows(info member.CardInfo, u Update) bool {
	return u.Bonus.shownAs(info.Bonus) && u.Balance.shownAs(info.Balance)
}

// shownAs reports whether the figure is the total. A figure that WeChat does not say
// proves nothing.
func (c *Change) shownAs(figure *int64) bool {
	if figure == nil {
		return c.Add == 0
	}
	return *figure == c.Total
}

// pushFields sends the present values of the custom fields that have changed.
func (s *Service) pushFields(ctx context.Context, m outbox.Message, c member.Card) error {
	if c.Status != member.Active {
		return s.holdBack(ctx, m, func(*member.Card) {})
	}
	u := Update{CardID: c.CardID, Code: c.Code}
	for i := range c.Fields {
		if changed, notify := ledger.Pending(m).Field(i); changed {
			u.Fields[i], u.NotifyFields[i] = &c.Fields[i], notify
		}
	}
	switch err := s.wechat.Update(ctx, u); {
	case outbox.NotDelivered(err):
		return s.resolveRefusal(ctx, m, c, err)
	case err != nil:
		return err
	}
	return s.finishUnchanged(ctx, m, c)
}

// resolveRefusal reads a card that addcard takes for active and WeChat refused. One
// that is not active at WeChat is activated; one that has left the wallet is recorded
// as that, and its pushes are held back.
func (s *Service) resolveRefusal(ctx context.Context, m outbox.Message, c member.Card, refusal error) error {
	info, err := s.wechat.CardInfo(ctx, m.CardID, m.Code)
	if err != nil {
		return err
	}
	seen := c
	seen.ApplyInfo(info, time.Now())
	if seen.Status != member.Active {
		return s.holdBack(ctx, m, func(now *member.Card) {
			if now.Life.Version == c.Life.Version {
				now.ApplyInfo(info, time.Now())
			}
		})
	}
	switch must, err := s.mustActivate(ctx, seen); {
	case err != nil:
		return err
	case info.Active || !must:
		return refusal
	}
	if err := s.wechat.Activate(ctx, Activation{CardID: m.CardID, Code: m.Code, MembershipNumber: numberOf(c)}); err != nil {
		return err
	}
	if err := s.enqueueRepair(ctx, m, ledger.PendingTotals); err != nil { // the activation may have reset them
		return err
	}
	return outbox.ErrStale
}

// holdBack ends a push to a card that is not active, and those behind it: all are
// pending until it is active.
func (s *Service) holdBack(ctx context.Context, m outbox.Message, change func(*member.Card)) error {
	return s.finish(ctx, m, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		change(&c)
		if err := member.Save(ctx, tx, c); err != nil {
			return err
		}
		if err := ledger.WithdrawPushes(ctx, tx, m); err != nil {
			return err
		}
		return member.EnqueuePending(ctx, tx, c) // it may be active again
	})
}

// repair sets right what a push may have overwritten that was sent after its lease
// had ended.
func (s *Service) repair(ctx context.Context, m outbox.Message) error {
	if m.Kind == ledger.KindFields {
		return s.enqueueRepair(ctx, m, ledger.Pending(m)&ledger.PendingFields)
	}
	return s.enqueueRepair(ctx, m, ledger.PendingTotals)
}

// enqueueRepair sends the present values again, without a notification, behind what
// waits for the card.
func (s *Service) enqueueRepair(ctx context.Context, m outbox.Message, updates ledger.PendingUpdates) error {
	ctx, cancel := outbox.RecordContext(ctx)
	defer cancel()
	return s.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		if err := member.Save(ctx, tx, c); err != nil {
			return err
		}
		return member.AddPending(ctx, tx, c, updates)
	})
}
