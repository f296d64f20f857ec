package membertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	enrolled(t, s, "m1", "m2", "m4")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.AddIdentity(ctx, member.Identity{AppID: official, OpenID: "O1", UnionID: "u1", MemberID: "m1"}); err != nil {
			return err
		}
		for code, wallet := range map[string]string{"his": "O1", "hers": "O2", "unknown": "", "another's": "O1"} {
			c := member.Card{CardID: "c1", Code: code, MemberID: "m1", Status: member.Active, Life: member.Life{Wallet: wallet}}
			if code == "another's" {
				c.MemberID = "m4"
			}
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
	for code, want := range map[string]string{"his": "m2", "hers": "m1", "unknown": "m1", "another's": "m4"} {
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
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.DeleteMember(ctx, "m1") })
	if there, err := s.Exists(t.Context(), "m1"); !there || err != nil {
		t.Errorf("a member with cards is there: %v, %v", there, err)
	}
}

// movesUnknown moves the only identity of a member: the cards that are in no wallet yet go
// with it, but an issued code of a card of which the other member has one.
func movesUnknown(t *testing.T, s member.Store) {
	enrolled(t, s, "m2")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		if _, err := tx.AddIdentity(ctx, member.Identity{AppID: official, OpenID: "O1", MemberID: "m1"}); err != nil {
			return err
		}
		for _, c := range []member.Card{
			{CardID: "c1", Code: "claimed", MemberID: "m1", Status: member.Claimed},
			{CardID: "c1", Code: "issued", MemberID: "m1", Status: member.Issued},
			{CardID: "c2", Code: "second", MemberID: "m1", Status: member.Issued},
			{CardID: "c2", Code: "first", MemberID: "m2", Status: member.Issued},
		} {
			if _, err := tx.AddCard(ctx, c); err != nil {
				return err
			}
		}
		if err := tx.MoveIdentity(ctx, official, "O1", "m2"); err != nil {
			return err
		}
		if err := tx.MoveCards(ctx, "m1", "O1", "m2"); err != nil {
			return err
		}
		return tx.DeleteMember(ctx, "m1")
	})
	for _, c := range [][3]string{{"c1", "claimed", "m2"}, {"c1", "issued", "m2"}, {"c2", "first", "m2"}, {"c2", "second", "m1"}} {
		if got := card(t, s, c[0], c[1]).MemberID; got != c[2] {
			t.Errorf("card %s: got member %s, want %s", c[1], got, c[2])
		}
	}
}

// ignored replaces a unionid twice, and distrusts the last one.
func ignored(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	set := func(openID, unionID string) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.SetUnionID(ctx, app, openID, unionID) })
		tick()
	}
	for _, unionID := range []string{"u1", "u2", "u1", "u3"} {
		set("open-m1", unionID)
	}
	set("open-m2", "u2")
	want := func(unionID, counts, ignored string, shared bool) {
		t.Helper()
		id, err := s.Identity(t.Context(), app, "open-m1")
		if err != nil || id.UnionID != counts {
			t.Errorf("got %+v, %v, want unionid %q", id, err, counts)
		}
		if got, err := s.IgnoredUnionID(t.Context(), id); got != ignored || err != nil {
			t.Errorf("ignored: got %q, %v, want %q", got, err, ignored)
		}
		if got, err := s.Shared(t.Context(), unionID); got != shared || err != nil {
			t.Errorf("Shared: got %v, %v, want %v", got, err, shared)
		}
		ids, err := s.ByUnionID(t.Context(), unionID)
		if err != nil || len(ids) == 0 || ids[0] != id {
			t.Errorf("ByUnionID: got %+v, %v, want %+v", ids, err, id)
		}
	}
	want("u2", "u3", "u1", false) // u1 counted after u2
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.DistrustUnionID(ctx, "u2") })
	tick()
	want("u2", "u3", "u1", true)
	if id, err := s.Identity(t.Context(), app, "open-m2"); id.UnionID != "" || err != nil {
		t.Errorf("got %+v, %v, want no unionid", id, err)
	}
	if ids, err := s.ByUnionID(t.Context(), "u2"); len(ids) != 2 || err != nil {
		t.Errorf("ByUnionID: got %+v, %v, want both", ids, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.DistrustUnionID(ctx, "u3"); err != nil {
			return err
		}
		return tx.DistrustUnionID(ctx, "u3")
	})
	want("u3", "", "u1", true)
	if got, err := s.SharedUnionIDs(t.Context(), 9); !slices.Equal(got, []string{"u3", "u2"}) || err != nil {
		t.Errorf("SharedUnionIDs: got %v, %v, want the latest first", got, err)
	}
	if got, err := s.SharedUnionIDs(t.Context(), 1); len(got) != 1 || err != nil {
		t.Errorf("SharedUnionIDs, at most one: got %v, %v", got, err)
	}
}

