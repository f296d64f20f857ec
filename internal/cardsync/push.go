package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Change is a new total of points, or of fen (分), and the message about it: so
// much was added, for that reason.
type Change struct {
	Total, Add int64
	Record     string
	Notify     bool
}

// Update is what changes on the face of a card: both totals, or neither, and
// the fields that are not nil.
type Update struct {
	CardID, Code   string
	Bonus, Balance *Change
	Fields         [3]*string
	NotifyFields   [3]bool
}

// A push speaks of everything in the card's ledger but what waits behind it in
// the outbox. So the totals that WeChat gets never go back, whatever becomes of
// a push and whenever it is retried, and the last one that waits makes the face
// equal to the ledger.

// push sends a message that changes what the holder sees.
func (s *Sender) push(ctx context.Context, m Message, c Card) error {
	if c.Status != Active {
		return s.putOff(ctx, m, func(*Card) {})
	}
	if m.Kind == tellFields {
		return s.pushFields(ctx, m, c)
	}
	e, err := s.subject(ctx, m)
	if errors.Is(err, ErrNotFound) {
		return s.conclude(ctx, m, nothing) // the ledger went along with a gift
	}
	if err != nil {
		return err
	}
	next, err := s.service.store.Next(ctx, m)
	last := errors.Is(err, ErrNotFound)
	switch {
	case err != nil && !last:
		return err
	case !last && !e.notifies() && !next.notifies():
		return s.conclude(ctx, m, nothing) // what comes next says it too
	}
	u := e.update(c)
	if !last {
		u.Bonus.Total, u.Balance.Total = next.Bonus-next.AddBonus, next.Balance-next.AddBalance
	}
	switch err := s.update(ctx, m, u, e.notifies()); {
	case notDelivered(err):
		return s.doubt(ctx, m, c, err)
	case err != nil:
		return err
	case m.Kind == tellTotals:
		return s.finish(ctx, m, unchanged(c, func(*Card) {}), beginning{})
	}
	return s.conclude(ctx, m, func(ctx context.Context, tx Tx) error {
		return tx.CheckSoon(ctx, m.CardID, m.Code, FirstCheck)
	})
}

// subject is the entry that a message is about; one about none has none.
func (s *Sender) subject(ctx context.Context, m Message) (e Entry, err error) {
	if m.Kind != tellTotals {
		e, err = s.service.store.Entry(ctx, m.CardID, m.Code, m.Payload)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("look the entry up: %w", err)
	}
	return e, err
}

// notifies tells whether the holder gets a message about the entry.
func (e Entry) notifies() bool {
	return e.AddBonus != 0 && e.NotifyBonus || e.AddBalance != 0 && e.NotifyBalance
}

// update is what WeChat is told about the entry; of what did not change it
// learns the total alone.
func (e Entry) update(c Card) Update {
	u := Update{CardID: c.CardID, Code: c.Code, Bonus: &Change{Total: c.Bonus}, Balance: &Change{Total: c.Balance}}
	if e.AddBonus != 0 {
		u.Bonus.Add, u.Bonus.Record, u.Bonus.Notify = e.AddBonus, e.RecordBonus, e.NotifyBonus
	}
	if e.AddBalance != 0 {
		u.Balance.Add, u.Balance.Record, u.Balance.Notify = e.AddBalance, e.RecordBalance, e.NotifyBalance
	}
	return u
}

// update makes the call. One that may have been made before is looked into
// first if its holder would get a second message.
func (s *Sender) update(ctx context.Context, m Message, u Update, notifies bool) error {
	if m.Started && notifies {
		if face, err := s.wechat.Face(ctx, m.CardID, m.Code); err != nil || face.shows(u) {
			return err
		}
	}
	return s.wechat.Update(ctx, u)
}

// shows tells whether the totals are there already. A figure that WeChat does
// not say proves nothing.
func (f Face) shows(u Update) bool { return u.Bonus.on(f.Bonus) && u.Balance.on(f.Balance) }

func (c *Change) on(shown *int64) bool {
	if shown == nil {
		return c.Add == 0
	}
	return *shown == c.Total
}

// pushFields sends the values of now.
func (s *Sender) pushFields(ctx context.Context, m Message, c Card) error {
	u := Update{CardID: c.CardID, Code: c.Code}
	for i := range c.Fields {
		if changed, notify := dueIn(m).field(i); changed {
			u.Fields[i], u.NotifyFields[i] = &c.Fields[i], notify
		}
	}
	switch err := s.wechat.Update(ctx, u); {
	case notDelivered(err):
		return s.doubt(ctx, m, c, err)
	case err != nil:
		return err
	}
	return s.finish(ctx, m, unchanged(c, func(*Card) {}), beginning{})
}

// doubt asks WeChat why a card that we take for active is refused. One that is
// not active there is activated; one that has left the wallet is noted as that,
// and the message is owed.
func (s *Sender) doubt(ctx context.Context, m Message, c Card, refusal error) error {
	face, err := s.wechat.Face(ctx, m.CardID, m.Code)
	if err != nil {
		return err
	}
	seen := c
	seen.see(face, time.Now())
	if seen.Status != Active {
		return s.putOff(ctx, m, func(now *Card) {
			if now.Life.Version == c.Life.Version {
				now.see(face, time.Now())
			}
		})
	}
	switch wanted, err := s.wanted(ctx, seen); {
	case err != nil:
		return err
	case face.Active || !wanted:
		return refusal
	}
	if err := s.wechat.Activate(ctx, Activation{CardID: m.CardID, Code: m.Code, MembershipNumber: m.Code}); err != nil {
		return err
	}
	if err := s.realign(ctx, m, dueTotals); err != nil { // the activation may have set them to nothing
		return err
	}
	return errStale
}

// putOff ends a message about a card that is not active, and those behind it:
// they are owed until it is.
func (s *Sender) putOff(ctx context.Context, m Message, change func(*Card)) error {
	return s.conclude(ctx, m, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		change(&c)
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		if err := recall(ctx, tx, m); err != nil {
			return err
		}
		return tell(ctx, tx, c) // it may be active again
	})
}

// overwritten is what a message may have overwritten that was sent by who had
// lost it.
func (m Message) overwritten() Due {
	if m.Kind == tellFields {
		return dueIn(m) & dueFields
	}
	return dueTotals
}

// realign has the face of a message's card set right without a word, behind what
// waits for it.
func (s *Sender) realign(ctx context.Context, m Message, due Due) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	return s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		if err := put(ctx, tx, c); err != nil {
			return err
		}
		return owe(ctx, tx, c, due)
	})
}

// pushes tells whether a message of this kind changes what the holder sees.
func pushes(kind string) bool {
	return kind == tellEntry || kind == repeatEntry || kind == tellFields || kind == tellTotals
}

func nothing(context.Context, Tx) error { return nil }
