package membertest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

func anAccount(id, cardID string) member.Imported {
	return member.Imported{
		ID: id, CardID: cardID, Code: "code-" + id, UnionID: "union-" + id, OpenID: "open-" + id, Phone: "phone-" + id,
		MembershipNumber: "number-" + id, Fields: [3]string{"f1", "f2", "f3"}, Bonus: 40, Balance: 7, Sealed: "sealed-" + id,
	}
}

func addImported(t *testing.T, s member.Store, accounts ...member.Imported) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for _, a := range accounts {
			if added, err := tx.AddImported(ctx, a); err != nil || !added {
				t.Errorf("add %s: %v, %v", a.ID, added, err)
			}
		}
		return nil
	})
}

func importedRoundTrip(t *testing.T, s member.Store) {
	began := time.Now().Add(-time.Minute)
	enrolled(t, s, "m1")
	a, other := anAccount("a1", "c1"), anAccount("a2", "c1")
	a.MemberID, a.BoundAt = "m1", time.Unix(1e9, 0).UTC()
	addImported(t, s, a, other)
	for name, m := range map[string]member.Marks{
		"code": {CardID: "c1", Code: a.Code}, "unionid": {UnionID: a.UnionID}, "openid": {OpenID: a.OpenID},
		"phone": {Phones: []string{a.Phone}}, "the second hash": {Phones: []string{"x", a.Phone}},
		"all": {CardID: "c1", Code: a.Code, UnionID: a.UnionID, OpenID: a.OpenID, Phones: []string{a.Phone, a.Phone}},
	} {
		found, err := s.ImportedBy(t.Context(), m)
		if err != nil || len(found) != 1 {
			t.Errorf("by %s: got %+v, %v", name, found, err)
			continue
		}
		if found[0].CreatedAt.Before(began) {
			t.Errorf("by %s: created at %v", name, found[0].CreatedAt)
		}
		found[0].CreatedAt = time.Time{}
		if !reflect.DeepEqual(found[0], a) {
			t.Errorf("by %s: got\n%+v, want\n%+v", name, found[0], a)
		}
	}
	for name, m := range map[string]member.Marks{
		"nothing": {}, "another card's code": {CardID: "c2", Code: a.Code}, "no hash": {Phones: []string{""}}, "another's": {OpenID: "open-a9"},
	} {
		if found, err := s.ImportedBy(t.Context(), m); len(found) != 0 || err != nil {
			t.Errorf("by %s: got %+v, %v", name, found, err)
		}
	}
}

// An account of a card has marks of its own. Another card's account may have the same.
func importedOnce(t *testing.T, s member.Store) {
	first := anAccount("a1", "c1")
	addImported(t, s, first, member.Imported{ID: "none-1", CardID: "c1", Code: "x1"}, member.Imported{ID: "none-2", CardID: "c1", Code: "x2"})
	for name, set := range map[string]func(*member.Imported){
		"code":    func(a *member.Imported) { a.Code = first.Code },
		"phone":   func(a *member.Imported) { a.Phone = first.Phone },
		"unionid": func(a *member.Imported) { a.UnionID = first.UnionID },
		"openid":  func(a *member.Imported) { a.OpenID = first.OpenID },
	} {
		for _, cardID := range []string{"c1", "c-" + name} {
			a := anAccount(name+cardID, cardID)
			set(&a)
			write(t, s, func(ctx context.Context, tx member.Tx) error {
				added, err := tx.AddImported(ctx, a)
				if added != (cardID != "c1") {
					t.Errorf("the same %s, card %s: added %v", name, cardID, added)
				}
				return err
			})
		}
	}
}

func importedBound(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	addImported(t, s, anAccount("a1", "c2"), anAccount("a2", "c1"), anAccount("a3", "c1"))
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for _, step := range []struct {
			account, memberID string
			want              bool
		}{{"a1", "m1", true}, {"a1", "m2", false}, {"a1", "m1", false}, {"a2", "m1", true}, {"a3", "m2", true}} {
			if bound, err := tx.BindImported(ctx, step.account, step.memberID); err != nil || bound != step.want {
				t.Errorf("%+v: got %v, %v", step, bound, err)
			}
		}
		return nil
	})
	bound, err := s.BoundTo(t.Context(), "m1")
	if err != nil || len(bound) != 2 || bound[0].ID != "a2" || bound[1].ID != "a1" || bound[0].BoundAt.IsZero() {
		t.Errorf("got %+v, %v, want those of c1 and c2", bound, err)
	}
	if none, err := s.BoundTo(t.Context(), ""); len(none) != 0 || err != nil {
		t.Errorf("bound to no member: %+v, %v", none, err)
	}
}

