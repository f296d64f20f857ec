package member

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The ledger of a card is append-only: what is wrong is put right by another
// entry. Its sum is the card's Bonus and Balance, at every moment.

var (
	// ErrCodeUnknown is returned for a code that the card does not have.
	ErrCodeUnknown = errors.New("member: no such code of this card")
	// ErrNotHeld is returned for a card that nobody holds: not taken yet, given
	// away, or made unavailable.
	ErrNotHeld = errors.New("member: nobody holds the card")
	// ErrNoChange is returned for an entry that would change nothing.
	ErrNoChange = errors.New("member: the entry changes nothing")
	// ErrInsufficientBonus and ErrInsufficientBalance refuse a total below zero.
	ErrInsufficientBonus   = errors.New("member: the bonus does not suffice")
	ErrInsufficientBalance = errors.New("member: the balance does not suffice")
	// ErrTooMuch refuses a total above MaxTotal.
	ErrTooMuch = errors.New("member: the total would be too large")
	// ErrEntryUnknown is returned when the entry to reverse is not in the
	// card's ledger.
	ErrEntryUnknown = errors.New("member: no such entry of this card")
	// ErrNotReversible refuses to reverse a reversal, or an entry twice.
	ErrNotReversible = errors.New("member: the entry is a reversal, or was reversed")
	// ErrKeyReused is returned for an idempotency key that came with another
	// payload before.
	ErrKeyReused = errors.New("member: the idempotency key came with another payload")
)

const (
	// MaxAdd bounds what one entry adds or takes away.
	MaxAdd = 1_000_000_000_000
	// MaxTotal is the largest total: every JSON reader knows it exactly.
	MaxTotal = 1<<53 - 1
	// MaxRecord is how many bytes WeChat takes as the text of a change.
	MaxRecord = 42
)

// Booking is an entry to be: points and fen (分) to add or, below zero, to take
// away, the texts that the holder reads about it, and whether WeChat notifies
// the holder. One that reverses another adds nothing itself.
type Booking struct {
	AddBonus, AddBalance       int64
	RecordBonus, RecordBalance string
	NotifyBonus, NotifyBalance bool
	Reverses                   string // the ID of another entry of the card
}

// Entry is one line of a card's ledger. Bonus and Balance are the totals after
// it; Seq counts from 1 without a gap.
type Entry struct {
	Booking
	ID             string
	Seq            int64
	Bonus, Balance int64
	CreatedAt      time.Time
	Reversed       bool // another entry reverses it
	Push           Push // in a list
}

// Push is how far WeChat was told of an entry.
type Push string

// An entry is held back until its card is active; then it waits for its turn
// and is sent, or is parked because WeChat refuses it. An entry that notifies
// nobody is sent with the next one.
const (
	PushHeld Push = "held"
	PushWait Push = "waiting"
	PushSent Push = "sent"
	PushDead Push = "dead"
)

// Request is the one request that an entry is for, so that it counts once
// however often it comes. Route is method and path; Payload is a hash of all
// that was asked. Answer makes what is said about the entry; it is kept, and
// said again when the request comes again.
type Request struct {
	ID         string // of the request in the log
	Route, Key string
	Payload    string
	Answer     func(Entry) ([]byte, error)
}

// Answer is what was said to a request, and what it had asked.
type Answer struct {
	Payload string
	Body    []byte
}

// AddEntry books an entry on a card that is held, or was held and may be
// restored, and returns what Answer made of it. A request that was answered
// before gets that answer, and replayed is true; one that comes while its twin
// is under way waits for it. What was refused is not remembered. WeChat is told
// by the Sender when the card is active.
func (s *Service) AddEntry(ctx context.Context, cardID, code string, b Booking, r Request) (answer []byte, replayed bool, err error) {
	var refused error
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		if answer, replayed, refused = answered(ctx, tx, r); replayed || refused != nil {
			return refused
		}
		if answer, refused = s.bookFor(ctx, tx, cardID, code, b, r); !twinMayHave(refused) {
			return refused
		}
		// While this one waited for the row, its twin may have got there first
		// and spent what is not there now.
		if before, found, err := answered(ctx, tx, r); found || err != nil {
			answer, replayed, refused = before, found, err
		}
		return refused
	})
	if err != nil && refused == nil { // a commit whose outcome is unknown may have happened
		if before, found, unread := answered(context.WithoutCancel(ctx), s.store, r); found && unread == nil {
			return before, true, nil
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("book on card %s: %w", cardID, err)
	}
	s.wake()
	return answer, replayed, nil
}

// twinMayHave tells whether a request may be refused for what its own twin did.
// Any other error may have ended the transaction.
func twinMayHave(refused error) bool {
	for _, err := range []error{ErrInsufficientBonus, ErrInsufficientBalance, ErrTooMuch, ErrNotReversible} {
		if errors.Is(refused, err) {
			return true
		}
	}
	return false
}

// answered looks a request up.
func answered(ctx context.Context, rows Reader, r Request) (body []byte, found bool, err error) {
	before, err := rows.Answer(ctx, r.Route, r.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case before.Payload != r.Payload:
		return nil, false, ErrKeyReused
	}
	return before.Body, true, nil
}

