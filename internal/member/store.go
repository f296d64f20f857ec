package member

import (
	"context"
	"time"
)

// Reader answers questions about rows. Inside Store.Write it sees the
// transaction, elsewhere what was last committed.
type Reader interface {
	// Exists tells whether there is such a member.
	Exists(ctx context.Context, memberID string) (bool, error)
	// Identity returns ErrNotFound for an openid that was never seen.
	Identity(ctx context.Context, appID, openID string) (Identity, error)
	// Identities lists who the member is, in every app.
	Identities(ctx context.Context, memberID string) ([]Identity, error)
	// ByUnionID lists the identities that WeChat gave this unionid for.
	ByUnionID(ctx context.Context, unionID string) ([]Identity, error)
	// Cards lists the member's cards, oldest first, but no issued code of a
	// card that the member has or had in the wallet under another code.
	Cards(ctx context.Context, memberID string) ([]Card, error)
	// Card returns one card, whoever holds it, or ErrNotFound.
	Card(ctx context.Context, cardID, code string) (Card, error)
	// Heir returns the card that this code became when it was given away, or
	// ErrNotFound.
	Heir(ctx context.Context, cardID, code string) (Card, error)
	// LiveCard returns the member's code of that card which is active,
	// claimed, deleted or issued, the first of these that there is, or
	// ErrNotFound.
	LiveCard(ctx context.Context, memberID, cardID string) (Live, error)
	// FormCode returns the code that an activate_ticket was used for, or
	// ErrNotFound.
	FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error)
	// Erased tells whether the code is one of a member whose data was deleted.
	Erased(ctx context.Context, cardID, code string) (bool, error)

	// Answer returns what a request was answered, or ErrNotFound.
	Answer(ctx context.Context, route, key string) (Answer, error)
	// Entry returns an entry of the card's ledger, or ErrNotFound.
	Entry(ctx context.Context, cardID, code, id string) (Entry, error)
	// EntryFrom returns the first entry of the card's ledger that came from that
	// route and was not reversed, or ErrNotFound.
	EntryFrom(ctx context.Context, cardID, code, route string) (Entry, error)
	// Entries lists up to n entries of the card's ledger, newest first, with a
	// Seq below before unless that is 0.
	Entries(ctx context.Context, cardID, code string, before int64, n int) ([]Entry, error)
	// Next returns the entry of the first message about one that waits behind m
	// in its card's queue, or ErrNotFound.
	Next(ctx context.Context, m Message) (Entry, error)
	// Waits tells whether any message waits for the card.
	Waits(ctx context.Context, cardID, code string) (bool, error)
}

