package membertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

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

func oneMember(t *testing.T, s member.Store) {
	svc := service(s)
	ids := each(t, 64, func() (string, error) { return svc.Enroll(t.Context(), app, "o1", "u1") })
	if len(ids) != 1 {
		t.Errorf("got %d members, want 1", len(ids))
	}
}

// fromAllSides runs logins, events of old and new cards, and the claim of an issued
// card at once. In every second round the wallet is known before.
func fromAllSides(t *testing.T, s member.Store) {
	svc := service(s)
	event := func(i int, union, code string) error {
		return svc.Receive(t.Context(), member.Event{DedupeKey: fmt.Sprint(i, union, code), Name: "user_get_card", CardID: "c1", Code: code,
			OpenID: fmt.Sprint("O", i), UnionID: union, At: time.Unix(1e9, 0)})
	}
	for i := range 16 {
		who, union := fmt.Sprint("o", i), fmt.Sprint("u", i)
		id, err := svc.Enroll(t.Context(), app, who, "")
		if err != nil {
			t.Fatal(err)
		}
		codes, err := svc.Codes(t.Context(), id, []member.CodeRequest{{CardID: "c2"}})
		if err != nil {
			t.Fatal(err)
		}
		taken := member.Event{
			DedupeKey: codes[0].Code, Name: "user_get_card", CardID: "c2", Code: codes[0].Code,
			OpenID: fmt.Sprint("O", i), At: time.Unix(1e9, 0),
		}
		if i%2 == 0 {
			if err := event(i, "", fmt.Sprint(i, "-a")); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for _, do := range []func() error{
			func() error { _, err := svc.Enroll(t.Context(), app, who, union); return err },
			func() error { _, err := svc.Enroll(t.Context(), app, who, union); return err },
			func() error { return event(i, union, fmt.Sprint(i, "-a")) },
			func() error { return event(i, union, fmt.Sprint(i, "-b")) },
			func() error { return event(i, "", fmt.Sprint(i, "-c")) },
			func() error { return svc.Receive(t.Context(), taken) },
			func() error {
				_, err := svc.Claim(t.Context(), id, []member.Claim{{CardID: "c2", Code: codes[0].Code, Plan: member.PlanPush}})
				return err
			},
		} {
			wg.Go(func() {
				if err := do(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		p, err := s.Person(t.Context(), id)
		if err != nil || len(p.Identities) != 2 || len(p.Cards) != 4 {
			t.Errorf("round %d: %+v, %v", i, p, err)
		}
	}
}

// moves moves the wallet O1 from m1 to m2: the cards in the wallet move, the others
// stay.
func moves(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.AddIdentity(ctx, member.Identity{AppID: official, OpenID: "O1", UnionID: "u1", MemberID: "m1"}); err != nil {
			return err
		}
		for code, wallet := range map[string]string{"his": "O1", "hers": "O2", "unknown": ""} {
			c := member.Card{CardID: "c1", Code: code, MemberID: "m1", Status: member.Active, Life: member.Life{Wallet: wallet}}
			if _, err := tx.AddCard(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	before := card(t, s, "c1", "his")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.MoveIdentity(ctx, official, "O1", "m2"); err != nil {
			return err
		}
		return tx.MoveCards(ctx, "m1", "O1", "m2")
	})
	for code, want := range map[string]string{"his": "m2", "hers": "m1", "unknown": "m1"} {
		if got := card(t, s, "c1", code).MemberID; got != want {
			t.Errorf("card %s: got member %s, want %s", code, got, want)
		}
	}
	if after := card(t, s, "c1", "his"); after.Life.Version == before.Life.Version {
		t.Error("the version of the moved card is unchanged: an update of a card that was read before would succeed")
	}
	id, err := s.Identity(t.Context(), official, "O1")
	if want := (member.Identity{AppID: official, OpenID: "O1", UnionID: "u1", MemberID: "m2"}); id != want || err != nil {
		t.Errorf("identity: got %+v, %v, want %+v", id, err, want)
	}
	if id, err := s.Identity(t.Context(), app, "open-m1"); id.MemberID != "m1" || err != nil {
		t.Errorf("the other identity: got %+v, %v", id, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m3"); err != nil {
			return err
		}
		return tx.DeleteMember(ctx, "m3")
	})
	if there, err := s.Exists(t.Context(), "m3"); there || err != nil {
		t.Errorf("a deleted member: got %v, %v", there, err)
	}
	if err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error { return tx.DeleteMember(ctx, "m1") }); err == nil {
		t.Error("a member with cards could be deleted")
	}
}

func conflictOnce(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	for range 2 {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			return tx.AddConflict(ctx, member.Identity{AppID: app, OpenID: "open-m1", MemberID: "m1"}, "m2")
		})
	}
}
