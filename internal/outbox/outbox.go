// Package outbox sends messages about member cards to WeChat. A message is stored
// by the transaction that makes it necessary, and is sent afterwards, at least
// once. The package does not interpret messages and does not call WeChat itself: a
// [Handler] for each kind of message does both.
//
// The messages of one card are sent one at a time, in the order in which they were
// stored. A [Sender] leases the oldest message of a card, so that no other replica
// sends it, and hands it to the handler of its kind. The handler calls WeChat and
// removes the message, with [Finish], in the transaction that records the outcome.
// If the handler fails, the message is postponed: it is retried after a growing
// back-off, and until then holds up the messages of its card behind it. A message
// that WeChat refuses for good is parked until an operator retries it; it holds up
// nothing.
//
// A handler may run more than once for one message, if the process dies before the
// outcome is recorded or the lease ends while the handler works. So a handler must
// take into account that an earlier run may have had its effect
// ([Message.Started]).
package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound is returned for a message that is not in the outbox, or no
	// longer, because it was sent.
	ErrNotFound = errors.New("outbox: message not found")
	// ErrLeaseLost is returned by Finish when another replica has leased the
	// message.
	ErrLeaseLost = errors.New("outbox: the lease of the message is lost")
	// ErrStale is returned by a handler when the card changed while the handler
	// worked. The handler is called again at once.
	ErrStale = errors.New("outbox: the card changed meanwhile")
)

// Message is something to send to WeChat, or to ask WeChat, about one member card.
type Message struct {
	ID           string
	CardID, Code string
	Kind         string
	Payload      string
	// Attempts counts the failures so far. A crash does not count, and failures that
	// say nothing about the message, such as a network's, do not count beyond a few.
	Attempts int64
	Started  bool  // it may have been sent before: its effect may be there already
	Seq      int64 // orders the messages of a card
	Lease    string
}

// Stored is a message as an operator sees it. A waiting message is not sent before
// DueAt.
type Stored struct {
	Message
	State            string // Waiting or Parked
	LastError        string
	CreatedAt, DueAt time.Time
}

// Try is what became of an attempt to send a message.
type Try struct {
	At       time.Time
	Outcome  string // TryFailed, TryParked or TrySent
	Attempts int64  // the failures until then
	Text     string // WeChat's words, or what failed
}

// The outcomes of attempts.
const (
	TryFailed = "failed" // it was postponed
	TryParked = "dead"   // it was refused for good
	TrySent   = "sent"
)

// The states of a message. A message that was sent is deleted.
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
	// Enqueue stores a message behind the others of its card. It stores nothing if
	// the outbox has a message with this ID or, for a message without an ID, a
	// waiting one of the same card, kind and payload. The waiting one may be in a
	// handler that has read an older state of the card. So the same transaction
	// must have changed the card (see Touch): then that handler fails with
	// ErrStale and runs again.
	Enqueue(ctx context.Context, m Message) error
	// Message returns a waiting or parked message, or ErrNotFound.
	Message(ctx context.Context, id string) (Stored, error)
	// HasWaiting reports whether the card has a waiting message, leased or not.
	HasWaiting(ctx context.Context, cardID, code string) (bool, error)
	// LockCard makes other transactions that change the card wait. It must be
	// called before Finish, Postpone, Release and Park. Finish and Park make the
	// card's next message due, and that message may be in the process of being
	// enqueued under the same lock.
	LockCard(ctx context.Context, cardID, code string) error
	// Touch marks the card as changed without changing anything else.
	Touch(ctx context.Context, cardID, code string) error

	// These methods end the lease of a message. Finish removes the message.
	// Postpone makes it due after wait and counts a failure. Release leaves it as
	// it was before the lease. Park counts a failure and parks it. They report
	// false, and change nothing, if the message is no longer leased under the name
	// m.Lease.
	Finish(ctx context.Context, m Message) (bool, error)
	Postpone(ctx context.Context, m Message, wait time.Duration, why string) (bool, error)
	Release(ctx context.Context, m Message) (bool, error)
	Park(ctx context.Context, m Message, why string) (bool, error)

	// MakeDue makes a waiting message due now; MakeCardDue does so for all
	// waiting messages of a card. A message behind another of its card stays as it
	// is for MakeDue. Discard removes a parked message and reports false if there is
	// none.
	MakeDue(ctx context.Context, id string) error
	MakeCardDue(ctx context.Context, cardID, code string) error
	Discard(ctx context.Context, id string) (bool, error)
	// Withdraw removes the waiting messages of these kinds about the card and
	// returns them in order.
	Withdraw(ctx context.Context, cardID, code string, kinds []string) ([]Message, error)
}