// bookFor books what a request asks for.
func (s *Service) bookFor(ctx context.Context, tx Tx, cardID, code string, b Booking, r Request) (answer []byte, err error) {
	if b.Reverses != "" {
		if b, err = reversal(ctx, tx, cardID, code, b); err != nil {
			return nil, err
		}
	}
	p, err := post(ctx, tx, cardID, code, b)
	if err != nil {
		return nil, err
	}
	if answer, err = r.Answer(p.Entry); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if err := enter(ctx, tx, p, r, answer); err != nil {
		return nil, err
	}
	if p.Told {
		return answer, tx.Enqueue(ctx, entryMessage(cardID, code, p.ID))
	}
	return answer, tell(ctx, tx, Card{CardID: cardID, Code: code, Status: p.Status})
}

// reversal is b with the opposite of what the entry added that it reverses.
func reversal(ctx context.Context, tx Tx, cardID, code string, b Booking) (Booking, error) {
	e, err := tx.Entry(ctx, cardID, code, b.Reverses)
	switch {
	case errors.Is(err, ErrNotFound):
		if _, err = cardThere(ctx, tx, cardID, code); err == nil {
			err = ErrEntryUnknown
		}
	case err == nil && (e.Reversed || e.Reverses != ""):
		err = ErrNotReversible
	}
	b.AddBonus, b.AddBalance = -e.AddBonus, -e.AddBalance
	return b, err
}

// Posting is an entry whose totals the card has already, in the ledger of that
// name. Told says that WeChat is being told of all before it, and of this one as
// soon as it is enqueued.
type Posting struct {
	Entry
	CardID, Code, Ledger string
	Status               Status
	Told                 bool
}

// What Post asks of a card's status.
const (
	ifHeld    = true
	anyStatus = false
)

// post moves the card's totals, or says why not.
func post(ctx context.Context, tx Tx, cardID, code string, b Booking) (Posting, error) {
	switch {
	case b.AddBonus == 0 && b.AddBalance == 0:
		return Posting{}, ErrNoChange
	case max(b.AddBonus, -b.AddBonus, b.AddBalance, -b.AddBalance) > MaxAdd:
		return Posting{}, ErrTooMuch
	}
	p, err := tx.Post(ctx, cardID, code, b, ifHeld)
	if errors.Is(err, ErrNotFound) {
		err = whyNot(ctx, tx, cardID, code, b)
	}
	return p, err
}

// whyNot says why a card does not take an entry.
func whyNot(ctx context.Context, tx Tx, cardID, code string, b Booking) error {
	c, err := cardThere(ctx, tx, cardID, code)
	switch {
	case err != nil:
		return err
	case c.Status == Issued || c.over():
		return ErrNotHeld
	case c.Bonus+b.AddBonus < 0:
		return ErrInsufficientBonus
	case c.Balance+b.AddBalance < 0:
		return ErrInsufficientBalance
	case max(c.Bonus+b.AddBonus, c.Balance+b.AddBalance) > MaxTotal:
		return ErrTooMuch
	}
	return ErrRaced // it would, now
}

// cardThere returns the card, or ErrCodeUnknown.
func cardThere(ctx context.Context, r Reader, cardID, code string) (Card, error) {
	c, err := r.Card(ctx, cardID, code)
	if errors.Is(err, ErrNotFound) {
		err = ErrCodeUnknown
	}
	return c, err
}

// enter writes the entry that post has moved the totals for.
func enter(ctx context.Context, tx Tx, p Posting, r Request, answer []byte) error {
	added, err := tx.AddEntry(ctx, p, r, answer)
	if err == nil && !added { // the key, or the entry to reverse, was taken meanwhile
		err = ErrRaced
	}
	return err
}

// add books what no request asked for. WeChat is told of it, unless the card
// shows it already.
func add(ctx context.Context, tx Tx, c Card, b Booking, route string, shown bool) error {
	p, err := tx.Post(ctx, c.CardID, c.Code, b, anyStatus)
	if err != nil {
		return err
	}
	if err := enter(ctx, tx, p, Request{Route: route}, nil); err != nil || !p.Told || shown {
		return err
	}
	return tx.Enqueue(ctx, entryMessage(p.CardID, p.Code, p.ID))
}

// Entries lists the ledger of a card, newest first: up to n entries with a Seq
// below before, or the newest for 0. It returns ErrCodeUnknown for a code that
// the card does not have.
func (s *Service) Entries(ctx context.Context, cardID, code string, before int64, n int) ([]Entry, error) {
	entries, err := s.store.Entries(ctx, cardID, code, before, n)
	if err == nil && len(entries) == 0 {
		_, err = cardThere(ctx, s.store, cardID, code)
	}
	return entries, err
}

// Imbalance is a card whose totals are not the sum of its ledger.
type Imbalance struct {
	CardID, Code   string
	Bonus, Balance int64 // of the card
	SumBonus       int64 // of its ledger
	SumBalance     int64
	Seq, Entries   int64
}

// Unbalanced lists up to n cards whose Bonus, Balance or number of entries is
// not what their ledger adds up to. It reads the whole ledger. Any such card is
// a mistake in addcard, or somebody's hand in the database.
func (s *Service) Unbalanced(ctx context.Context, n int) ([]Imbalance, error) {
	return s.store.Unbalanced(ctx, n)
}
