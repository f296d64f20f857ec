package ledger

import (
	"context"
	"errors"
	"fmt"
)

const (
	// MaxAdd is the most that one entry may add or take away.
	MaxAdd = 1_000_000_000_000
	// MaxTotal is the largest total: every JSON reader represents it exactly.
	MaxTotal = 1<<53 - 1
	// MaxRecord is how many bytes WeChat takes as the text of a change.
	MaxRecord = 42
	// MaxLabel is the most bytes of the name of an actor, a store or an order.
	MaxLabel = 64
)

// Booking is the content of an entry: the points and fen (分) to add, negative to
// take away; the texts that the holder reads about them; and whether WeChat
// notifies the holder. If Reverses is set, AddEntry takes the amounts from that
// entry.
//
// Its JSON form is hashed to recognize repeated requests, so a field that is added
// must be omitted there while it is zero.
type Booking struct {
	AddBonus, AddBalance       int64
	RecordBonus, RecordBalance string
	NotifyBonus, NotifyBalance bool
	Reverses                   string // the ID of another entry of the card
	// Partial has a reversal take back what is left, if that is less than the entry
	// added.
	Partial bool `json:",omitempty"`
	// Store and Order are the shop's names of the place and the purchase that the
	// entry is about. Only the operator sees them.
	Store, Order string `json:",omitempty"`
	// OncePerOrder refuses the entry if the card has one of the same order that was not
	// reversed.
	OncePerOrder bool `json:",omitempty"`
}

// Request is the request that an entry is for. Route is method and path; Payload
// is a hash of the request's body. Answer encodes the answer, which is stored and
// returned again when the request is repeated.
type Request struct {
	ID         string // of the request in the log
	Route, Key string
	Payload    string
	Answer     func(Entry) ([]byte, error)
	Actor      string  // who books the entry; only the operator sees it
	Limits     *Limits // of the actor; nil for none
	NoBalance  bool    // the card shows no balance, so none can be added
}

// Answer is the stored answer to a request, and the hash of the request's body.
type Answer struct {
	Payload string
	Body    []byte
}

// Posting is an entry that Post has numbered, but that is not in the ledger yet.
// Ledger is the name of that ledger. MustEnqueue reports that Post has marked the
// entry as sent, so it must be enqueued.
type Posting struct {
	Entry
	CardID, Code, Ledger string
	Sendable             bool // the card is active and its face is known
	MustEnqueue          bool
}

// AddEntry adds an entry to the ledger of a card that is held, and returns the
// answer that r.Answer makes of it. For a request that was answered before, it
// returns the stored answer and sets replayed. If a copy of the request is in
// progress, it waits for that. A refused request is not stored. The entry is sent
// to WeChat once the card is active.
//
// It returns ErrCodeUnknown, ErrNotHeld, ErrNoChange, ErrInsufficientBonus,
// ErrInsufficientBalance, ErrNoBalance, ErrTooMuch, ErrEntryUnknown, ErrNotReversible,
// ErrOrderBooked, ErrOverEntryLimit, ErrOverDayLimit, ErrNotYours, ErrKeyReused or
// ErrConflict, wrapped, when nothing was written.
func (s *Service) AddEntry(ctx context.Context, cardID, code string, b Booking, r Request) (answer []byte, replayed bool, err error) {
	if err := s.release(ctx, cardID, code); err != nil {
		if before, found, unread := answered(ctx, s.store, r); found && unread == nil {
			return before, true, nil
		}
		return nil, false, fmt.Errorf("add an entry to card %s: %w", cardID, err)
	}
	began := false
	var refused error
	err = RetryConflicts(func() error {
		return s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
			began = true
			answer, replayed, refused = addOnce(ctx, tx, cardID, code, b, r)
			return refused
		})
	})
	if err != nil && refused == nil && began { // the commit's outcome is unknown: it may have happened
		if before, found, unread := answered(ctx, s.store, r); found && unread == nil {
			return before, true, nil
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("add an entry to card %s: %w", cardID, err)
	}
	s.wake()
	return answer, replayed, nil
}

func addOnce(ctx context.Context, tx Tx, cardID, code string, b Booking, r Request) (answer []byte, replayed bool, err error) {
	if answer, replayed, err = answered(ctx, tx, r); replayed || err != nil {
		return answer, replayed, err
	}
	answer, refused := addFor(ctx, tx, cardID, code, b, r)
	if !mayBeOwnDoing(refused) {
		return answer, false, refused
	}
	// While this one waited for the row, another copy of the request may have
	// been answered and have spent what is missing now.
	if before, found, err := answered(ctx, tx, r); found || err != nil {
		return before, found, err
	}
	return nil, false, refused
}

// mayBeOwnDoing reports whether another copy of the same request may be the reason
// for the refusal. Any other error may have ended the transaction.
func mayBeOwnDoing(refused error) bool {
	for _, err := range []error{ErrInsufficientBonus, ErrInsufficientBalance, ErrTooMuch, ErrNotReversible, ErrOverDayLimit, ErrOrderBooked} {
		if errors.Is(refused, err) {
			return true
		}
	}
	return false
}

