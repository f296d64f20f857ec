// Package outbox carries messages about member cards to WeChat: each is stored by
// the transaction that makes it necessary, and sent afterwards, at least once.
// It does not know what a message says: a [Handler] for each kind does.
//
// The messages of one card are sent one at a time, in the order in which they
// were stored. A [Sender] leases the oldest message of a card, so that no other
// replica sends it, and hands it to the handler of its kind. The handler calls
// WeChat and removes the message, with [Finish], in the transaction that records
// the outcome. A message whose handler fails is retried after a back-off that
// grows; one that WeChat refuses for good is parked until an operator retries it.
// A postponed message holds up the messages of its card behind it; a parked one
// does not.
//
// A handler may run more than once for one message: when the process dies before
// the outcome is recorded, or when the lease ends while it works. It must find
// out what an earlier call has done ([Message.Started]).
package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound is returned for a message that is not, or no longer, in the
	// outbox: it was sent.
	ErrNotFound = errors.New("outbox: message not found")
	// ErrLeaseLost is returned by Finish when another replica has leased the
	// message.
	ErrLeaseLost = errors.New("outbox: the lease of the message is lost")
	// ErrStale is returned by a handler when the card changed while the handler
	// worked. The handler is called again at once.
	ErrStale = errors.New("outbox: the card changed meanwhile")
)

// Message is something to send to WeChat, or to ask it, about one card.
type Message struct {
	ID           string
	CardID, Code string
	Kind         string
	Payload      string
	Attempts     int64 // failures so far; a crash is none
	Started      bool  // it was leased before: its effect may be there already
	Seq          int64 // its place among the messages of its card
	Lease        string
}

// Stored is a message as an operator sees it. A waiting one is not sent before
// DueAt.
type Stored struct {
	Message
	State            string // Waiting or Parked
	LastError        string
	CreatedAt, DueAt time.Time
}

// The states of a message. One that was sent is deleted.
const (
	Waiting = "waiting"
	Parked  = "dead"
)

// Mark is a place in the list of messages; the zero Mark is its beginning.
type Mark struct {
	State     string
	CreatedAt time.Time
	ID        string
}

// Mark returns the place behind m.
func (m Stored) Mark() Mark { return Mark{m.State, m.CreatedAt, m.ID} }

// Backlog is how much the outbox holds.
type Backlog struct {
	Waiting, Parked int64
	Oldest          time.Duration // the age of the oldest waiting message
}

// Tx changes the outbox within one transaction.
type Tx interface {
	// Enqueue stores a message behind the others of its card. It stores nothing
	// if a message of the same ID is there, or, for one without an ID, a waiting
	// one of the same kind and payload. That one may be under way: so that it is
	// not the last word on an older state, the same transaction must have changed
	// the card (Touch).
	Enqueue(ctx context.Context, m Message) error
	// Message returns a message that waits or is parked, or ErrNotFound.
	Message(ctx context.Context, id string) (Stored, error)
	// HasWaiting reports whether a message waits for the card.
	HasWaiting(ctx context.Context, cardID, code string) (bool, error)
	// LockCard makes other transactions that change the card wait. It must come
	// before a message is ended that may have others behind it: those are
	// enqueued under the same lock.
	LockCard(ctx context.Context, cardID, code string) error
	// Touch marks the card as changed, as every change of it does.
	Touch(ctx context.Context, cardID, code string) error

	// Finish removes a leased message. Postpone makes it wait and counts a
	// failure. Release gives it back as it was. Park counts a failure and keeps
	// the message for the operator. They report false, and change nothing, when
	// the message is no longer leased to m.Lease.
	Finish(ctx context.Context, m Message) (bool, error)
	Postpone(ctx context.Context, m Message, wait time.Duration, why string) (bool, error)
	Release(ctx context.Context, m Message) (bool, error)
	Park(ctx context.Context, m Message, why string) (bool, error)

	// MakeDue makes a waiting message due now; MakeCardDue does so for all
	// waiting messages of a card. Discard removes a parked message.
	MakeDue(ctx context.Context, id string) error
	MakeCardDue(ctx context.Context, cardID, code string) error
	Discard(ctx context.Context, id string) error
	// Withdraw removes the waiting messages of these kinds about the card and
	// returns them in order.
	Withdraw(ctx context.Context, cardID, code string, kinds []string) ([]Message, error)
}

