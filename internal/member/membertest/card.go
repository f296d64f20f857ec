package membertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

func codeUnique(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i, want := range []bool{true, false} {
			at, err := tx.AddIssued(ctx, []string{"m1", "m2"}[i], member.CodeRequest{CardID: "c1"}, "1000000000000008")
			if err != nil {
				return err
			}
			if at.IsZero() == want {
				t.Errorf("member %d: issued at %v, want one: %v", i+1, at, want)
			}
		}
		return nil
	})
}

func issuedUnique(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i, want := range []bool{true, false} {
			at, err := tx.AddIssued(ctx, "m1", member.CodeRequest{CardID: "c1"}, fmt.Sprint("code", i))
			if err != nil {
				return err
			}
			if at.IsZero() == want {
				t.Errorf("code %d: issued at %v, want one: %v", i, at, want)
			}
		}
		if at, err := tx.AddIssued(ctx, "unknown", member.CodeRequest{CardID: "c1"}, "code9"); !at.IsZero() || err != nil {
			t.Errorf("to an unknown member: issued at %v, %v", at, err)
		}
		return nil
	})
	for status, refused := range map[member.Status]bool{
		member.Claimed: true, member.Active: true, member.Deleted: true, member.Gifted: false, member.Unavailable: false,
	} {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			held := member.Card{CardID: "of " + string(status), Code: "held", MemberID: "m1", Status: status}
			if added, err := tx.AddCard(ctx, held); !added || err != nil {
				t.Errorf("%s: added %v, %v", status, added, err)
			}
			at, err := tx.AddIssued(ctx, "m1", member.CodeRequest{CardID: held.CardID}, "new")
			if err == nil && at.IsZero() != refused {
				t.Errorf("beside a %s one: issued at %v, want it refused: %v", status, at, refused)
			}
			return err
		})
	}
	c, err := s.CurrentCode(t.Context(), "m1", "c1")
	if err != nil || c.Code != "code0" || c.Status != member.Issued || c.IssuedAt.IsZero() {
		t.Errorf("got %+v, %v", c, err)
	}
}

func oneIssue(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	svc := service(s)
	codes := each(t, 64, func() (string, error) {
		c, err := svc.Codes(t.Context(), "m1", []member.CodeRequest{{CardID: "c1"}})
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

// channels makes concurrent calls of one member, each for several cards in an order
// and through a channel of its own.
func channels(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	svc := service(s)
	codes := each(t, 64, func() (string, error) {
		wants := []member.CodeRequest{{CardID: "c1"}, {CardID: "c2"}, {CardID: "c3"}}
		rand.Shuffle(len(wants), func(i, j int) { wants[i], wants[j] = wants[j], wants[i] })
		all := map[string]string{}
		for i := range wants {
			wants[i].OuterStr = fmt.Sprint(rand.Uint32())
		}
		got, err := svc.Codes(t.Context(), "m1", wants)
		for i, c := range got {
			all[wants[i].CardID] = c.Code
		}
		return fmt.Sprint(all), err
	})
	if len(codes) != 1 {
		t.Errorf("got %d different answers, want 1: %v", len(codes), codes)
	}
}

func order(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	cardIDs := []string{"c2", "c3", "c1"}
	for _, id := range cardIDs {
		began := time.Now().Add(-time.Second)
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			at, err := tx.AddIssued(ctx, "m1", member.CodeRequest{CardID: id}, "code")
			if at.Before(began) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("%s was issued at %v", id, at)
			}
			return err
		})
		tick()
	}
	add(t, s, member.Card{CardID: "c0", Code: "code", MemberID: "m1", Status: member.Claimed})
	cardIDs = append(cardIDs, "c0")
	want := func(of string, cards []member.Card, err error) {
		t.Helper()
		var got []string
		for _, c := range cards {
			got = append(got, c.CardID)
		}
		if !slices.Equal(got, cardIDs) || err != nil {
			t.Errorf("%s: got %v, %v, want %v", of, got, err, cardIDs)
		}
	}
	cards, err := s.Cards(t.Context(), "m1")
	want("the cards", cards, err)
	p, err := s.Person(t.Context(), "m1")
	want("of the person", p.Cards, err)
	people, err := s.People(t.Context(), member.Mark{}, 1)
	if len(people) != 1 {
		t.Fatalf("got %+v, %v", people, err)
	}
	want("in the list of people", people[0].Cards, err)
}

