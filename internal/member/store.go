package member

import (
	"context"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// FirstCheck is how long after it was added a card or a wallet is first compared
// with WeChat.
const FirstCheck = 10 * time.Minute

// Reader reads rows. Inside Store.Write it sees the transaction, elsewhere what
// was last committed.
type Reader interface {
	ledger.Reader
	// Exists reports whether there is such a member.
	Exists(ctx context.Context, memberID string) (bool, error)
	// Identity returns ErrNotFound for an openid that was never seen.
	Identity(ctx context.Context, appID, openID string) (Identity, error)
	// Identities lists the member's identities, at most one for each app.
	Identities(ctx context.Context, memberID string) ([]Identity, error)
	// ByUnionID lists the identities that WeChat gave this unionid for.
	ByUnionID(ctx context.Context, unionID string) ([]Identity, error)
	// Cards lists the member's cards, oldest first, without issued codes of a
	// card that the member has or had in the wallet under another code.
	Cards(ctx context.Context, memberID string) ([]Card, error)
	// Card returns one card, whichever member holds it, or ErrNotFound.
	Card(ctx context.Context, cardID, code string) (Card, error)
	// Successor returns the card that this code became when it was given away,
	// or ErrNotFound.
	Successor(ctx context.Context, cardID, code string) (Card, error)
	// CurrentCode returns the member's code of that card which is active,
	// claimed, deleted or issued, the first of these that there is, or
	// ErrNotFound.
	CurrentCode(ctx context.Context, memberID, cardID string) (CurrentCode, error)
	// FormCode returns the code that an activate_ticket was used for, or
	// ErrNotFound.
	FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error)
	// Erased reports whether the code was one of a member who was erased.
	Erased(ctx context.Context, cardID, code string) (bool, error)
}

// PeopleTx changes who is a member. The Add methods report false, and change
// nothing, when a row that excludes the new one exists.
type PeopleTx interface {
	// LockPeople keeps other transactions from changing which member an identity
	// belongs to, until this one ends. Shared holders of the lock do not wait for
	// each other; an exclusive one waits for all others. It reports whether the
	// lock is exclusive, which it may be unasked. It must be the first statement.
	LockPeople(ctx context.Context, exclusive bool) (bool, error)
	// LockNames makes other transactions that lock one of the names wait until
	// this one ends.
	LockNames(ctx context.Context, names ...string) error
	AddMember(ctx context.Context, memberID string) error
	AddIdentity(ctx context.Context, id Identity) (bool, error)
	SetUnionID(ctx context.Context, appID, openID, unionID string) error
	// AddConflict records, once, that id and the other member look like one
	// person and cannot be.
	AddConflict(ctx context.Context, id Identity, otherMemberID string) error
	// MoveIdentity, MoveCards and DeleteMember, in this order, give a person to
	// another member: the identity; the cards in that identity's wallet; and, if
	// nothing is left of it, the member.
	MoveIdentity(ctx context.Context, appID, openID, into string) error
	MoveCards(ctx context.Context, from, wallet, into string) error
	DeleteMember(ctx context.Context, memberID string) error
	// Erase does what Service.Erase says; anonymousID is the new ID.
	Erase(ctx context.Context, memberID, anonymousID string) error
}

// Tx changes rows within one transaction. The Add methods report false, and change
// nothing, when a row that excludes the new one exists.
type Tx interface {
	Reader
	ledger.Tx
	PeopleTx
	// AddIssued records a code as issued to a member and returns when. It
	// returns the zero time, and changes nothing, when the member is unknown or
	// has a current code of the card, or when the card has this code already.
	AddIssued(ctx context.Context, memberID string, r CodeRequest, code string) (time.Time, error)
	// AddCard records a card, whatever its Life.Version, with an empty ledger.
	AddCard(ctx context.Context, c Card) (bool, error)
	// UpdateCard writes all of c but its key and what its ledger says: Bonus,
	// Balance, Seq. It reports false when the row was changed since c was read,
	// other than by Post.
	UpdateCard(ctx context.Context, c Card) (bool, error)
	// MarkModified records that WeChat may have changed a card's figures, and
	// makes the card due to be reconciled.
	MarkModified(ctx context.Context, cardID, code string) error
	// AddEvent reports false for an event that was delivered before.
	AddEvent(ctx context.Context, e Event) (bool, error)
	// Event returns a stored event, or ErrNotFound.
	Event(ctx context.Context, dedupeKey string) (Event, error)
	// AddForm reports false for an activate_ticket that was used before.
	AddForm(ctx context.Context, cardID, code string, f Form) (bool, error)
}

// Store keeps members. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on variables
	// that it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Forms lists the sealed forms of a card, oldest first.
	Forms(ctx context.Context, cardID, code string) ([]string, error)
	// Person returns one member, or ErrNotFound.
	Person(ctx context.Context, memberID string) (Person, error)
	// People lists up to n members after the mark, newest first.
	People(ctx context.Context, after Mark, n int) ([]Person, error)
	// Find lists the IDs of up to n members that key names; see Service.Find.
	// phones are the hashes that a phone number may be stored as.
	Find(ctx context.Context, key string, phones []string, n int) ([]string, error)
}
