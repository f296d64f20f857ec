// Package member keeps the people who hold a merchant's cards: who they are in
// each WeChat app, which card codes they were given, and what became of them.
//
// A person is one member in both WeChat apps. What joins the two openids is the
// unionid that WeChat gives for both, or, until one says otherwise, a card whose
// code was issued to the one and is in the other's wallet; never a comparison of
// the openids themselves: those are different names for different readers.
//
// Everything may become known in any order and any number of times: logins,
// what a phone says it took, WeChat's events. The end is the same. What WeChat
// has to be told or asked waits in an outbox, which a [Sender] carries there.
//
// The package holds the rules and knows neither SQL nor WeChat. Its [Store] is
// implemented by sqlstore, and every implementation passes membertest.
package member

import (
	"context"
	"errors"
	"fmt"
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
//
// A code belongs to one wallet for ever: a card that is given away gets another
// code, one that is restored keeps its own. So whoever WeChat names as the
// holder of a code is its holder, whoever it was issued to.
type Card struct {
	CardID, Code     string
	MemberID         string
	Status           Status
	Bonus, Balance   int64
	Seq              int64 // of the last entry in the ledger; 0: it is empty
	MembershipNumber string
	Fields           [3]string // custom_field1 to 3; empty: never set
	OuterStr         string
	IssuedAt         time.Time // zero for a code that WeChat chose
	ClaimedAt        time.Time
	ActivatedAt      time.Time
	Life             Life
}

// Apps are the two WeChat apps that a person meets the merchant in.
type Apps struct{ MiniProgram, Official string }

// Service is the rules. It is safe for concurrent use.
type Service struct {
	store Store
	apps  Apps
	cards Cards
	// phones gives the hashes that a phone number may be stored as.
	phones func(number string) []string
	due    chan struct{} // tells the Sender that something may be due
}

// New returns a Service on store. cards tells what becomes of a card that was taken.
func New(store Store, apps Apps, cards Cards) *Service {
	return &Service{store: store, apps: apps, cards: cards, due: make(chan struct{}, 1)}
}

// Cards lists the member's cards, oldest first. A code that was only issued is
// left out where the member took the card under another. It returns
// ErrMemberUnknown for a member who is not there.
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

// ErrRaced is returned when others got in a transaction's way again and again.
// Nothing was written, and it may be tried again.
var ErrRaced = errors.New("member: changed meanwhile")

// write runs fn in a transaction, again when a concurrent one got in its way.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) (err error) {
	for range 5 {
		if err = s.store.Write(ctx, fn); !errors.Is(err, ErrRaced) {
			return err
		}
	}
	return err
}

// people is a transaction in which nobody else changes who is who: which member
// has an identity, and so whose a card is.
type people struct {
	Tx
	alone bool // only then may it do so itself
}

// errNotAlone makes a transaction start over alone.
var errNotAlone = fmt.Errorf("%w: not alone", ErrRaced)

// change is called before who is who is changed.
func (tx people) change() error {
	if !tx.alone {
		return errNotAlone
	}
	return nil
}

// writePeople is write for whoever finds out whose a card is. Few have to change
// that, so one first looks beside others.
func (s *Service) writePeople(ctx context.Context, fn func(ctx context.Context, tx people) error) error {
	alone := false
	return s.write(ctx, func(ctx context.Context, tx Tx) error {
		is, err := tx.LockPeople(ctx, alone)
		if err != nil {
			return err
		}
		err = fn(ctx, people{tx, is})
		alone = alone || errors.Is(err, errNotAlone)
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
