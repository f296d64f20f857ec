// Package cardsync keeps WeChat and addcard in step about member cards. Its outbox
// handlers activate cards at WeChat and push every change of totals and custom
// fields to the card's face. A [Reconciler] finds what was missed. The rules about
// people and codes are package member's, those about totals package ledger's; no
// request of a client waits for this package.
//
// Pushing is at least once, so every handler is written to be repeated. A push
// carries absolute totals; a message that may have had its effect is checked at
// WeChat before it is sent again, if repeating it would notify the holder twice.
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

// Tx changes what the reconciler knows of cards, and all that member.Tx does, within
// one transaction.
type Tx interface {
	member.Tx
	// Checked makes a card due to be reconciled again, after a wait that doubles
	// each time within the bounds; WalletChecked does so with a wallet. CheckSoon
	// makes a card due after the wait unless it is due before.
	Checked(ctx context.Context, cardID, code string, least, most time.Duration) error
	WalletChecked(ctx context.Context, id member.Identity, least, most time.Duration) error
	CheckSoon(ctx context.Context, cardID, code string, wait time.Duration) error
	// RecordDrift records what the face shows of a card that WeChat may have
	// modified, and reports false, and changes nothing, for any other card.
	// ClearDrift forgets it, and that WeChat may have modified the card.
	RecordDrift(ctx context.Context, cardID, code string, bonus, balance int64) (bool, error)
	ClearDrift(ctx context.Context, cardID, code string) error
}

// Store keeps what the reconciler knows. It is safe for concurrent use.
type Store interface {
	member.Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on variables
	// that it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// CardsDue lists up to n cards that are due to be reconciled, the longest due
	// first; WalletsDue does so with the identities of an app.
	CardsDue(ctx context.Context, n int) ([]member.Card, error)
	WalletsDue(ctx context.Context, appID string, n int) ([]member.Identity, error)
	// StartJob reports true to one caller in that time, who must do the job.
	StartJob(ctx context.Context, job string, every time.Duration) (bool, error)
	// Drifts lists up to n drifts, the longest known first; DriftOf returns that
	// of one card, or member.ErrNotFound.
	Drifts(ctx context.Context, n int) ([]Drift, error)
	DriftOf(ctx context.Context, cardID, code string) (Drift, error)
}

// Service keeps cards in step with WeChat. It is safe for concurrent use.
type Service struct {
	store     Store
	members   *member.Service
	catalogue member.Catalogue
	wechat    limited
}

// New returns a Service. It calls WeChat at most 200 times a second for the outbox.
func New(store Store, members *member.Service, catalogue member.Catalogue, wechat WeChat) *Service {
	return &Service{store, members, catalogue, limit(wechat)}
}

// RetryAs names the kinds of messages that an operator's retry sends instead: a
// parked activation or push may have had its effect, so it is checked first.
var RetryAs = map[string]string{member.KindActivate: member.KindRefresh, ledger.KindEntry: ledger.KindEntryAgain}

// Handlers returns the handlers of all kinds of messages.
func (s *Service) Handlers() map[string]outbox.Handler {
	handlers := map[string]outbox.Handler{
		member.KindActivate:   {Send: s.withCard(s.activate)},
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

// finishCard removes the message and changes its card. The card is saved even if
// change changes nothing: Enqueue relies on that.
func (s *Service) finishCard(ctx context.Context, m outbox.Message, change func(*member.Card) error, grant member.Grant) error {
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
		if err := grant.Book(ctx, tx, before, c); err != nil {
			return err
		}
		return member.EnqueuePending(ctx, tx, c)
	})
}

// finishUnchanged removes the message of a card that is still as it was seen.
func (s *Service) finishUnchanged(ctx context.Context, m outbox.Message, seen member.Card) error {
	return s.finishCard(ctx, m, ifUnchanged(seen, func(*member.Card) {}), member.Grant{})
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

// isNotFound reports whether a row was not found in the ledger or among members.
func isNotFound(err error) bool {
	return errors.Is(err, member.ErrNotFound) || errors.Is(err, ledger.ErrNotFound)
}