// answered returns the stored answer to a request.
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

// addFor writes the entry that a request asks for.
func addFor(ctx context.Context, tx Tx, cardID, code string, b Booking, r Request) (answer []byte, err error) {
	if r.NoBalance && b.AddBalance > 0 {
		return nil, ErrNoBalance
	}
	var reversed *Entry
	if b.Reverses != "" {
		if reversed, err = reversible(ctx, tx, cardID, code, b.Reverses); err != nil {
			return nil, err
		}
		b.AddBonus, b.AddBalance = -reversed.AddBonus, -reversed.AddBalance
	}
	if err := orderIsNew(ctx, tx, cardID, code, b); err != nil { // before a limit that it has used up
		return nil, err
	}
	if err := r.Limits.check(ctx, tx, r.Actor, b, reversed); err != nil {
		return nil, err
	}
	if err := orderStaysNew(ctx, tx, cardID, code, b); err != nil {
		return nil, err
	}
	asked := b
	if b.Partial {
		if b, err = clamp(ctx, tx, cardID, code, b); err != nil {
			return nil, err
		}
	}
	p, err := post(ctx, tx, cardID, code, b)
	if err != nil {
		return nil, err
	}
	p.Actor = r.Actor
	p.MissingBonus, p.MissingBalance = abs(b.AddBonus-asked.AddBonus), abs(b.AddBalance-asked.AddBalance)
	if answer, err = r.Answer(p.Entry); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	if err := insert(ctx, tx, p, r, answer); err != nil {
		return nil, err
	}
	switch {
	case p.MustEnqueue:
		err = tx.Enqueue(ctx, message(cardID, code, p.ID))
	case p.Sendable:
		err = EnqueuePending(ctx, tx, cardID, code)
	}
	return answer, err
}

// post moves the card's totals, or returns why it cannot.
func post(ctx context.Context, tx Tx, cardID, code string, b Booking) (Posting, error) {
	switch {
	case b.AddBonus == 0 && b.AddBalance == 0:
		return Posting{}, ErrNoChange
	case max(b.AddBonus, -b.AddBonus, b.AddBalance, -b.AddBalance) > MaxAdd:
		return Posting{}, ErrTooMuch
	}
	p, err := tx.Post(ctx, cardID, code, b, true)
	if errors.Is(err, ErrNotFound) {
		err = refusal(ctx, tx, cardID, code, b)
	}
	return p, err
}

// refusal returns why a card does not take an entry.
func refusal(ctx context.Context, tx Tx, cardID, code string, b Booking) error {
	a, err := account(ctx, tx, cardID, code)
	switch {
	case err != nil:
		return err
	case !a.Held:
		return ErrNotHeld
	case a.Bonus+b.AddBonus < 0:
		return ErrInsufficientBonus
	case a.Balance+b.AddBalance < 0:
		return ErrInsufficientBalance
	case max(a.Bonus+b.AddBonus, a.Balance+b.AddBalance) > MaxTotal:
		return ErrTooMuch
	}
	return ErrConflict // the card would take it now
}

// orderIsNew returns ErrOrderBooked if b must be the only entry of its order and the
// card has another.
func orderIsNew(ctx context.Context, tx Tx, cardID, code string, b Booking) error {
	if !b.OncePerOrder {
		return nil
	}
	switch _, err := tx.OfOrder(ctx, cardID, code, b.Order); {
	case err == nil:
		return ErrOrderBooked
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return nil
}

// orderStaysNew is orderIsNew until the transaction ends: it locks the card.
func orderStaysNew(ctx context.Context, tx Tx, cardID, code string, b Booking) error {
	if !b.OncePerOrder {
		return nil
	}
	if err := tx.LockCard(ctx, cardID, code); err != nil {
		return err
	}
	return orderIsNew(ctx, tx, cardID, code, b)
}

// insert adds the entry that Post has moved the totals for.
func insert(ctx context.Context, tx Tx, p Posting, r Request, answer []byte) error {
	added, err := tx.AddEntry(ctx, p, r, answer)
	if err == nil && !added {
		err = ErrConflict
	}
	return err
}

// RouteFace is the route of an opening entry: of what the face of a card showed when
// it was first read. Such an entry is never sent. RouteImport is the route of the
// opening entry of an imported account, and of the entries that move it to a card.
// RouteRecovery is the route of an entry that makes the ledger of a restored database
// equal to the face of its card.
const (
	RouteFace     = "face"
	RouteImport   = "import"
	RouteRecovery = "recovery"
)

// Add adds an entry that no request asked for; route says where it comes from. The
// card need not be held. Set shown if the face shows the entry already; then it is
// not sent to WeChat.
func Add(ctx context.Context, tx Tx, cardID, code string, b Booking, route string, shown bool) error {
	p, err := tx.Post(ctx, cardID, code, b, false)
	if err != nil {
		return err
	}
	if err := insert(ctx, tx, p, Request{Route: route}, nil); err != nil || !p.MustEnqueue || shown {
		return err
	}
	return tx.Enqueue(ctx, message(p.CardID, p.Code, p.ID))
}