func proofOnce(t *testing.T, s member.Store) {
	for _, p := range []member.Proof{
		{MemberID: "m2", OpenID: "O2"}, {MemberID: "m2", OpenID: "O1"}, {MemberID: "m1", OpenID: "O2"}, {MemberID: "m2", OpenID: "O2"},
	} {
		write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.AddProof(ctx, p) })
		tick()
	}
	for memberID, want := range map[string][]member.Proof{
		"m1": {{MemberID: "m1", OpenID: "O2"}}, "m2": {{MemberID: "m2", OpenID: "O2"}, {MemberID: "m2", OpenID: "O1"}}, "m3": nil,
	} {
		if got, err := s.ProofsOfMember(t.Context(), memberID); !slices.Equal(got, want) || err != nil {
			t.Errorf("of %s: got %v, %v, want %v", memberID, got, err, want)
		}
	}
	for openID, want := range map[string][]member.Proof{
		"O1": {{MemberID: "m2", OpenID: "O1"}}, "O2": {{MemberID: "m2", OpenID: "O2"}, {MemberID: "m1", OpenID: "O2"}}, "O3": nil,
	} {
		if got, err := s.ProofsOfWallet(t.Context(), openID); !slices.Equal(got, want) || err != nil {
			t.Errorf("of the wallet %s: got %v, %v, want %v", openID, got, err, want)
		}
	}
}

// ofOneApp gives two people one openid, each in another app.
func ofOneApp(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2", "m3")
	mine, theirs := member.Identity{AppID: app, OpenID: "open-m1"}, member.Identity{AppID: official, OpenID: "open-m1"}
	want := func(id member.Identity, memberID, unionID, ignored string) {
		t.Helper()
		got, err := s.Identity(t.Context(), id.AppID, id.OpenID)
		if got.MemberID != memberID || got.UnionID != unionID || err != nil {
			t.Errorf("got %+v, %v, want member %s and unionid %s", got, err, memberID, unionID)
		}
		if got, err := s.IgnoredUnionID(t.Context(), id); got != ignored || err != nil {
			t.Errorf("the ignored unionid of %+v: %q, %v, want %q", id, got, err, ignored)
		}
	}
	if id, err := s.Identity(t.Context(), official, "open-m1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("in the other app: %+v, %v, want ErrNotFound", id, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.AddIdentity(ctx, member.Identity{AppID: official, OpenID: "open-m1", MemberID: "m2"}); err != nil {
			return err
		}
		return errors.Join(
			tx.IgnoreUnionID(ctx, mine, "u1"), tx.IgnoreUnionID(ctx, theirs, "u2"), tx.IgnoreUnionID(ctx, mine, "u3"),
			tx.SetUnionID(ctx, app, "open-m1", "u3"), tx.SetUnionID(ctx, official, "open-m1", "u4"),
			tx.MoveIdentity(ctx, official, "open-m1", "m3"),
		)
	})
	want(mine, "m1", "u3", "u1")
	want(theirs, "m3", "u4", "u2")
	if ids, err := s.ByUnionID(t.Context(), "u1"); len(ids) != 1 || ids[0].MemberID != "m1" || err != nil {
		t.Errorf("by an ignored unionid: %+v, %v", ids, err)
	}
	if ids, err := s.Find(t.Context(), "u1", nil, 9); !slices.Equal(ids, []string{"m1"}) || err != nil {
		t.Errorf("found by an ignored unionid: %v, %v", ids, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Erase(ctx, "m1", "anonymous") })
	want(theirs, "m3", "u4", "u2")
	for id, want := range map[member.Identity]bool{mine: true, theirs: false} {
		if got, err := s.ErasedSince(t.Context(), id, time.Now().Add(-time.Hour)); got != want || err != nil {
			t.Errorf("ErasedSince(%+v): got %v, %v", id, got, err)
		}
	}
}

