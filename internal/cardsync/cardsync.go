// Package cardsync makes WeChat and addcard agree about member cards. Its outbox
// handlers activate cards at WeChat and push every change of totals and custom
// fields to the card's face. A [Reconciler] finds and repairs what was missed. The
// package does not decide who holds a card or what its totals are: packages member
// and ledger do. It works in the background; no request of a client calls it.
//
// A push may be sent more than once, so every handler can be repeated. A push
// contains totals, not differences. Before a message that may have had its effect
// is sent again, the card is read at WeChat if the repetition would notify the
// holder a second time.
package cardsync

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/trail"
)

// Tx is member.Tx with the records of the reconciler.
type Tx interface {
	member.Tx
	// Checked records that a card was reconciled. The card is due again after a
	// wait that doubles each time, within the bounds. WalletChecked does the same
	// for a wallet. CheckSoon makes a card due after the given wait, unless it is
	// due earlier.
	Checked(ctx context.Context, cardID, code string, least, most time.Duration) error
	WalletChecked(ctx context.Context, id member.Identity, least, most time.Duration) error
	CheckSoon(ctx context.Context, cardID, code string, wait time.Duration) error
	// RecordDrift records the totals on the face of a card that is marked as
	// modified by WeChat. For any other card it changes nothing and reports false.
	// ClearDrift removes the recorded drift and the mark; see
	// member.Tx.MarkModified.
	RecordDrift(ctx context.Context, cardID, code string, bonus, balance int64) (bool, error)
	ClearDrift(ctx context.Context, cardID, code string) error
	// HadTotals reports whether a card had these totals after its entry with the number
	// seq or a later one; a card without entries has totals of zero.
	HadTotals(ctx context.Context, cardID, code string, seq, bonus, balance int64) (bool, error)
	// FirstUnsent reports whether WeChat may not have been sent all totals of a card, and
	// returns the number of the first entry that may be missing there.
	FirstUnsent(ctx context.Context, cardID, code string) (unsent bool, seq int64, err error)
	// AddTrail records what the reconciler has found, for the timeline of the card.
	// The same transaction must have changed the card.
	AddTrail(ctx context.Context, r trail.Row) error
}

// Store keeps the records of the reconciler. It is safe for concurrent use.
type Store interface {
	member.Reader
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// CardsDue lists up to n cards that are due to be reconciled, those that have
	// been due longest first. WalletsDue does the same for the identities of an
	// app.
	CardsDue(ctx context.Context, n int) ([]member.Card, error)
	WalletsDue(ctx context.Context, appID string, n int) ([]member.Identity, error)
	// StartJob reports whether the caller must do the job. It returns true to one
	// caller in each period.
	StartJob(ctx context.Context, job string, every time.Duration) (bool, error)
	// Drifts lists up to n drifts, oldest first. DriftOf returns the drift of one
	// card, or member.ErrNotFound.
	Drifts(ctx context.Context, n int) ([]Drift, error)
	DriftOf(ctx context.Context, cardID, code string) (Drift, error)
}

// Service has the outbox handlers. It is safe for concurrent use.
type Service struct {
	store   Store
	members *member.Service
	wechat  limited
	holds   func(ctx context.Context, cardID, code string) (bool, error)
}

// New returns a Service. It calls WeChat at most 200 times a second for the outbox.
func New(store Store, members *member.Service, wechat WeChat) *Service {
	return &Service{
		store: store, members: members, wechat: limit(wechat),
		holds: func(context.Context, string, string) (bool, error) { return false, nil },
	}
}

// HoldWith has the handlers postpone the messages of a card while holds reports true. It
// must be called before the Service is used.
func (s *Service) HoldWith(holds func(ctx context.Context, cardID, code string) (bool, error)) {
	s.holds = holds
}

// errHeld postpones the messages of a card whose ledger may be older than its face.
var errHeld = outbox.WaitError{Why: "cardsync: the card is held until its recovery, see server recover status", Wait: 30 * time.Second}