// full is a card with a value in every field that AddCard writes.
func full(memberID string) member.Card {
	at := func(ms int64) time.Time { return time.UnixMilli(1795400000000 + ms).UTC() }
	return member.Card{
		CardID: "c1", Code: "A1", MemberID: memberID, Status: member.Active,
		MembershipNumber: "No. 7", Fields: [3]string{"白银", " ", "🎂"}, FaceKnown: true,
		OuterStr: "店 42 <&>'\"", IssuedAt: at(1), ClaimedAt: at(22), ActivatedAt: at(333),
		Life: member.Life{Taken: 1 << 40, Deleted: 3, OuterSet: 7, Submitted: true, Wallet: "oA-_z", GivenFrom: "A0", Version: 1},
	}
}

func cardRoundTrip(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	want := full("m1")
	for _, v := range []reflect.Value{reflect.ValueOf(want), reflect.ValueOf(want.Life)} {
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).IsZero() && !slices.Contains([]string{"Bonus", "Balance", "Seq"}, name) { // the ledger's
				t.Errorf("full has no %s: this test would not see that it is lost", name)
			}
		}
	}
	for i, added := range []bool{true, false} {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			got, err := tx.AddCard(ctx, want)
			if got != added {
				t.Errorf("AddCard %d: got %v, want %v", i, got, added)
			}
			return err
		})
	}
	if got := card(t, s, "c1", "A1"); got != want {
		t.Errorf("added:\n got %+v\nwant %+v", got, want)
	}
	twin := want
	twin.CardID, twin.OuterStr = "c2", "twin"
	add(t, s, twin) // the code of another card
	changed := member.Card{CardID: "c1", Code: "A1", MemberID: "m2", Status: member.Gifted, Life: member.Life{Version: 1}}
	update(t, s, changed, true)
	if got := card(t, s, "c2", "A1"); got != twin {
		t.Errorf("the twin:\n got %+v\nwant %+v", got, twin)
	}
	changed.Life.Version = 2
	if got := card(t, s, "c1", "A1"); got != changed {
		t.Errorf("updated:\n got %+v\nwant %+v", got, changed)
	}
}

func staleUpdate(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	add(t, s, full("m1"))
	stale, fresh := card(t, s, "c1", "A1"), card(t, s, "c1", "A1")
	fresh.OuterStr = "first"
	update(t, s, fresh, true)
	stale.OuterStr = "second"
	update(t, s, stale, false)
	if got := card(t, s, "c1", "A1"); got.OuterStr != "first" {
		t.Errorf("outer_str: got %s, want that of the first update", got.OuterStr)
	}
	unknown := full("m1")
	unknown.Code = "A2"
	update(t, s, unknown, false)
	twin := full("m1")
	twin.CardID = "c2"
	add(t, s, twin)
	fresh = card(t, s, "c1", "A1")
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.LockCard(ctx, "c1", "A1") })
	if got := card(t, s, "c1", "A1"); got != fresh {
		t.Errorf("the lock changed the card: got %+v, want %+v", got, fresh)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Touch(ctx, "c1", "A1") })
	update(t, s, fresh, false)
	update(t, s, twin, true)
}

func oneUpdate(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	add(t, s, full("m1"))
	each(t, 16, func() (string, error) {
		for done := false; !done; { // as package member does it
			err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
				now, err := tx.Card(ctx, "c1", "A1")
				if err != nil {
					return err
				}
				now.Life.OuterSet++
				done, err = tx.UpdateCard(ctx, now)
				return err
			})
			if err != nil {
				return "", err
			}
		}
		return "", nil
	})
	if got := card(t, s, "c1", "A1"); got.Life.OuterSet != full("m1").Life.OuterSet+16 {
		t.Errorf("after 16 increments: got %d", got.Life.OuterSet)
	}
}