// sharedByMany gives one unionid to many people at once. Each has a card that was
// issued, and one of them a unionid of its own.
func sharedByMany(t *testing.T, s member.Store) {
	const n = 12
	svc := service(s)
	members, codes := make([]string, n), make([]string, n)
	for i := range n {
		own := map[int]string{0: "u0", 1: "U"}[i]
		var err error
		if members[i], err = svc.Enroll(t.Context(), app, fmt.Sprint("o", i), own); err != nil {
			t.Fatal(err)
		}
		issued, err := svc.Codes(t.Context(), members[i], []member.CodeRequest{{CardID: "c1"}})
		if err != nil {
			t.Fatal(err)
		}
		codes[i] = issued[0].Code
	}
	var wg sync.WaitGroup
	for i := range n {
		for j := range 3 {
			wg.Go(func() {
				e := member.Event{
					DedupeKey: fmt.Sprint(i, j), Name: "user_get_card", CardID: "c1", Code: codes[i], OpenID: fmt.Sprint("O", i), UnionID: "U",
					At: time.Unix(1e9, 0),
				}
				if j == 2 { // a card from a QR code
					e.Code = fmt.Sprint("s", i)
				}
				if err := svc.Receive(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for i, id := range members {
		p, err := s.Person(t.Context(), id)
		if err != nil || len(p.Identities) != 2 || len(p.Cards) != 2 {
			t.Errorf("member %d: %+v, %v, want two identities and two cards", i, p, err)
		}
	}
	if found, err := svc.Find(t.Context(), "U", 2*n); len(found) != n || err != nil {
		t.Errorf("found %d by the unionid, %v, want %d", len(found), err, n)
	}
}

// sharedInAnyOrder delivers, in random orders, logins and events of two people with an
// issued card and of one who took a card from a QR code; most have the unionid U.
func sharedInAnyOrder(t *testing.T, s member.Store) {
	svc := service(s)
	for round := range 12 {
		random := rand.New(rand.NewPCG(uint64(round), 0))
		name := func(who string) string { return fmt.Sprint(round, "-", who) }
		var steps []func() error
		login := func(who, union string) func() error {
			return func() error { _, err := svc.Enroll(t.Context(), app, name(who), name(union)); return err }
		}
		taken := func(who, code string) {
			e := member.Event{
				DedupeKey: code, Name: "user_get_card", CardID: "c1", Code: code, OpenID: name("O" + who), UnionID: name("U"), At: time.Unix(1e9, 0),
			}
			steps = append(steps, func() error { return svc.Receive(t.Context(), e) })
		}
		members := map[string]string{}
		for _, who := range []string{"ming", "hong", "lei"} {
			id, err := svc.Enroll(t.Context(), app, name(who), "")
			if err != nil {
				t.Fatal(err)
			}
			members[who] = id
			if who != "lei" {
				codes, err := svc.Codes(t.Context(), id, []member.CodeRequest{{CardID: "c1"}})
				if err != nil {
					t.Fatal(err)
				}
				taken(who, codes[0].Code)
			}
			taken(who, name("s-"+who))
			steps = append(steps, login(who, "u-"+who), login(who, "U"))
		}
		random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		for _, do := range steps {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
		for who, want := range map[string]int{"ming": 2, "hong": 2, "lei": 0} {
			p, err := s.Person(t.Context(), members[who])
			if err != nil || len(p.Cards) != want || len(p.Identities) != max(1, want) {
				t.Errorf("round %d: %s is %+v, %v, want %d cards", round, who, p, err, want)
			}
		}
		if id, err := s.Identity(t.Context(), official, name("Olei")); err != nil || id.MemberID == members["lei"] || id.UnionID != "" {
			t.Errorf("round %d: lei's wallet: %+v, %v, want a member of its own", round, id, err)
		}
	}
}
