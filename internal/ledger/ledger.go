// Package ledger keeps the points and the stored value of every member card: one
// append-only list of entries for each card, and the totals that are their sum.
// It does not know who holds a card, and it calls nobody: what WeChat has to show
// is enqueued in the outbox by the transaction that writes the entry.
//
// Points are counted in whole points, stored value in fen (分).
//
// An entry is never changed or deleted; a mistake is reversed by another entry.
// A request is identified by its route and idempotency key, so it counts once
// however often it is sent.
//
// WeChat is sent the entries of active cards only. A card's row keeps up to which
// entry WeChat was sent them, and which other updates of the face are pending;
// see [PendingUpdates] and [EnqueuePending].
package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

var (
	// ErrNotFound is returned when no row answers the question.
	ErrNotFound = errors.New("ledger: not found")
	// ErrCodeUnknown is returned for a code that the card does not have.
	ErrCodeUnknown = errors.New("ledger: the card has no such code")
	// ErrNotHeld is returned for a code that is not in a wallet and was not
	// deleted from one: only issued, given away, or made unavailable.
	ErrNotHeld = errors.New("ledger: the code is not held by a member")
	// ErrNoChange is returned for an entry that would change nothing.
	ErrNoChange = errors.New("ledger: the entry changes nothing")
	// ErrInsufficientBonus and ErrInsufficientBalance refuse a total below zero.
	ErrInsufficientBonus   = errors.New("ledger: insufficient bonus")
	ErrInsufficientBalance = errors.New("ledger: insufficient balance")
	// ErrTooMuch refuses an amount above MaxAdd and a total above MaxTotal.
	ErrTooMuch = errors.New("ledger: the amount or the total is too large")
	// ErrEntryUnknown is returned when the entry to reverse is not in the card's
	// ledger.
	ErrEntryUnknown = errors.New("ledger: the card has no such entry")
	// ErrNotReversible refuses to reverse a reversal, or an entry twice.
	ErrNotReversible = errors.New("ledger: the entry is a reversal or was reversed")
	// ErrKeyReused is returned for an idempotency key that came with another
	// payload before.
	ErrKeyReused = errors.New("ledger: idempotency key used with another payload")
	// ErrConflict is returned when other transactions changed the same rows, again
	// and again. Nothing was written, and the same call may succeed later.
	ErrConflict = errors.New("ledger: changed by another transaction")
)

// Account is the ledger side of one member card.
type Account struct {
	CardID, Code   string
	Bonus, Balance int64
	Seq            int64 // of the last entry; 0: there is none
	Held           bool  // in a wallet, or deleted from one and restorable
	Active         bool
}

// Reader reads the ledger. Inside Store.Write it sees the transaction, elsewhere
// what was last committed.
type Reader interface {
	// Account returns the account of a code, or ErrNotFound.
	Account(ctx context.Context, cardID, code string) (Account, error)
	// Answer returns what a request was answered, or ErrNotFound.
	Answer(ctx context.Context, route, key string) (Answer, error)
	// Entry returns an entry of the card's ledger, or ErrNotFound.
	Entry(ctx context.Context, cardID, code, id string) (Entry, error)
	// FirstFrom returns the first entry of the card's ledger that came from that
	// route and was not reversed, or ErrNotFound.
	FirstFrom(ctx context.Context, cardID, code, route string) (Entry, error)
	// Entries lists up to n entries of the card's ledger, newest first, with a
	// Seq below before unless that is 0.
	Entries(ctx context.Context, cardID, code string, before int64, n int) ([]Entry, error)
	// NextQueued returns the entry of the first message about an entry that waits
	// behind m in its card's queue, or ErrNotFound.
	NextQueued(ctx context.Context, m outbox.Message) (Entry, error)
}

