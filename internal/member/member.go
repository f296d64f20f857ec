// Package member keeps the people who hold a merchant's cards: who they are in each
// WeChat app, which card codes they were issued, and the life of each code from
// issue to deletion or gift. It has the rules and calls neither WeChat nor SQL: its
// [Store] is implemented by sqlstore, and every implementation passes membertest.
// What must be sent to WeChat, or asked of it, is enqueued in the outbox by the
// transaction that makes it necessary; package cardsync sends it.
//
// A person is one member in both WeChat apps, the mini-program and the Official
// Account, but has a different openid in each. Two facts join the two openids:
// WeChat gives the same unionid for both; or, until a unionid says otherwise, a
// card with a code that was issued to the one is in the wallet of the other. The
// openids themselves are never compared, because an openid has a meaning in its own
// app only.
//
// Logins, claims by the phone and WeChat's events may arrive in any order and any
// number of times; the final state is the same.
package member

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

var (
	// ErrNotFound is returned when there is no such row, such as an identity, a
	// card or a current code.
	ErrNotFound = errors.New("member: not found")
	// ErrMemberUnknown is returned for a member ID that is not, or no longer, in
	// the database.
	ErrMemberUnknown = errors.New("member: no such member")
	// ErrAccountUnknown is returned for an imported account that is not there, or that
	// does not wait for its person.
	ErrAccountUnknown = errors.New("member: no such imported account waits")
	// ErrOpenIDUnknown is returned by OpenID if the member's openid in that app is
	// not known yet.
	ErrOpenIDUnknown = errors.New("member: openid in this app is unknown")
)

// Identity is a person in one WeChat app. UnionID is empty until WeChat gives one,
// which it does only for apps that belong to an Open Platform account. A unionid that
// WeChat gave for two openids of the app does not count, and is never there.
type Identity struct {
	AppID, OpenID, UnionID string
	MemberID               string
}

// Proof says that a card that was issued to, or proved for, a member of the
// mini-program was in the wallet of an openid in the Official Account.
type Proof struct{ MemberID, OpenID string }

// Status is the stage of a code's life.
type Status string

// A code is issued by addcard, claimed when the card is in the wallet, and active
// when it can be used. A deleted card may come back with the same code; gifted and
// unavailable are final.
const (
	Issued      Status = "issued"
	Claimed     Status = "claimed"
	Active      Status = "active"
	Deleted     Status = "deleted"
	Gifted      Status = "gifted"
	Unavailable Status = "unavailable"
)

// Card is a member card: one code of a card, held by one member. Bonus counts
// points, Balance fen (分). A zero time means that it has not happened.
//
// A code never changes its wallet: a card that is given away gets another code, and
// a restored card keeps its code. So if WeChat says who holds a code, that person
// is its holder, even if the code was issued to another member.
type Card struct {
	CardID, Code     string
	MemberID         string
	Status           Status
	Bonus, Balance   int64
	Seq              int64 // of the last entry in the ledger; 0: it is empty
	MembershipNumber string
	Fields           [3]string // custom_field1 to 3; empty: never set
	FaceKnown        bool      // the totals on the face were read or set; until then none are sent
	OuterStr         string
	IssuedAt         time.Time // zero for a code that WeChat chose
	ClaimedAt        time.Time
	ActivatedAt      time.Time
	Life             Life
}

// Apps are the AppIDs of the merchant's mini-program and Official Account.
type Apps struct{ MiniProgram, Official string }

// Service implements the rules of this package. It is safe for concurrent use.
type Service struct {
	store     Store
	apps      Apps
	catalogue Catalogue
	wake      func()
	// makeUnavailable makes a code unavailable at WeChat and here.
	makeUnavailable func(ctx context.Context, cardID, code string) error
	formKeys        FormKeys // nil: forms are not stored
	// indexedUpTo is the key of the form at which IndexForms continues.
	indexedUpTo atomic.Value
	unscrubbed  chan struct{} // signals Scrub
}

// New returns a Service on store. It calls wake after it has enqueued messages.
func New(store Store, apps Apps, catalogue Catalogue, wake func()) *Service {
	return &Service{store: store, apps: apps, catalogue: catalogue, wake: wake, unscrubbed: make(chan struct{}, 1)}
}

// Cards lists the member's cards, oldest first. A code that was only issued is
// left out if the member has taken the card under another code. It returns
// ErrMemberUnknown for an unknown member.
func (s *Service) Cards(ctx context.Context, memberID string) ([]Card, error) {
	cards, err := s.store.Cards(ctx, memberID)
	if err != nil || len(cards) > 0 {
		return cards, err
	}
	return nil, mustExist(ctx, s.store, memberID)
}

// OpenID returns the member's openid in the app, or ErrOpenIDUnknown.
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

// write runs fn in a transaction, again when a concurrent one conflicts with it.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	return ledger.RetryConflicts(func() error { return s.store.Write(ctx, fn) })
}

// peopleTx is a transaction during which no other one changes which member an
// identity belongs to, and so who holds a card.
type peopleTx struct {
	Tx
	exclusive bool
}

// errNotExclusive makes a transaction start again under the exclusive lock.
var errNotExclusive = fmt.Errorf("%w: the lock on people is shared", ledger.ErrConflict)

// mustBeExclusive is called before an identity is given to another member.
func (tx peopleTx) mustBeExclusive() error {
	if !tx.exclusive {
		return errNotExclusive
	}
	return nil
}

// writePeople is write for a transaction that finds out who holds a card. Few of
// them change that, so the first attempt shares the lock with others.
func (s *Service) writePeople(ctx context.Context, fn func(ctx context.Context, tx peopleTx) error) error {
	exclusive := false
	return s.write(ctx, func(ctx context.Context, tx Tx) error {
		got, err := tx.LockPeople(ctx, exclusive)
		if err != nil {
			return err
		}
		err = fn(ctx, peopleTx{tx, got})
		exclusive = exclusive || errors.Is(err, errNotExclusive)
		return err
	})
}

func mustExist(ctx context.Context, r Reader, memberID string) error {
	ok, err := r.Exists(ctx, memberID)
	if err == nil && !ok {
		return ErrMemberUnknown
	}
	return err
}

// CardOf returns the card with this code, or ErrNotFound if it is not the member's.
func (s *Service) CardOf(ctx context.Context, memberID, cardID, code string) (Card, error) {
	c, err := s.store.Card(ctx, cardID, code)
	if err == nil && c.MemberID != memberID {
		return Card{}, ErrNotFound
	}
	return c, err
}
