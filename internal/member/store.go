package member

import (
	"context"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// FirstCheck is how long after a card or a wallet was added it is first compared
// with WeChat.
const FirstCheck = 10 * time.Minute

// Reader reads rows. In Store.Write it reads within the transaction; elsewhere it
// reads what was committed.
type Reader interface {
	ledger.Reader
	PeopleReader
	ImportedReader
	// Cards lists the member's cards, oldest first. It omits a code that was only
	// issued if the member has or had the same card in the wallet under another
	// code.
	Cards(ctx context.Context, memberID string) ([]Card, error)
	// Card returns one card, whichever member holds it, or ErrNotFound.
	Card(ctx context.Context, cardID, code string) (Card, error)
	// Successor returns the card that this code became when it was given away,
	// or ErrNotFound.
	Successor(ctx context.Context, cardID, code string) (Card, error)
	// CurrentCode returns the member's current code of the card: one that is
	// active, else one that is claimed, else deleted, else issued. It returns
	// ErrNotFound if there is none.
	CurrentCode(ctx context.Context, memberID, cardID string) (CurrentCode, error)
	// FormCode returns the code that an activate_ticket was used for, or
	// ErrNotFound.
	FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error)
	// Forms lists the forms of a card that contain answers, oldest first.
	Forms(ctx context.Context, cardID, code string) ([]SealedForm, error)
	// Erased reports whether the code was one of a member who was erased.
	Erased(ctx context.Context, cardID, code string) (bool, error)
	// ErasedSince reports whether the openid was one of a member who was erased at
	// that time or later. It may no longer be known after a week.
	ErasedSince(ctx context.Context, id Identity, at time.Time) (bool, error)
}

// PeopleReader reads members and identities.
type PeopleReader interface {
	// Exists reports whether there is such a member.
	Exists(ctx context.Context, memberID string) (bool, error)
	// Identity returns the identity of an openid in an app, or ErrNotFound.
	Identity(ctx context.Context, appID, openID string) (Identity, error)
	// Identities lists the member's identities, at most one for each app.
	Identities(ctx context.Context, memberID string) ([]Identity, error)
	// ByUnionID lists the identities for which WeChat gave this unionid, also if it
	// is not the one that counts for them.
	ByUnionID(ctx context.Context, unionID string) ([]Identity, error)
	// Shared reports whether DistrustUnionID was called for the unionid.
	Shared(ctx context.Context, unionID string) (bool, error)
	// IgnoredUnionID returns the latest unionid that counted for the identity before
	// another one did, and that is not shared, or "".
	IgnoredUnionID(ctx context.Context, id Identity) (string, error)
	// ProofsOfMember and ProofsOfWallet list the proofs of a member and of an openid
	// in the Official Account, oldest first.
	ProofsOfMember(ctx context.Context, memberID string) ([]Proof, error)
	ProofsOfWallet(ctx context.Context, openID string) ([]Proof, error)
	// PhoneOwner returns the member whose phone number has one of the hashes, or
	// ErrNotFound.
	PhoneOwner(ctx context.Context, hashes []string) (memberID string, err error)
	// Conflicts lists the unionids that two openids of one app have, and that a
	// former version of addcard recorded.
	Conflicts(ctx context.Context) ([]string, error)
}

// PeopleTx changes members and identities. AddIdentity reports false, and changes
// nothing, if the identity exists.
type PeopleTx interface {
	// LockPeople keeps other transactions from changing which member an identity
	// belongs to, until this transaction ends. Transactions that share the lock do
	// not wait for each other; one that takes it exclusively waits for all others.
	// LockPeople reports whether the lock is exclusive, which it may be even if
	// the caller did not ask for that. It must be the first statement of a
	// transaction.
	LockPeople(ctx context.Context, exclusive bool) (bool, error)
	// LockNames makes other transactions that lock one of the names wait until
	// this transaction ends.
	LockNames(ctx context.Context, names ...string) error
	AddMember(ctx context.Context, memberID string) error
	AddIdentity(ctx context.Context, id Identity) (bool, error)
	// SetUnionID makes the unionid the one that counts for an identity. The one
	// before is kept; see PeopleReader.IgnoredUnionID.
	SetUnionID(ctx context.Context, appID, openID, unionID string) error
	// IgnoreUnionID stores a unionid that WeChat gave for the identity, without
	// making it count.
	IgnoreUnionID(ctx context.Context, id Identity, unionID string) error
	// DistrustUnionID records that the unionid is shared. It counts for no identity
	// any longer; those for which it did have none.
	DistrustUnionID(ctx context.Context, unionID string) error
	// AddProof adds a proof, unless it is there already.
	AddProof(ctx context.Context, p Proof) error
	// DeleteConflicts deletes all that Reader.Conflicts was read from.
	DeleteConflicts(ctx context.Context) error
	// MoveIdentity, MoveCards and DeleteMember, called in this order, give an
	// identity to another member: they move the identity, move the cards in its
	// wallet, and delete its former member. DeleteMember must be called only if
	// that member has no other identity; then MoveCards also moves the cards that are
	// not known to be in a wallet. A member who is left with a card, because the other
	// has an issued code of the same card, is not deleted.
	MoveIdentity(ctx context.Context, appID, openID, into string) error
	MoveCards(ctx context.Context, from, wallet, into string) error
	DeleteMember(ctx context.Context, memberID string) error
	// Erase does what Service.Erase says; anonymousID is the new ID.
	Erase(ctx context.Context, memberID, anonymousID string) error
	// EndSessions ends all sessions of the member, on every replica within a second
	// of the commit.
	EndSessions(ctx context.Context, memberID string) error
}

