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
	// AddIssued records a code as issued to a member now. It reports false
	// when the card has this code already or the member an issued one.
	AddIssued(ctx context.Context, memberID, cardID, code string) (bool, error)
}

// Store keeps members. It is safe for concurrent use.
type Store interface {
	Reader
	// Write runs fn in one transaction that is durable when Write returns nil.
	// fn may run more than once and must have no other effect than on
	// variables it sets anew; an error from it undoes everything.
	Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
}

// Service is the rules. It is safe for concurrent use.
type Service struct{ store Store }

// New returns a Service on store.
func New(store Store) *Service { return &Service{store: store} }

// Cards lists the member's cards, oldest first. It returns ErrMemberUnknown
// for a member who is not there.
func (s *Service) Cards(ctx context.Context, memberID string) ([]Card, error) {
	cards, err := s.store.Cards(ctx, memberID)
	if err != nil || len(cards) > 0 {
		return cards, err
	}
	return nil, known(ctx, s.store, memberID)
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

func known(ctx context.Context, r Reader, memberID string) error {
	ok, err := r.Exists(ctx, memberID)
	if err == nil && !ok {
		return ErrMemberUnknown
	}
	return err
}