// RetryAs has the kinds of messages that an operator's retry sends instead; see
// outbox.New. A parked entry was overtaken by later ones, so its retry must not count
// as an entry in order: its push sends the present totals.
var RetryAs = map[string]string{ledger.KindEntry: ledger.KindEntryAgain}

// Handlers returns the handlers for all kinds of messages of member and ledger.
func (s *Service) Handlers() map[string]outbox.Handler {
	handlers := map[string]outbox.Handler{
		member.KindActivate:   {Send: s.withCard(s.refresh)},
		member.KindRefresh:    {Send: s.withCard(s.refresh)},
		member.KindApplyEvent: {Send: s.applyEvent},
		ledger.KindFields:     {Send: s.withCard(s.pushFields), Lost: s.repair},
	}
	for _, kind := range []string{ledger.KindEntry, ledger.KindEntryAgain, ledger.KindTotals} {
		handlers[kind] = outbox.Handler{Send: s.withCard(s.pushTotals), Lost: s.repair}
	}
	return handlers
}

// withCard returns a handler that reads the card of its message first.
func (s *Service) withCard(send func(context.Context, outbox.Message, member.Card) error) func(context.Context, outbox.Message) error {
	return func(ctx context.Context, m outbox.Message) error {
		switch held, err := s.holds(ctx, m.CardID, m.Code); {
		case err != nil:
			return err
		case held:
			return errHeld
		}
		c, err := s.store.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return fmt.Errorf("read the card: %w", err)
		}
		return send(ctx, m, c)
	}
}

// applyEvent applies an event of a card that was not in the catalogue.
func (s *Service) applyEvent(ctx context.Context, m outbox.Message) error {
	return s.members.ApplyStored(ctx, m.CardID, m.Payload, func(ctx context.Context, tx member.Tx) error {
		return outbox.Finish(ctx, tx, m)
	})
}

// write runs fn in a transaction, again when a concurrent one conflicts with it.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	return ledger.RetryConflicts(func() error { return s.store.Write(ctx, fn) })
}

// finish removes the message and does the rest in one transaction. What was done at
// WeChat is recorded even if the time for doing it is over.
func (s *Service) finish(ctx context.Context, m outbox.Message, rest func(ctx context.Context, tx Tx) error) error {
	ctx, cancel := outbox.RecordContext(ctx)
	defer cancel()
	return s.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := outbox.Finish(ctx, tx, m); err != nil {
			return err
		}
		return rest(ctx, tx)
	})
}

// finishCard removes the message, changes its card and adds to its form. The card is
// saved even if change changes nothing: Enqueue relies on that.
func (s *Service) finishCard(
	ctx context.Context, m outbox.Message, change func(*member.Card) error, start member.Start, form []member.Answer,
) error {
	return s.finish(ctx, m, func(ctx context.Context, tx Tx) error {
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		before := c
		if err := change(&c); err != nil {
			return err
		}
		if err := member.Save(ctx, tx, c); err != nil {
			return err
		}
		if err := s.members.AddForm(ctx, tx, before, form); err != nil {
			return err
		}
		if err := start.Book(ctx, tx, before, c); err != nil {
			return err
		}
		return member.EnqueuePending(ctx, tx, c)
	})
}

// finishUnchanged removes the message of a card that is still as it was seen.
func (s *Service) finishUnchanged(ctx context.Context, m outbox.Message, seen member.Card) error {
	return s.finishCard(ctx, m, ifUnchanged(seen, func(*member.Card) {}), member.Start{}, nil)
}

// ifUnchanged makes a change of what was read at WeChat. It returns outbox.ErrStale
// if the card changed since it was seen, as the change could undo that.
func ifUnchanged(seen member.Card, change func(*member.Card)) func(*member.Card) error {
	return func(now *member.Card) error {
		if now.Life.Version != seen.Life.Version {
			return outbox.ErrStale
		}
		change(now)
		return nil
	}
}

func nothing(context.Context, Tx) error { return nil }