// Store keeps the outbox. It is safe for concurrent use.
type Store interface {
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Lease leases up to n due messages under the given name, for the given time
	// on the store's own clock. Of each card it leases only the oldest waiting
	// message, and nothing while that message is postponed or leased.
	Lease(ctx context.Context, name string, time time.Duration, n int) ([]Message, error)
	// Messages lists up to n messages after the mark; see Service.Messages.
	Messages(ctx context.Context, f Filter, after Mark, n int) ([]Stored, error)
	// Tries lists up to n attempts to send a message, newest first; see Service.Message.
	Tries(ctx context.Context, m Stored, n int) ([]Try, error)
	// Message returns a message, or ErrNotFound.
	Message(ctx context.Context, id string) (Stored, error)
	// Backlog counts the messages. Count counts those that f selects, in whatever State.
	Backlog(ctx context.Context) (Backlog, error)
	Count(ctx context.Context, f Filter) (Backlog, error)
	RetryStore
}

// Service is the outbox of one deployment. It is safe for concurrent use.
type Service struct {
	store   Store
	retryAs map[string]string
	wake    chan struct{} // signals the Sender that a message may be due
	jobs    chan struct{} // signals RunRetries that there is a job
}

// New returns a Service on store. For a kind of message that must not be repeated
// as it is, retryAs has the kind that is enqueued instead when an operator retries
// a parked message.
func New(store Store, retryAs map[string]string) *Service {
	return &Service{store: store, retryAs: retryAs, wake: make(chan struct{}, 1), jobs: make(chan struct{}, 1)}
}

// Wake makes the Sender of this process check for due messages at once. It never
// blocks.
func (s *Service) Wake() { signal(s.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is signaled already
	}
}

// Messages lists up to n messages that f selects after the mark: parked ones before
// waiting ones, the oldest first.
func (s *Service) Messages(ctx context.Context, f Filter, after Mark, n int) ([]Stored, error) {
	return s.store.Messages(ctx, f, after, n)
}

// maxListed bounds the attempts that are listed.
const maxListed = 100

// Message returns a message, or ErrNotFound, and the latest attempts to send it, newest
// first. Attempts from before it was retried are among them. Of many failures in a row
// only some are recorded; see [Recorded].
func (s *Service) Message(ctx context.Context, id string) (Stored, []Try, error) {
	m, err := s.store.Message(ctx, id)
	if err != nil {
		return m, nil, err
	}
	tries, err := s.store.Tries(ctx, m, maxListed)
	return m, tries, err
}

// Recorded reports whether a Store must record the nth failure in a row of a message:
// the first eight, and then each whose number is a power of two. An outage must not
// fill the database.
func Recorded(n int64) bool { return n <= 8 || n&(n-1) == 0 }

// Count returns how many messages f selects, whatever its State says.
func (s *Service) Count(ctx context.Context, f Filter) (Backlog, error) { return s.store.Count(ctx, f) }

// Backlog returns how many messages wait or are parked.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) { return s.store.Backlog(ctx) }

// Retry makes a waiting message due now, unless it is behind another of its card,
// and enqueues a parked one again behind the waiting messages of its card. It returns
// ErrNotFound for a message that is not in the outbox.
func (s *Service) Retry(ctx context.Context, id string) error {
	err := s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
		m, err := tx.Message(ctx, id)
		if err == nil {
			_, err = s.retryStored(ctx, tx, m)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("retry a message: %w", err)
	}
	s.Wake()
	return nil
}

// retryStored retries a message, unless it left the outbox, or was retried, after it
// was read.
func (s *Service) retryStored(ctx context.Context, tx Tx, m Stored) (bool, error) {
	if m.State == Waiting {
		return true, tx.MakeDue(ctx, m.ID)
	}
	if err := tx.Touch(ctx, m.CardID, m.Code); err != nil {
		return false, err
	}
	if parked, err := tx.Discard(ctx, m.ID); err != nil || !parked {
		return false, err
	}
	again := Message{ID: m.ID, CardID: m.CardID, Code: m.Code, Kind: m.Kind, Payload: m.Payload}
	if kind, ok := s.retryAs[m.Kind]; ok {
		again.Kind = kind
	}
	return true, tx.Enqueue(ctx, again)
}

// Finish removes a message in the transaction in which its handler records the
// outcome. It returns ErrLeaseLost if another replica has leased the message
// meanwhile; then the transaction must be undone.
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

// RecordContext returns a context for recording what was done at WeChat. It does
// not end with ctx; it ends after 4 s.
func RecordContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTime)
}
