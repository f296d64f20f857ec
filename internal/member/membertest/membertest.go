// Package membertest is the conformance suite of member.Store: what the rules
// in package member rely on, whatever the database behind it.
package membertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"addcard/internal/member"
)

// Run runs the suite. open returns a fresh, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) member.Store) {
	for name, test := range map[string]func(*testing.T, member.Store){
		"what is not there is ErrNotFound":                missing,
		"an identity is added once":                       identityOnce,
		"identities are found by unionid":                 byUnionID,
		"an issued code is unique per card":               codeUnique,
		"a member has one issued code per card":           issuedUnique,
		"an error undoes everything":                      undone,
		"a transaction sees its own rows":                 ownRows,
		"concurrent first issues let one through":         oneIssue,
		"concurrent enrolments of one openid, one member": oneMember,
		"cards come oldest first":                         order,
	} {
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

func (p plan) Plan(context.Context, string) (member.Plan, error)  { return member.Plan(p), nil }
func (p plan) Learn(context.Context, string) (member.Plan, error) { return member.Plan(p), nil }

func missing(t *testing.T, s member.Store) {
	if _, err := s.Identity(t.Context(), app, "o1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("Identity: got %v, want ErrNotFound", err)
	}
	if _, err := s.LiveCard(t.Context(), "m1", "c1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("LiveCard: got %v, want ErrNotFound", err)
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

func identityOnce(t *testing.T, s member.Store) {
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for _, m := range []string{"m1", "m2"} {
			if err := tx.AddMember(ctx, m); err != nil {
				return err
			}
		}
		if added, err := tx.AddIdentity(ctx, member.Identity{AppID: app, OpenID: "o1", MemberID: "m1"}); !added || err != nil {
			t.Errorf("first: got %v, %v", added, err)
		}
		if added, err := tx.AddIdentity(ctx, member.Identity{AppID: app, OpenID: "o1", MemberID: "m2"}); added || err != nil {
			t.Errorf("second: got %v, %v", added, err)
		}
		return nil
	})
	got, err := s.Identity(t.Context(), app, "o1")
	if want := (member.Identity{AppID: app, OpenID: "o1", MemberID: "m1"}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func byUnionID(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.SetUnionID(ctx, app, "open-m1", "u1") })
	ids, err := s.ByUnionID(t.Context(), "u1")
	if err != nil || len(ids) != 1 || ids[0].MemberID != "m1" || ids[0].UnionID != "u1" {
		t.Errorf("got %+v, %v", ids, err)
	}
	if ids, err := s.Identities(t.Context(), "m1"); err != nil || len(ids) != 1 {
		t.Errorf("Identities: got %+v, %v", ids, err)
	}
}

func codeUnique(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i, want := range []bool{true, false} {
			added, err := tx.AddIssued(ctx, []string{"m1", "m2"}[i], "c1", "1000000000000008")
			if err != nil {
				return err
			}
			if added != want {
				t.Errorf("member %d: got %v, want %v", i+1, added, want)
			}
		}
		return nil
	})
}

func issuedUnique(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i, want := range []bool{true, false} {
			added, err := tx.AddIssued(ctx, "m1", "c1", fmt.Sprint("code", i))
			if err != nil {
				return err
			}
			if added != want {
				t.Errorf("code %d: got %v, want %v", i, added, want)
			}
		}
		return nil
	})
	c, err := s.LiveCard(t.Context(), "m1", "c1")
	if err != nil || c.Code != "code0" || c.Status != member.Issued || c.IssuedAt.IsZero() || !c.ClaimedAt.IsZero() {
		t.Errorf("got %+v, %v", c, err)
	}
}

func undone(t *testing.T, s member.Store) {
	refusal := errors.New("refused")
	err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		return refusal
	})
	if !errors.Is(err, refusal) {
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

func oneIssue(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	svc := member.New(s, member.Apps{MiniProgram: app, Official: official}, plan(member.PlanPush))
	codes := each(t, 64, func() (string, error) {
		c, err := svc.Codes(t.Context(), "m1", []string{"c1"})
		if err != nil {
			return "", err
		}
		return c[0].Code, nil
	})
	if len(codes) != 1 {
		t.Errorf("got %d different codes, want 1", len(codes))
	}
	if cards, err := s.Cards(t.Context(), "m1"); len(cards) != 1 || err != nil {
		t.Errorf("rows: got %d, %v", len(cards), err)
	}
}

func oneMember(t *testing.T, s member.Store) {
	svc := member.New(s, member.Apps{MiniProgram: app, Official: official}, plan(member.PlanPush))
	ids := each(t, 64, func() (string, error) { return svc.Enroll(t.Context(), app, "o1", "u1") })
	if len(ids) != 1 {
		t.Errorf("got %d members, want 1", len(ids))
	}
}

func order(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	for i := range 3 {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			_, err := tx.AddIssued(ctx, "m1", fmt.Sprint("c", i), fmt.Sprint("code", i))
			return err
		})
	}
	cards, err := s.Cards(t.Context(), "m1")
	if err != nil || len(cards) != 3 {
		t.Fatalf("got %+v, %v", cards, err)
	}
	for i, c := range cards {
		if want := fmt.Sprint("c", i); c.CardID != want {
			t.Errorf("card %d: got %s, want %s", i, c.CardID, want)
		}
	}
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