// Tx changes the ledger and the outbox within one transaction.
type Tx interface {
	Reader
	outbox.Tx
	// Post moves the totals of a card and numbers the entry that says so. The
	// same transaction must add the entry, and enqueue it if MustEnqueue. It
	// returns ErrNotFound, and changes nothing, when a total would be below zero
	// or above MaxTotal, or when ifHeld is set and the card is not held.
	Post(ctx context.Context, cardID, code string, b Booking, ifHeld bool) (Posting, error)
	// AddEntry adds what Post returned. It reports false, and adds nothing, when
	// the idempotency key, or the entry to reverse, is taken.
	AddEntry(ctx context.Context, p Posting, r Request, answer []byte) (bool, error)
	// MoveLedger exchanges the ledgers and totals of a code that is given away
	// and of the recipient's code, whose ledger is empty. All entries of both
	// count as sent.
	MoveLedger(ctx context.Context, cardID, giver, recipient string) error
	// DrainPending returns what WeChat was not sent about a card, its entries in
	// order, and marks it as sent.
	DrainPending(ctx context.Context, cardID, code string) (entryIDs []string, updates PendingUpdates, err error)
	// MarkUnsent marks the entries of a card from seq on as not sent.
	MarkUnsent(ctx context.Context, cardID, code string, seq int64) error
	// AddPending adds to the pending updates of a card.
	AddPending(ctx context.Context, cardID, code string, updates PendingUpdates) error
}

// Store keeps the ledger. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on variables
	// that it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Unbalanced lists up to n cards whose totals are not the sum of their
	// entries.
	Unbalanced(ctx context.Context, n int) ([]Imbalance, error)
}

// Service keeps the ledgers. It is safe for concurrent use.
type Service struct {
	store Store
	wake  func()
}

// New returns a Service on store. It calls wake after it has enqueued messages.
func New(store Store, wake func()) *Service { return &Service{store, wake} }

// Entries lists the ledger of a card, newest first: up to n entries with a Seq
// below before, or the newest for 0. It returns ErrCodeUnknown for a code that
// the card does not have.
func (s *Service) Entries(ctx context.Context, cardID, code string, before int64, n int) ([]Entry, error) {
	entries, err := s.store.Entries(ctx, cardID, code, before, n)
	if err == nil && len(entries) == 0 {
		_, err = account(ctx, s.store, cardID, code)
	}
	return entries, err
}

// account returns the account, or ErrCodeUnknown.
func account(ctx context.Context, r Reader, cardID, code string) (Account, error) {
	a, err := r.Account(ctx, cardID, code)
	if errors.Is(err, ErrNotFound) {
		err = ErrCodeUnknown
	}
	return a, err
}

// Imbalance is a card whose totals are not the sum of its entries.
type Imbalance struct {
	CardID, Code   string
	Bonus, Balance int64 // of the card
	SumBonus       int64 // of its entries
	SumBalance     int64
	Seq, Entries   int64
}

// Unbalanced lists up to n cards whose Bonus, Balance or number of entries is not
// what their ledger adds up to. It reads the whole ledger. Such a card shows a
// mistake in addcard, or a change of the database by hand.
func (s *Service) Unbalanced(ctx context.Context, n int) ([]Imbalance, error) {
	return s.store.Unbalanced(ctx, n)
}

// RetryConflicts calls write again while it returns ErrConflict, up to five times.
func RetryConflicts(write func() error) (err error) {
	for range 5 {
		if err = write(); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}

// Sent is how far WeChat was sent an entry.
type Sent string

// An entry is held back until its card is active. Then it waits for its turn and
// is sent, or is parked because WeChat refuses it. An entry that notifies the
// holder of nothing is sent with the next one.
const (
	SentHeld    Sent = "held"
	SentWaiting Sent = "waiting"
	SentDone    Sent = "sent"
	SentParked  Sent = "dead"
)

// Entry is one line of a card's ledger. Bonus and Balance are the totals after
// it; Seq counts from 1 without a gap.
type Entry struct {
	Booking
	ID             string
	Seq            int64
	Bonus, Balance int64
	CreatedAt      time.Time
	Reversed       bool // another entry reverses it
	Sent           Sent // in a list
}

// Notifies reports whether WeChat notifies the holder of the entry.
func (e Entry) Notifies() bool {
	return e.AddBonus != 0 && e.NotifyBonus || e.AddBalance != 0 && e.NotifyBalance
}