// Store keeps the outbox. It is safe for concurrent use.
type Store interface {
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on variables
	// that it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Lease leases up to n due messages under that name, until the time has passed
	// on the store's own clock. Of each card it leases only the oldest waiting
	// message, and none while that one is postponed or leased.
	Lease(ctx context.Context, name string, time time.Duration, n int) ([]Message, error)
	// Messages lists up to n messages after the mark; see Service.Messages.
	Messages(ctx context.Context, state string, after Mark, n int) ([]Stored, error)
	// Backlog counts the messages.
	Backlog(ctx context.Context) (Backlog, error)
}

// Service is the outbox of one deployment. It is safe for concurrent use.
type Service struct {
	store   Store
	retryAs map[string]string
	wake    chan struct{} // signals the Sender that a message may be due
}

// New returns a Service on store. retryAs names, for a kind of message that must
// not simply be repeated, the kind that an operator's retry sends instead.
func New(store Store, retryAs map[string]string) *Service {
	return &Service{store: store, retryAs: retryAs, wake: make(chan struct{}, 1)}
}

// Wake tells the Sender of this process that a message may be due. It never
// blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Messages lists up to n messages after the mark: parked ones before waiting
// ones, the oldest first. An empty state lists both.
func (s *Service) Messages(ctx context.Context, state string, after Mark, n int) ([]Stored, error) {
	return s.store.Messages(ctx, state, after, n)
}

// Backlog returns how much waits for WeChat.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) { return s.store.Backlog(ctx) }

// Retry makes a waiting message due now, and enqueues a parked one again behind
// the waiting messages of its card. It returns ErrNotFound for a message that is
// not in the outbox.
func (s *Service) Retry(ctx context.Context, id string) error {
	err := s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
		m, err := tx.Message(ctx, id)
		if err != nil {
			return err
		}
		if m.State == Waiting {
			return tx.MakeDue(ctx, id)
		}
		return s.enqueueAgain(ctx, tx, m)
	})
	if err != nil {
		return fmt.Errorf("retry a message: %w", err)
	}
	s.Wake()
	return nil
}

func (s *Service) enqueueAgain(ctx context.Context, tx Tx, m Stored) error {
	if err := tx.Discard(ctx, m.ID); err != nil {
		return err
	}
	if err := tx.Touch(ctx, m.CardID, m.Code); err != nil {
		return err
	}
	again := Message{ID: m.ID, CardID: m.CardID, Code: m.Code, Kind: m.Kind, Payload: m.Payload}
	if kind, ok := s.retryAs[m.Kind]; ok {
		again.Kind = kind
	}
	return tx.Enqueue(ctx, again)
}

// Finish removes a message after its handler's work, in the transaction that
// records the outcome. It returns ErrLeaseLost, and the transaction must be
// undone, when another replica has leased the message meanwhile.
func Finish(ctx context.Context, tx Tx, m Message) error {
	return end(ctx, tx, m, tx.Finish)
}

// end ends the lease of a message in one of the ways that Tx has.
func end(ctx context.Context, tx Tx, m Message, how func(context.Context, Message) (bool, error)) error {
	if err := tx.LockCard(ctx, m.CardID, m.Code); err != nil {
		return err
	}
	leased, err := how(ctx, m)
	if err == nil && !leased {
		err = ErrLeaseLost
	}
	return err
}

// recordTime bounds the time to record an outcome.
const recordTime = 4 * time.Second

// RecordContext returns a context in which to record what was done at WeChat: it
// does not end with ctx, but after 4 s.
func RecordContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTime)
}
