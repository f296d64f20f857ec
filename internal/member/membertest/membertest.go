// Package membertest is the conformance suite of member.Store: what the rules
// in package member rely on, whatever the database behind it.
package membertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// Run runs the suite. open returns a fresh, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) member.Store) {
	tests := map[string]func(*testing.T, member.Store){
		"what is not there is ErrNotFound": missing,
		"an error undoes everything":       undone,
		"a transaction sees its own rows":  ownRows,

		"an identity is added once":                        identityOnce,
		"identities are found by unionid":                  byUnionID,
		"concurrent enrolments of one openid, one member":  oneMember,
		"cards move with their wallet":                     moves,
		"unknown cards move with the last identity":        movesUnknown,
		"concurrent logins, events and claims, one member": fromAllSides,
		"a unionid that does not count is kept":            ignored,
		"an openid is one in its own app only":             ofOneApp,
		"a proof is recorded once":                         proofOnce,
		"one unionid for many people at once":              sharedByMany,
		"one unionid for three people, in any order":       sharedInAnyOrder,

		"an issued code is unique per card":                  codeUnique,
		"a member has one issued code per card":              issuedUnique,
		"concurrent first issues let one through":            oneIssue,
		"concurrent channels take turns":                     channels,
		"cards come oldest first":                            order,
		"a card comes back as it was added":                  cardRoundTrip,
		"an update of a card that has changed is refused":    staleUpdate,
		"concurrent updates of a card: one wins":             oneUpdate,
		"the current code is that of the card in the wallet": currentCode,
		"a taken card hides a code only issued":              hidden,
		"a given card is found by its old code":              successor,
		"an event is added once":                             eventOnce,
		"an event comes back as it was":                      eventRoundTrip,
		"concurrent deliveries of one event":                 oneDelivery,

		"people come newest first, page by page": pages,
		"people of one moment are all listed":    pagesOfOneMoment,
		"people are found by their identifiers":  found,
		"nothing is left of an erased member":    erased,
		"an erasure leaves what is another's":    erasedBesideAnother,
		"a second erasure is remembered":         erasedAgain,
		"an activate_ticket serves one code":     formOnce,
		"a form is replaced":                     formReplaced,
		"a form that is being stored is erased":  formErased,

		"an imported account is found by each mark":     importedRoundTrip,
		"a mark is one account's of a card":             importedOnce,
		"an imported account is bound once":             importedBound,
		"an account that waits is found by each number": importedWaiting,
		"an account that waits is erased":               importedErased,
		"a card takes the ledger of an account, or not": importedJoined,
		"a phone number belongs to one member":          phoneOwned,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const (
	app      = "wxapp"
	official = "wxofficial"
)

// plan is the same for every card.
type plan member.Plan

func (p plan) Plan(context.Context, string) (member.Plan, error)      { return member.Plan(p), nil }
func (p plan) FetchPlan(context.Context, string) (member.Plan, error) { return member.Plan(p), nil }

func (p plan) InitialGrant(context.Context, string) (member.InitialGrant, error) {
	return member.InitialGrant{}, nil
}

func missing(t *testing.T, s member.Store) {
	if _, err := s.Identity(t.Context(), app, "o1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("Identity: got %v, want ErrNotFound", err)
	}
	if _, err := s.Card(t.Context(), "c1", "A1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("Card: got %v, want ErrNotFound", err)
	}
	if _, err := s.Successor(t.Context(), "c1", "A1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("Successor: got %v, want ErrNotFound", err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.Event(ctx, "k1"); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("Event: got %v, want ErrNotFound", err)
		}
		return nil
	})
	if _, err := s.CurrentCode(t.Context(), "m1", "c1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("CurrentCode: got %v, want ErrNotFound", err)
	}
	if ok, err := s.Exists(t.Context(), "m1"); ok || err != nil {
		t.Errorf("Exists: got %v, %v", ok, err)
	}
	if cards, err := s.Cards(t.Context(), "m1"); len(cards) != 0 || err != nil {
		t.Errorf("Cards: got %v, %v", cards, err)
	}
	if ids, err := s.ByUnionID(t.Context(), ""); len(ids) != 0 || err != nil {
		t.Errorf("ByUnionID: got %v, %v", ids, err)
	}
}

var errUndo = errors.New("undo this")

func undone(t *testing.T, s member.Store) {
	err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Errorf("got %v, want the error of fn", err)
	}
	if ok, _ := s.Exists(t.Context(), "m1"); ok {
		t.Error("the member is there")
	}
}

func ownRows(t *testing.T, s member.Store) {
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		if ok, err := tx.Exists(ctx, "m1"); !ok || err != nil {
			t.Errorf("inside: got %v, %v", ok, err)
		}
		if ok, err := s.Exists(ctx, "m1"); ok || err != nil {
			t.Errorf("outside, before the commit: got %v, %v", ok, err)
		}
		return nil
	})
}

// service returns a Service on s.
func service(s member.Store) *member.Service {
	return member.New(s, member.Apps{MiniProgram: app, Official: official}, plan(member.PlanPush), func() {})
}

// enrolled adds members, each with the openid "open-" and its ID.
func enrolled(t *testing.T, s member.Store, memberIDs ...string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for _, m := range memberIDs {
			if err := tx.AddMember(ctx, m); err != nil {
				return err
			}
			if _, err := tx.AddIdentity(ctx, member.Identity{AppID: app, OpenID: "open-" + m, MemberID: m}); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(t *testing.T, s member.Store, fn func(ctx context.Context, tx member.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// tick waits until the clock of the database has moved on, so that what is stored next
// has a later time.
func tick() { <-time.After(2 * time.Millisecond) }

// printed is v with all its fields.
func printed(v any) string { return fmt.Sprintf("%+v", v) }

// each calls fn n times at once and returns the different answers.
func each(t *testing.T, n int, fn func() (string, error)) map[string]bool {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]bool{}
	for range n {
		wg.Go(func() {
			v, err := fn()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[v] = true
		})
	}
	wg.Wait()
	return got
}