// Tx changes rows. The Add methods report false, and change nothing, when a
// row that excludes the new one exists already.
type Tx interface {
	Reader
	// LockPeople keeps who is who as it is until the transaction ends. Whoever
	// asks to be alone waits for all others who hold the lock; it reports whether
	// the transaction is, which it may be unasked. It comes before all else.
	LockPeople(ctx context.Context, alone bool) (bool, error)
	// Exclude makes those wait who exclude others by one of the names, until the
	// transaction ends.
	Exclude(ctx context.Context, names ...string) error
	AddMember(ctx context.Context, memberID string) error
	AddIdentity(ctx context.Context, id Identity) (bool, error)
	SetUnionID(ctx context.Context, appID, openID, unionID string) error
	// AddConflict records, once, that who and the other member look like one
	// person and cannot be.
	AddConflict(ctx context.Context, who Identity, otherMemberID string) error

	// AddIssued records a code as issued to a member and returns when. It
	// returns the zero time, and changes nothing, when there is no such
	// member, the member has a live code of the card, or the card has this
	// code already.
	AddIssued(ctx context.Context, memberID string, want Want, code string) (time.Time, error)
	// AddCard records a card, whatever its Life.Version, with an empty ledger.
	AddCard(ctx context.Context, c Card) (bool, error)
	// UpdateCard writes all of c but its key and what its ledger says: Bonus,
	// Balance, Seq. It reports false when the row was changed since c was read,
	// other than by Post.
	UpdateCard(ctx context.Context, c Card) (bool, error)

	// The steps by which a person goes to another member: the identity, then
	// the cards in that person's wallet, then, if nothing is left there, the
	// member it leaves behind.
	MoveIdentity(ctx context.Context, appID, openID, into string) error
	MoveCards(ctx context.Context, from, wallet, into string) error
	DeleteMember(ctx context.Context, memberID string) error
	// Erase does what Service.Erase says; heir is the new ID.
	Erase(ctx context.Context, memberID, heir string) error

	// Post moves the totals of a card and numbers the entry that says so, which
	// the same transaction must add, and enqueue if WeChat is told of it. It returns ErrNotFound, and changes
	// nothing, when a total would be below zero or above MaxTotal, or when held
	// is asked for and the card is not claimed, active or deleted.
	Post(ctx context.Context, cardID, code string, b Booking, held bool) (Posting, error)
	// AddEntry adds what Post has returned.
	AddEntry(ctx context.Context, p Posting, r Request, answer []byte) (bool, error)
	// MoveLedger gives the ledger of a card that is given away, with its totals,
	// to the heir, whose own is empty, and gives that to the giver. Both count as
	// told.
	MoveLedger(ctx context.Context, cardID, giver, heir string) error

	// Untold returns what WeChat was not told of a card, its entries in order,
	// and notes it as told. Untell takes that back from an entry on; Owe adds
	// something to be told.
	Untold(ctx context.Context, cardID, code string) (entryIDs []string, due Due, err error)
	Untell(ctx context.Context, cardID, code string, seq int64) error
	Owe(ctx context.Context, cardID, code string, due Due) error
	// Recall removes the messages of these kinds that wait for the card, in
	// order, and returns them.
	Recall(ctx context.Context, cardID, code string, kinds []string) ([]Message, error)

	// Suspect notes that WeChat may have changed a card's figures, and makes it
	// due to be checked. Checked, and WalletChecked, make one due again in a
	// while that doubles every time within these bounds, CheckSoon in that one
	// unless it is due before. Equal takes back
	// what Suspect and Drifts noted; Drifts notes what the face of a card shows
	// that is suspected, and reports false for another.
	Suspect(ctx context.Context, cardID, code string) error
	Checked(ctx context.Context, cardID, code string, least, most time.Duration) error
	WalletChecked(ctx context.Context, id Identity, least, most time.Duration) error
	CheckSoon(ctx context.Context, cardID, code string, wait time.Duration) error
	Equal(ctx context.Context, cardID, code string) error
	Drifts(ctx context.Context, cardID, code string, bonus, balance int64) (bool, error)

	// AddEvent reports false for an event that was delivered before.
	AddEvent(ctx context.Context, e Event) (bool, error)
	// Event returns a kept event, or ErrNotFound.
	Event(ctx context.Context, dedupeKey string) (Event, error)

	// AddForm reports false for a ticket that was used before.
	AddForm(ctx context.Context, cardID, code string, f Form) (bool, error)

	// Enqueue puts a message behind the others of its card, due now, unless
	// one of the same kind and payload waits there already, perhaps under way.
	// So that the one under way is not the last word on something older, the
	// same transaction must have changed the card before.
	Enqueue(ctx context.Context, m Message) error
	// Message returns one that waits or is parked, or ErrNotFound.
	Message(ctx context.Context, id string) (Queued, error)
	// Hasten makes a message due now that waits; Discard removes one that is
	// parked.
	Hasten(ctx context.Context, id string) error
	Discard(ctx context.Context, id string) error
	// Lock makes those wait who change the card. Whoever ends a message that may
	// have others behind it calls it first: they are enqueued under that lock.
	Lock(ctx context.Context, cardID, code string) error
	// HastenCard makes what waits for a card due now.
	HastenCard(ctx context.Context, cardID, code string) error
	// Finish removes a message; Postpone makes it wait and counts a failure;
	// Release gives it back as it was; Bury counts a failure and parks it for
	// the operator. They report false when the message is no longer leased to
	// m.Lease: somebody else has taken it over.
	Finish(ctx context.Context, m Message) (bool, error)
	Postpone(ctx context.Context, m Message, wait time.Duration, why string) (bool, error)
	Release(ctx context.Context, m Message) (bool, error)
	Bury(ctx context.Context, m Message, why string) (bool, error)
}

// Store keeps members. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on
	// variables it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Take leases up to n messages that are due to a lease of that name, for
	// that time by the store's own clock. Of each card it takes only the
	// oldest that waits, and none while that one is postponed or leased.
	Take(ctx context.Context, lease string, time time.Duration, n int) ([]Message, error)
	// Waiting counts messages by state and tells the age of the oldest that waits.
	Waiting(ctx context.Context) (Backlog, error)

	// Forms lists the sealed forms of a card, oldest first.
	Forms(ctx context.Context, cardID, code string) ([]string, error)

	// Person returns one member, or ErrNotFound.
	Person(ctx context.Context, memberID string) (Person, error)
	// People lists up to n members after the mark, newest first.
	People(ctx context.Context, after Mark, n int) ([]Person, error)
	// Find lists the IDs of up to n members whom key names, see Service.Find.
	// phones are the hashes that a phone number may be stored as.
	Find(ctx context.Context, key string, phones []string, n int) ([]string, error)
	// Messages lists up to n messages after the mark, see Service.Messages.
	Messages(ctx context.Context, state string, after MessageMark, n int) ([]Queued, error)
	// CardsDue lists up to n cards that are due to be checked, the most due
	// first; WalletsDue does so with identities in an app.
	CardsDue(ctx context.Context, n int) ([]Card, error)
	WalletsDue(ctx context.Context, appID string, n int) ([]Identity, error)
	// Turn reports true to one caller in that time: the job is its.
	Turn(ctx context.Context, job string, every time.Duration) (bool, error)
	// Drifting lists the cards that Drifts noted; DriftOf returns one of them, or
	// ErrNotFound.
	Drifting(ctx context.Context, n int) ([]Drift, error)
	DriftOf(ctx context.Context, cardID, code string) (Drift, error)
	// Unbalanced lists up to n cards whose totals are not the sum of their
	// ledger.
	Unbalanced(ctx context.Context, n int) ([]Imbalance, error)
}
