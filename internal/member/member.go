// Package member keeps the people who hold a merchant's cards: who they are in
// each WeChat app, which card codes they were given, and what became of them.
//
// A person is one member however many WeChat apps they come through. They are
// joined by the unionid that WeChat gives for both apps, never by comparing
// openids of different apps: those are different names for different readers.
//
// The package holds the rules and knows neither SQL nor WeChat. Its [Store] is
// implemented by sqlstore, and every implementation passes membertest.
package member

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound is returned when no row answers the question: no such
	// identity, no live card of this kind.
	ErrNotFound = errors.New("member: not found")
	// ErrMemberUnknown is returned for a member ID that is not, or no longer,
	// in the database: its session is worth nothing.
	ErrMemberUnknown = errors.New("member: no such member")
	// ErrOpenIDUnknown is returned by OpenID while we have not learned who the
	// member is in that app.
	ErrOpenIDUnknown = errors.New("member: openid in this app is unknown")
)

// Identity is who a member is in one WeChat app. UnionID is empty while WeChat
// has given none, as it does for apps outside an Open Platform account.
type Identity struct {
	AppID, OpenID, UnionID string
	MemberID               string
}

// Status is where a member's card is in its life.
type Status string

// A code is issued by us, claimed when the card is in the wallet and active
// when it can be used. A deleted card may come back with the same code; gifted
// and unavailable are the end of a code.
const (
	Issued      Status = "issued"
	Claimed     Status = "claimed"
	Active      Status = "active"
	Deleted     Status = "deleted"
	Gifted      Status = "gifted"
	Unavailable Status = "unavailable"
)

// Card is one code of one card in the hands of one member. Bonus counts
// points, Balance fen (分). A zero time means that it has not happened.
type Card struct {
	CardID, Code     string
	MemberID         string
	Status           Status
	Bonus, Balance   int64
	MembershipNumber string
	Fields           [3]string // custom_field1 to 3; empty: never set
	OuterStr         string
	IssuedAt         time.Time // zero for a code that WeChat chose
	ClaimedAt        time.Time
	ActivatedAt      time.Time
	Life             Life
}

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
	// Cards lists the member's cards, oldest first.
	Cards(ctx context.Context, memberID string) ([]Card, error)
	// Card returns one card, whoever holds it, or ErrNotFound.
	Card(ctx context.Context, cardID, code string) (Card, error)
	// LiveCard returns the member's code of that card which is issued,
	// claimed, active or deleted, or ErrNotFound. Of several, one in the
	// wallet comes before one that is not.
	LiveCard(ctx context.Context, memberID, cardID string) (Card, error)
}

// Tx changes rows. The Add methods report false, and change nothing, when a
// row that excludes the new one exists already.
type Tx interface {
	Reader
	AddMember(ctx context.Context, memberID string) error
	AddIdentity(ctx context.Context, id Identity) (bool, error)
	SetUnionID(ctx context.Context, appID, openID, unionID string) error
	// AddConflict records that who and the other member look like one person
	// and cannot be.
	AddConflict(ctx context.Context, who Identity, otherMemberID string) error

	// AddIssued records a code as issued to a member now. It reports false
	// when the card has this code already or the member an issued one.
	AddIssued(ctx context.Context, memberID, cardID, code string) (bool, error)
	AddCard(ctx context.Context, c Card) (bool, error)
	// UpdateCard writes all of c but its key. It reports false when the row
	// was changed since c was read.
	UpdateCard(ctx context.Context, c Card) (bool, error)

	// The four steps of a merge. DropIssued removes codes that were only
	// issued to member, of cards that the other one has or had.
	MoveIdentities(ctx context.Context, from, into string) error
	DropIssued(ctx context.Context, memberID, other string) error
	MoveCards(ctx context.Context, from, into string) error
	DeleteMember(ctx context.Context, memberID string) error

	// AddEvent reports false for an event that was delivered before.
	AddEvent(ctx context.Context, e Event) (bool, error)
	// Event returns a kept event, or ErrNotFound.
	Event(ctx context.Context, dedupeKey string) (Event, error)

	// Enqueue puts a message behind the others of its card, due now, unless
	// one of the same kind and payload waits there already.
	Enqueue(ctx context.Context, m Message) error
	// Finish removes a message, Postpone makes it wait and Bury parks it for
	// the operator. They report false when the message is no longer leased to
	// m.Lease: somebody else has taken it over.
	Finish(ctx context.Context, m Message) (bool, error)
	Postpone(ctx context.Context, m Message, wait time.Duration, why string) (bool, error)
	Bury(ctx context.Context, m Message, why string) (bool, error)
}

// Store keeps members. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on
	// variables it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Take leases up to n messages that are due, of each card only its oldest,
	// to a lease of the given name and time.
	Take(ctx context.Context, lease string, time time.Duration, n int) ([]Message, error)
	// Waiting counts messages by state and tells the age of the oldest that waits.
	Waiting(ctx context.Context) (Backlog, error)
}

// Apps are the two WeChat apps that a person meets the merchant in.
type Apps struct{ MiniProgram, Official string }

// Service is the rules. It is safe for concurrent use.
type Service struct {
	store   Store
	apps    Apps
	cards   Cards
	enqueue chan struct{} // tells the Sender that something may be due
}

// New returns a Service on store. cards tells what becomes of a card that was taken.
func New(store Store, apps Apps, cards Cards) *Service {
	return &Service{store: store, apps: apps, cards: cards, enqueue: make(chan struct{}, 1)}
}

// Cards lists the member's cards, oldest first. It returns ErrMemberUnknown
// for a member who is not there.
func (s *Service) Cards(ctx context.Context, memberID string) ([]Card, error) {
	cards, err := s.store.Cards(ctx, memberID)
	if err != nil || len(cards) > 0 {
		return cards, err
	}
	return nil, mustExist(ctx, s.store, memberID)
}

// OpenID returns who the member is in the app, or ErrOpenIDUnknown.
func (s *Service) OpenID(ctx context.Context, memberID, appID string) (string, error) {
	ids, err := s.store.Identities(ctx, memberID)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if id.AppID == appID {
			return id.OpenID, nil
		}
	}
	return "", ErrOpenIDUnknown
}

// write runs fn in a transaction, again when a concurrent one got in its way.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) (err error) {
	for range 5 {
		if err = s.store.Write(ctx, fn); !errors.Is(err, errRaced) {
			return err
		}
	}
	return err
}

// errRaced makes a transaction start over: what it read has changed meanwhile.
var errRaced = errors.New("member: changed meanwhile")

func mustExist(ctx context.Context, r Reader, memberID string) error {
	ok, err := r.Exists(ctx, memberID)
	if err == nil && !ok {
		return ErrMemberUnknown
	}
	return err
}