// Tx changes rows within one transaction. A method that adds a row reports false,
// and changes nothing, if a row with the same key exists.
type Tx interface {
	Reader
	ledger.Tx
	PeopleTx
	ImportedTx
	// AddIssued records a code as issued to a member and returns the time of
	// issue. It returns the zero time, and changes nothing, if the member is
	// unknown or has a current code of the card, or if the card has this code
	// already.
	AddIssued(ctx context.Context, memberID string, r CodeRequest, code string) (time.Time, error)
	// AddCard adds a card with an empty ledger. It ignores Life.Version.
	AddCard(ctx context.Context, c Card) (bool, error)
	// UpdateCard writes all of c except the key and what the ledger decides:
	// Bonus, Balance and Seq. It reports false, and changes nothing, if the row
	// was changed since c was read, other than by Post.
	UpdateCard(ctx context.Context, c Card) (bool, error)
	// MarkModified records that WeChat may have changed a card's figures, and
	// makes the card due to be reconciled.
	MarkModified(ctx context.Context, cardID, code string) error
	// AddEvent reports false for an event that was delivered before.
	AddEvent(ctx context.Context, e Event) (bool, error)
	// Event returns a stored event, or ErrNotFound.
	Event(ctx context.Context, dedupeKey string) (Event, error)
	// UseTicket reports false for an activate_ticket that was used before.
	UseTicket(ctx context.Context, ticketHash, cardID, code string) (bool, error)
	// PutPhone adds or replaces the member's phone number. No other member may have it.
	PutPhone(ctx context.Context, memberID string, p SealedPhone) error
	// PutForm adds or replaces a row of a card's form.
	PutForm(ctx context.Context, cardID, code string, f SealedForm) error
	// Reseal replaces the text and the hash of a row. It reports false, and changes
	// nothing, if the text is no longer that of before.
	Reseal(ctx context.Context, table SealedTable, before, now SealedRow) (bool, error)
}

// Store keeps members. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction, which is durable when Write returns nil.
	// If fn returns an error, Write undoes the transaction and returns the error.
	// fn may run more than once, so each run must set anew whatever it sets
	// outside the transaction.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// SharedUnionIDs lists up to n shared unionids, the latest first.
	SharedUnionIDs(ctx context.Context, n int) ([]string, error)
	// UnindexedForms lists up to n forms that an earlier version stored, by key,
	// those after the given key.
	UnindexedForms(ctx context.Context, after string, n int) ([]UnindexedForm, error)
	// SealedRows lists up to n rows of a table that have an encrypted text, by key, those
	// after the given key.
	SealedRows(ctx context.Context, table SealedTable, after string, n int) ([]SealedRow, error)
	// SealedPhone returns the member's sealed phone number, or "".
	SealedPhone(ctx context.Context, memberID string) (string, error)
	// Person returns one member, or ErrNotFound.
	Person(ctx context.Context, memberID string) (Person, error)
	// People lists up to n members after the mark, newest first.
	People(ctx context.Context, after Mark, n int) ([]Person, error)
	// Records returns the rows about a member as they are, in tables with the names of
	// the database; see Service.Records.
	Records(ctx context.Context, memberID string) ([]Table, error)
	// Find lists the IDs of up to n members that have this key; see Service.Find.
	// phones are the hashes that key may be stored as if it is a phone number.
	Find(ctx context.Context, key string, phones []string, n int) ([]string, error)
	// Scrub removes what was deleted from the store's own copies. It waits for
	// readers that need them, or until ctx ends.
	Scrub(ctx context.Context) error
}
