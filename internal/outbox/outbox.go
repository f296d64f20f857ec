package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoMessage is returned for a message that is not, or no longer, in the
// outbox: WeChat was told.
var ErrNoMessage = errors.New("member: no such message in the outbox")

// Message is something that WeChat has to be told or asked about one card.
// Those of one card go out one after the other, in the order in which they
// were enqueued.
type Message struct {
	ID           string
	CardID, Code string
	Kind         string
	Payload      string
	Attempts     int64 // how often it failed; a crash is no failure
	Started      bool  // it was taken before: its effect may be there already
	Seq          int64 // its place among those of its card
	Lease        string
}

// The kinds of messages.
const (
	activateCard = "activate"    // /card/membercard/activate
	lookAtCard   = "look"        // /card/membercard/userinfo/get decides
	applyEvent   = "apply_event" // of a card the catalogue has to learn first
)

// Queued is a message as an operator sees it: it waits, until DueAt if it was
// postponed, or it is parked.
type Queued struct {
	Message
	State            string // MessageWaits or MessageDead
	LastError        string
	CreatedAt, DueAt time.Time
}

// The states of a message. One that is done is no more.
const (
	MessageWaits = "waiting"
	MessageDead  = "dead"
)

// MessageMark is a place in the list of messages; zero is its beginning.
type MessageMark struct {
	State     string
	CreatedAt time.Time
	ID        string
}

// Mark is the place behind q.
func (q Queued) Mark() MessageMark { return MessageMark{q.State, q.CreatedAt, q.ID} }

// Messages lists up to n messages that come after the mark, the parked before
// those that wait, the oldest first. An empty state is both.
func (s *Service) Messages(ctx context.Context, state string, after MessageMark, n int) ([]Queued, error) {
	return s.store.Messages(ctx, state, after, n)
}

// Retry sends a parked message again, behind those that wait for its card, with
// the totals and texts of now, and one that waits at once. It returns
// ErrNoMessage for one that is not there.
func (s *Service) Retry(ctx context.Context, id string) error {
	err := s.write(ctx, func(ctx context.Context, tx Tx) error {
		q, err := tx.Message(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
			return ErrNoMessage
		case err != nil:
			return err
		case q.State == MessageWaits:
			return tx.Hasten(ctx, id)
		}
		if err := tx.Discard(ctx, id); err != nil {
			return err
		}
		if err := touch(ctx, tx, q.CardID, q.Code); err != nil {
			return err
		}
		return tx.Enqueue(ctx, q.again())
	})
	if err != nil {
		return fmt.Errorf("retry a message: %w", err)
	}
	s.wake()
	return nil
}

// again is the message that repeats one that was parked. What an activation may
// have done before, a look finds out.
func (q Queued) again() Message {
	m := Message{ID: q.ID, CardID: q.CardID, Code: q.Code, Kind: q.Kind, Payload: q.Payload}
	switch m.Kind {
	case activateCard:
		m.Kind = lookAtCard
	case tellEntry:
		m.Kind = repeatEntry
	}
	return m
}

// touch writes a card as it is, if there is one: Enqueue relies on that.
func touch(ctx context.Context, tx Tx, cardID, code string) error {
	c, err := tx.Card(ctx, cardID, code)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return put(ctx, tx, c)
}

// Backlog is what the outbox holds.
type Backlog struct {
	Waiting, Dead int64
	Oldest        time.Duration // the age of the oldest that waits
}

// Backlog tells how much waits for WeChat.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) { return s.store.Waiting(ctx) }

// wake tells the Sender that something may be due. It never blocks.
func (s *Service) wake() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}
