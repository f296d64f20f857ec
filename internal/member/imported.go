package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// Imported is the account that a person had of a card in the shop's former system. It
// has a ledger of its own, with one opening entry, and waits for two things: a proof
// that its person is a member, after which it is bound to that member, and a card of
// that member, which it joins. A proof is a phone number, a unionid, an openid, or a
// code in the wallet. An account is bound once, to the member who proves it first.
//
// What is imported is what the card begins with. It takes the place of the initial
// grant, and of what the face showed when addcard first read it.
type Imported struct {
	ID       string // also the name of its ledger
	ImportID string // the import that added it, or ""
	CardID   string

	Code, UnionID, OpenID string // of either app
	Phone                 string // keyed hash

	MembershipNumber string
	Fields           [3]string
	Bonus, Balance   int64  // what it began with
	Sealed           string // what only the operator sees, encrypted

	MemberID   string // whom it is bound to, or ""
	JoinedCode string // the code of the card that it has joined, or ""
	CreatedAt  time.Time
	BoundAt    time.Time
	JoinedAt   time.Time
}

// Marks are what imported accounts are found by. Empty ones find none.
type Marks struct {
	Phones          []string // the keyed hashes that one number may be stored as
	UnionID, OpenID string
	CardID, Code    string
}

// ImportedReader reads imported accounts.
type ImportedReader interface {
	// ImportedBy lists the accounts that have one of the marks, by card.
	ImportedBy(ctx context.Context, m Marks) ([]Imported, error)
	// BoundTo lists the accounts that are bound to a member and have not joined a
	// card, by card.
	BoundTo(ctx context.Context, memberID string) ([]Imported, error)
	// AllBoundTo lists the accounts that are bound to a member, oldest first.
	AllBoundTo(ctx context.Context, memberID string) ([]Imported, error)
	// Waiting lists up to n accounts that are bound to no member and have this key, as
	// in Store.Find, oldest first.
	Waiting(ctx context.Context, key string, phones []string, n int) ([]Imported, error)
	// HasJoined reports whether an account has joined the card.
	HasJoined(ctx context.Context, cardID, code string) (bool, error)
}

// ImportedTx changes imported accounts.
type ImportedTx interface {
	// AddImported adds an account, and its opening entry unless its figures are zero.
	// It reports false, and adds nothing, if an account of the card has one of its
	// marks.
	AddImported(ctx context.Context, a Imported) (bool, error)
	// BindImported binds an account to a member. It reports false, and changes
	// nothing, if the account is bound.
	BindImported(ctx context.Context, id, memberID string) (bool, error)
	// JoinImported records that a bound account has joined the card with this code.
	// If take is set, the card gets the ledger of the account; its own must be empty.
	// Else an entry takes all from the account's ledger.
	JoinImported(ctx context.Context, a Imported, code string, take bool) error
	// EraseImported does what Service.EraseImported says; anonymousID is the ID of a
	// new member. It returns ErrNotFound, and changes nothing, if no such account waits.
	EraseImported(ctx context.Context, id, anonymousID string) error
}

// bind binds the accounts with these marks to the member who has proved them. An
// account that is bound to another member stays with that one.
func bind(ctx context.Context, tx Tx, memberID string, m Marks) error {
	accounts, err := tx.ImportedBy(ctx, m)
	for _, a := range accounts {
		if err == nil && a.MemberID == "" {
			_, err = tx.BindImported(ctx, a.ID, memberID)
		}
	}
	return err
}

// prove binds accounts to the member who has proved them, and joins those of a card
// that the member has.
func prove(ctx context.Context, tx Tx, memberID string, m Marks) error {
	if err := bind(ctx, tx, memberID, m); err != nil {
		return err
	}
	return joinBound(ctx, tx, memberID)
}

// joinTaken joins accounts with a card that was taken: the one that has its code, and
// those of its holder that waited for a card.
func joinTaken(ctx context.Context, tx Tx, c Card) error {
	if c.Ended() {
		return nil
	}
	if err := joinCode(ctx, tx, c); err != nil {
		return err
	}
	return joinBound(ctx, tx, c.MemberID)
}

// joinCode joins the account that has the code of a card, which is in a wallet or was
// given away, with that card.
func joinCode(ctx context.Context, tx Tx, c Card) error {
	mark := Marks{CardID: c.CardID, Code: c.Code}
	if err := bind(ctx, tx, c.MemberID, mark); err != nil {
		return err
	}
	accounts, err := tx.ImportedBy(ctx, mark)
	for _, a := range accounts {
		if err == nil && a.MemberID == c.MemberID && a.JoinedCode == "" {
			err = joinCard(ctx, tx, a, c.Code)
		}
	}
	return err
}

// joinBound joins the accounts that are bound to the member with their cards.
func joinBound(ctx context.Context, tx Tx, memberID string) error {
	accounts, err := tx.BoundTo(ctx, memberID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		current, err := tx.CurrentCode(ctx, memberID, a.CardID)
		if errors.Is(err, ErrNotFound) || err == nil && current.Status == Issued {
			continue
		}
		if err != nil {
			return err
		}
		if err := joinCard(ctx, tx, a, current.Code); err != nil {
			return fmt.Errorf("join an imported account with card %s: %w", a.CardID, err)
		}
	}
	return nil
}

// joinCard moves what is on an account to a card.
func joinCard(ctx context.Context, tx Tx, a Imported, code string) error {
	if err := tx.LockCard(ctx, a.CardID, code); err != nil {
		return err
	}
	c, err := tx.Card(ctx, a.CardID, code)
	if err != nil {
		return err
	}
	pending := ledger.PendingUpdates(0)
	for i, field := range a.Fields {
		if field != "" && c.Fields[i] == "" {
			c.Fields[i] = field
			pending |= ledger.PendingField(i, false)
		}
	}
	if c.ActivatedAt.IsZero() && a.MembershipNumber != "" { // the activation tells WeChat
		c.MembershipNumber = a.MembershipNumber
	}
	if err := Save(ctx, tx, c); err != nil {
		return err
	}
	if err := tx.JoinImported(ctx, a, code, c.Seq == 0); err != nil {
		return err
	}
	if c.Seq > 0 {
		if err := addImported(ctx, tx, a, c); err != nil {
			return err
		}
	}
	return AddPending(ctx, tx, c, pending)
}

// addImported adds the figures of an account to a card with entries, and reverses what
// the card began with.
func addImported(ctx context.Context, tx Tx, a Imported, c Card) error {
	if b := a.opening(); b != (ledger.Booking{}) {
		if err := ledger.Add(ctx, tx, c.CardID, c.Code, b, ledger.RouteImport, false); err != nil {
			return err
		}
	}
	for _, route := range []string{grantRoute, ledger.RouteFace} {
		began, err := tx.FirstFrom(ctx, c.CardID, c.Code, route)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		now, err := tx.Card(ctx, c.CardID, c.Code)
		if err != nil {
			return err
		}
		if err := reverseUnspent(ctx, tx, now, began); err != nil {
			return err
		}
	}
	return nil
}

// opening returns the booking of the account's opening entry.
func (a Imported) opening() ledger.Booking { return OpeningOf(a.Bonus, a.Balance) }

// OpeningOf returns the booking of an opening entry: of figures that the holder had
// before addcard kept them.
func OpeningOf(bonus, balance int64) ledger.Booking {
	b := ledger.Booking{AddBonus: bonus, AddBalance: balance}
	if bonus != 0 {
		b.RecordBonus = recordFaceBonus
	}
	if balance != 0 {
		b.RecordBalance = recordFaceBalance
	}
	return b
}