func currentCode(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	statuses := []member.Status{member.Gifted, member.Unavailable, member.Issued, member.Deleted, member.Claimed, member.Active}
	for i, status := range statuses {
		add(t, s, member.Card{CardID: "c1", Code: string(status), MemberID: "m1", Status: status})
		got, err := s.CurrentCode(t.Context(), "m1", "c1")
		if i < 2 {
			if !errors.Is(err, member.ErrNotFound) {
				t.Errorf("with %v: got %+v, %v, want ErrNotFound", statuses[:i+1], got, err)
			}
			continue
		}
		if got.Status != status || err != nil {
			t.Errorf("with %v: got %s, %v, want %s", statuses[:i+1], got.Status, err, status)
		}
	}
	for _, code := range []string{"1", "2"} { // such as a card that expired and was taken again
		tick()
		add(t, s, member.Card{CardID: "c1", Code: code, MemberID: "m1", Status: member.Active})
		if got, err := s.CurrentCode(t.Context(), "m1", "c1"); got.Code != code || err != nil {
			t.Errorf("got %+v, %v, want the newest of the active codes, %s", got, err, code)
		}
	}
	if _, err := s.CurrentCode(t.Context(), "m2", "c1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("another member: got %v, want ErrNotFound", err)
	}
	if _, err := s.CurrentCode(t.Context(), "m1", "c2"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("another card: got %v, want ErrNotFound", err)
	}
}

func hidden(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	add(t, s, member.Card{CardID: "c1", Code: "issued", MemberID: "m1", Status: member.Issued})
	add(t, s, member.Card{CardID: "c2", Code: "other", MemberID: "m1", Status: member.Issued})
	add(t, s, member.Card{CardID: "c1", Code: "hers", MemberID: "m2", Status: member.Active})
	for _, test := range []struct {
		status member.Status
		want   int
	}{{member.Gifted, 3}, {member.Unavailable, 4}, {member.Deleted, 4}, {member.Claimed, 5}, {member.Active, 6}} {
		add(t, s, member.Card{CardID: "c1", Code: string(test.status), MemberID: "m1", Status: test.status})
		if cards, err := s.Cards(t.Context(), "m1"); len(cards) != test.want || err != nil {
			t.Errorf("after %s: got %d cards, %v, want %d", test.status, len(cards), err, test.want)
		}
	}
	if c := card(t, s, "c1", "issued"); c.MemberID != "m1" { // may still be taken
		t.Errorf("the hidden code: got %+v", c)
	}
}

func successor(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	given := member.Card{CardID: "c1", Code: "new", MemberID: "m1", Status: member.Claimed, Life: member.Life{GivenFrom: "old", Version: 1}}
	add(t, s, given)
	add(t, s, member.Card{CardID: "c1", Code: "ungiven", MemberID: "m1", Status: member.Claimed})
	if got, err := s.Successor(t.Context(), "c1", "old"); got != given || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, given)
	}
	for _, key := range [][2]string{{"c1", "new"}, {"c2", "old"}, {"c1", ""}} {
		if got, err := s.Successor(t.Context(), key[0], key[1]); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("successor of %v: got %+v, %v, want ErrNotFound", key, got, err)
		}
	}
}

func card(t *testing.T, s member.Store, cardID, code string) member.Card {
	t.Helper()
	c, err := s.Card(t.Context(), cardID, code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func add(t *testing.T, s member.Store, c member.Card) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		added, err := tx.AddCard(ctx, c)
		if !added {
			t.Errorf("%s/%s was not added", c.CardID, c.Code)
		}
		return err
	})
}

func update(t *testing.T, s member.Store, c member.Card, want bool) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		done, err := tx.UpdateCard(ctx, c)
		if done != want {
			t.Errorf("UpdateCard of version %d: got %v, want %v", c.Life.Version, done, want)
		}
		return err
	})
}