func importedWaiting(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	first, other, bound := anAccount("a1", "c1"), anAccount("a1b", "c2"), anAccount("a2", "c1")
	other.Code, bound.Phone, bound.MemberID = first.Code, "phone-b", "m1"
	addImported(t, s, first)
	tick()
	addImported(t, s, other, bound)
	for _, test := range []struct {
		key    string
		phones []string
		n      int
		want   string
	}{
		{"a1", nil, 9, "a1"}, {first.Code, nil, 9, "a1 a1b"}, {first.Code, nil, 1, "a1"}, {first.UnionID, nil, 9, "a1"},
		{other.OpenID, nil, 9, "a1b"}, {first.MembershipNumber, nil, 9, "a1"}, {"x", []string{"no", first.Phone}, 9, "a1"},
		{"x", []string{first.Phone, other.Phone}, 9, "a1 a1b"}, {"x", []string{first.Phone, other.Phone}, 1, "a1"},
		{"", nil, 9, ""}, {"", []string{""}, 9, ""}, {"a", nil, 9, ""}, {first.Phone, nil, 9, ""}, {"a2", []string{"phone-b"}, 9, ""},
	} {
		found, err := s.Waiting(t.Context(), test.key, test.phones, test.n)
		var ids []string
		for _, a := range found {
			ids = append(ids, a.ID)
		}
		if got := strings.Join(ids, " "); got != test.want || err != nil {
			t.Errorf("%q, phones %q: got %q, %v, want %q", test.key, test.phones, got, err, test.want)
		}
	}
	all, err := s.AllBoundTo(t.Context(), "m1")
	if err != nil || len(all) != 1 || all[0].ID != "a2" {
		t.Errorf("bound to m1: got %+v, %v", all, err)
	}
}

// What is left of an account that was erased are its figures. The same person may be
// imported anew.
func importedErased(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	a, bound := anAccount("a1", "c1"), anAccount("a2", "c1")
	bound.MemberID = "m1"
	addImported(t, s, a, bound)
	erase := func(id string) (err error) {
		_ = s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
			err = tx.EraseImported(ctx, id, "anonymous-"+id)
			return err
		})
		return err
	}
	if err := erase("a1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a1", "a2", "a9", ""} {
		if err := erase(id); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("erase %q: got %v", id, err)
		}
	}
	left, err := s.AllBoundTo(t.Context(), "anonymous-a1")
	if err != nil || len(left) != 1 || left[0].BoundAt.IsZero() {
		t.Fatalf("got %+v, %v", left, err)
	}
	left[0].CreatedAt, left[0].BoundAt = time.Time{}, time.Time{}
	if want := (member.Imported{ID: "a1", CardID: "c1", MemberID: "anonymous-a1", Bonus: 40, Balance: 7}); left[0] != want {
		t.Errorf("got %+v, want %+v", left[0], want)
	}
	for _, id := range []string{"anonymous-a1", "anonymous-a2"} {
		if people, err := s.Find(t.Context(), id, nil, 9); len(people) != 0 || err != nil {
			t.Errorf("%s is a member who is found: %v, %v", id, people, err)
		}
	}
	if kept, err := s.AllBoundTo(t.Context(), "m1"); err != nil || len(kept) != 1 || kept[0].Code != bound.Code {
		t.Errorf("the account of a member: %+v, %v", kept, err)
	}
	a.ID = "a3"
	addImported(t, s, a)
}

// A card without entries takes the ledger of the account. Of another card the ledger
// stays, and an entry takes all from the account's.
func importedJoined(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	account, zero := anAccount("a1", "c1"), anAccount("a2", "c1")
	zero.Bonus, zero.Balance = 0, 0
	addImported(t, s, account, zero, anAccount("a3", "c2"))
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for _, key := range [][2]string{{"c1", "A1"}, {"c2", "A2"}} {
			if _, err := tx.AddCard(ctx, member.Card{CardID: key[0], Code: key[1], MemberID: "m1", Status: member.Claimed}); err != nil {
				return err
			}
		}
		if joined, err := tx.HasJoined(ctx, "c1", "A1"); joined || err != nil {
			t.Errorf("before: joined %v, %v", joined, err)
		}
		for _, a := range []member.Imported{account, zero} {
			if err := tx.JoinImported(ctx, a, "A1", true); err != nil {
				return err
			}
		}
		return tx.JoinImported(ctx, anAccount("a3", "c2"), "A2", false)
	})
	if c, err := s.Card(t.Context(), "c1", "A1"); err != nil || c.Bonus != 40 || c.Balance != 7 || c.Seq != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	entries, err := s.Entries(t.Context(), "c1", "A1", 0, 9)
	if err != nil || len(entries) != 1 || entries[0].AddBonus != 40 || entries[0].Balance != 7 || entries[0].RecordBonus != "原有积分" {
		t.Errorf("got %+v, %v", entries, err)
	}
	if c, err := s.Card(t.Context(), "c2", "A2"); err != nil || c.Bonus != 0 || c.Seq != 0 {
		t.Errorf("not taken: got %+v, %v", c, err)
	}
	for _, key := range [][2]string{{"c1", "A1"}, {"c2", "A2"}} {
		if joined, err := s.HasJoined(t.Context(), key[0], key[1]); !joined || err != nil {
			t.Errorf("%v: joined %v, %v", key, joined, err)
		}
	}
	found, err := s.ImportedBy(t.Context(), member.Marks{OpenID: account.OpenID})
	if err != nil || found[0].JoinedCode != "A1" || found[0].JoinedAt.IsZero() {
		t.Errorf("got %+v, %v", found, err)
	}
}
