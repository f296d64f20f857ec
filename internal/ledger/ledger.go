// Package ledger keeps the points and the stored value of every member card: one
// append-only list of entries for each card, and the totals that are their sum. It
// does not deal with the people who hold the cards, and it does not call WeChat:
// the transaction that writes an entry enqueues what WeChat has to show in the
// outbox.
//
// Points are counted in whole points, stored value in fen (分).
//
// An entry is never changed or deleted; a mistake is reversed by another entry. A
// request is identified by its route and idempotency key, so however often it is
// sent, it adds one entry.
//
// Entries are sent to WeChat only while their card is active, and not before its face
// was read, because a push sets totals. The card's row has
// the number of the last entry that was enqueued, and says which other updates of
// the face are pending; see [PendingUpdates] and [EnqueuePending].
package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

var (
	// ErrNotFound is returned when there is no such row.
	ErrNotFound = errors.New("ledger: not found")
	// ErrCodeUnknown is returned for a code that the card does not have.
	ErrCodeUnknown = errors.New("ledger: the card has no such code")
	// ErrNotHeld is returned for a code that is not in a wallet and cannot be
	// restored to one: it was only issued, was given away, or is unavailable.
	ErrNotHeld = errors.New("ledger: the code is not held by a member")
	// ErrNoChange is returned for an entry that would change nothing.
	ErrNoChange = errors.New("ledger: the entry changes nothing")
	// ErrInsufficientBonus and ErrInsufficientBalance are returned for an entry
	// after which a total would be below zero.
	ErrInsufficientBonus   = errors.New("ledger: insufficient bonus")
	ErrInsufficientBalance = errors.New("ledger: insufficient balance")
	// ErrNoBalance is returned for an entry that adds to the balance of a card that
	// shows none.
	ErrNoBalance = errors.New("ledger: the card shows no balance")
	// ErrTooMuch is returned for an amount above MaxAdd or a total above MaxTotal.
	ErrTooMuch = errors.New("ledger: the amount or the total is too large")
	// ErrEntryUnknown is returned when the entry to reverse is not in the card's
	// ledger.
	ErrEntryUnknown = errors.New("ledger: the card has no such entry")
	// ErrNotReversible is returned for the reversal of a reversal, and for the
	// second reversal of an entry.
	ErrNotReversible = errors.New("ledger: the entry is a reversal or was reversed")
	// ErrOrderBooked is returned for an entry that must be the only one of its order, if
	// the card has another that was not reversed.
	ErrOrderBooked = errors.New("ledger: the order was booked")
	// ErrKeyReused is returned for an idempotency key that was used with another
	// payload before.
	ErrKeyReused = errors.New("ledger: idempotency key used with another payload")
	// ErrConflict is returned when other transactions have changed the same rows
	// during every attempt. Nothing was written, and the same call may succeed
	// later.
	ErrConflict = errors.New("ledger: changed by another transaction")
)

// Account is the ledger side of one member card.
type Account struct {
	CardID, Code   string
	Bonus, Balance int64
	Seq            int64 // of the last entry; 0: there is none
	Held           bool  // in a wallet, or deleted from one and restorable
	Sent           bool  // an entry has been enqueued for WeChat
}

// Reader reads the ledger. In Store.Write it reads within the transaction;
// elsewhere it reads what was committed.
type Reader interface {
	// Account returns the account of a code, or ErrNotFound.
	Account(ctx context.Context, cardID, code string) (Account, error)
	// Answer returns the stored answer to a request, or ErrNotFound.
	Answer(ctx context.Context, route, key string) (Answer, error)
	// Entry returns an entry of the card's ledger, or ErrNotFound.
	Entry(ctx context.Context, cardID, code, id string) (Entry, error)
	// FirstFrom returns the first entry of the card's ledger that came from that
	// route and was not reversed, or ErrNotFound.
	FirstFrom(ctx context.Context, cardID, code, route string) (Entry, error)
	// OfOrder returns an entry of the card's ledger that is about the order, was not
	// reversed and is no reversal itself, or ErrNotFound.
	OfOrder(ctx context.Context, cardID, code, order string) (Entry, error)
	// Entries lists up to n entries of the card's ledger, newest first. Unless
	// before is 0, it lists only those with a smaller Seq.
	Entries(ctx context.Context, cardID, code string, before int64, n int) ([]Entry, error)
	// NextQueued returns the entry that the next message of kind KindEntry behind
	// m in the card's queue is about, or ErrNotFound.
	NextQueued(ctx context.Context, m outbox.Message) (Entry, error)
	// TotalsAt returns the totals that the face has to show after m: those of the
	// card without the entries of the messages of kind KindEntry behind m.
	TotalsAt(ctx context.Context, m outbox.Message) (bonus, balance int64, err error)
}

// Tx changes the ledger and the outbox within one transaction.
type Tx interface {
	Reader
	outbox.Tx
	// Post changes the totals of a card by b and returns the entry to add, with
	// its number. The same transaction must add the entry, and enqueue it if
	// MustEnqueue is set. Post returns ErrNotFound, and changes nothing, if there
	// is no such card, if a total would be below zero or above MaxTotal, or if
	// ifHeld is set and the card is not held.
	Post(ctx context.Context, cardID, code string, b Booking, ifHeld bool) (Posting, error)
	// LockDay returns what an actor has given and taken since a moment. It makes other
	// transactions that call it for the actor wait until this one ends.
	LockDay(ctx context.Context, actor string, since time.Time) (Day, error)
	// AddEntry adds the entry that Post returned. It reports false, and adds
	// nothing, if the idempotency key was used, or the entry to reverse was
	// reversed, before.
	AddEntry(ctx context.Context, p Posting, r Request, answer []byte) (bool, error)
	// MoveLedger exchanges the ledgers and totals of the giver's code and the
	// recipient's. The recipient's ledger must be empty. All entries of both are
	// marked as sent.
	MoveLedger(ctx context.Context, cardID, giver, recipient string) error
	// DrainPending returns the pending updates of a card, with the IDs of its
	// unsent entries in order, and marks all of them as sent.
	DrainPending(ctx context.Context, cardID, code string) (entryIDs []string, updates PendingUpdates, err error)
	// MarkUnsent marks the entries of a card from seq on as not sent.
	MarkUnsent(ctx context.Context, cardID, code string, seq int64) error
	// AddPending adds to the pending updates of a card.
	AddPending(ctx context.Context, cardID, code string, updates PendingUpdates) error
}

// Store keeps the ledger. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// AllEntries lists up to n entries of all cards, newest first. Unless before is
	// zero, it lists only those behind it.
	AllEntries(ctx context.Context, f Filter, before Mark, n int) ([]CardEntry, error)
	// Unbalanced lists up to n cards with totals that are not the sum of their
	// entries.
	Unbalanced(ctx context.Context, n int) ([]Imbalance, error)
}

// Service keeps the ledgers. It is safe for concurrent use.
type Service struct {
	store   Store
	wake    func()
	release func(ctx context.Context, cardID, code string) error
}

// New returns a Service on store. It calls wake after it has enqueued messages.
func New(store Store, wake func()) *Service {
	return &Service{store, wake, func(context.Context, string, string) error { return nil }}
}

// ReleaseWith has AddEntry return the error of release, without adding anything, unless
// it is nil. It must be called before the Service is used.
func (s *Service) ReleaseWith(release func(ctx context.Context, cardID, code string) error) {
	s.release = release
}

// Entries lists up to n entries of a card's ledger, newest first. Unless before is
// 0, it lists only those with a smaller Seq. It returns ErrCodeUnknown for a code
// that the card does not have.
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

// Imbalance is a card with totals that are not the sum of its entries.
type Imbalance struct {
	CardID, Code   string
	Bonus, Balance int64 // of the card
	SumBonus       int64 // of its entries
	SumBalance     int64
	Seq, Entries   int64
}

// Unbalanced lists up to n cards with totals or a number of entries that differ from
// those of their ledger. It reads the whole ledger. There is such a card only after
// a mistake of addcard or a manual change of the database.
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

// Sent says how far an entry is on its way to WeChat.
type Sent string

// An entry is held back until its card is active. Then it waits in the outbox until
// it is sent, or parked because WeChat refuses it. An entry without a notification
// may be sent as part of the next one.
const (
	SentHeld    Sent = "held"
	SentWaiting Sent = "waiting"
	SentDone    Sent = "sent"
	SentParked  Sent = "dead"
)

// Undo is what a list says about an entry that is reversed, or that reverses another.
type Undo struct {
	BackBonus, BackBalance int64     // what the reversal of the entry adds
	Order                  string    // of the entry that this one reverses
	BookedAt               time.Time // when that was booked
}

// Entry is one line of a card's ledger. Bonus and Balance are the totals after
// it; Seq counts from 1 without a gap.
type Entry struct {
	Booking
	ID             string
	Seq            int64
	Bonus, Balance int64
	CreatedAt      time.Time
	Actor          string // who booked it; empty for an entry that no request asked for
	Reversed       bool   // another entry reverses it
	Sent           Sent   // set only in lists
	Undo           Undo   // set only in lists
	// MissingBonus and MissingBalance are what a partial reversal could not take back.
	// They are set only for Request.Answer.
	MissingBonus, MissingBalance int64
}

// Notifies reports whether WeChat notifies the holder when the entry is pushed.
func (e Entry) Notifies() bool {
	return e.AddBonus != 0 && e.NotifyBonus || e.AddBalance != 0 && e.NotifyBalance
}
