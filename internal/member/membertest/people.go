package membertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

func pages(t *testing.T, s member.Store) {
	const n = 7
	for k := range n {
		tick()
		i := k * 3 % n // the IDs do not grow with time
		id := fmt.Sprint("m", i)
		enrolled(t, s, id)
		for j := range i % 3 {
			add(t, s, member.Card{
				CardID: "c1", Code: fmt.Sprint(id, "-", j), MemberID: id, Status: member.Claimed, ClaimedAt: time.UnixMilli(5).UTC(),
			})
		}
	}
	for size := 1; size <= n+1; size++ {
		var got []member.Person
		for after := (member.Mark{}); ; {
			page, err := s.People(t.Context(), after, size)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > size {
				t.Fatalf("a page of %d has %d", size, len(page))
			}
			got = append(got, page...)
			if len(page) < size {
				break
			}
			after = page[len(page)-1].Mark()
		}
		if len(got) != n {
			t.Fatalf("pages of %d: %d members, want %d", size, len(got), n)
		}
		for i, p := range got {
			if want := fmt.Sprint("m", (n-1-i)*3%n); p.ID != want {
				t.Errorf("pages of %d: %s is the %dth, want %s, as the newest come first", size, p.ID, i, want)
			}
			alone, err := s.Person(t.Context(), p.ID)
			if err != nil || printed(alone) != printed(p) {
				t.Errorf("in a list %+v, alone %+v, %v", p, alone, err)
			}
			var number int
			if _, err := fmt.Sscanf(p.ID, "m%d", &number); err != nil || len(p.Cards) != number%3 || len(p.Identities) != 1 {
				t.Errorf("%+v", p)
			}
		}
	}
	if _, err := s.Person(t.Context(), "unknown"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("unknown member: got %v, want ErrNotFound", err)
	}
}

func found(t *testing.T, s member.Store) {
	enrolled(t, s, "m2")
	tick()
	enrolled(t, s, "m1")
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if err := tx.IgnoreUnionID(ctx, member.Identity{AppID: app, OpenID: "open-m1"}, "u0"); err != nil {
			return err
		}
		return tx.SetUnionID(ctx, app, "open-m1", "u1")
	})
	add(t, s, member.Card{CardID: "c1", Code: "A1", MemberID: "m1", Status: member.Active, MembershipNumber: "N1"})
	add(t, s, member.Card{CardID: "c2", Code: "A1", MemberID: "m2", Status: member.Active})
	for key, want := range map[string]int{"m1": 1, "open-m1": 1, "u0": 1, "u1": 1, "N1": 1, "A1": 2, "": 0, "A": 0, "m1%": 0, "%": 0} {
		ids, err := s.Find(t.Context(), key, nil, 10)
		if err != nil || len(ids) != want || want == 1 && ids[0] != "m1" {
			t.Errorf("Find(%q): got %v, %v, want %d", key, ids, err, want)
		}
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return errors.Join(tx.PutForm(ctx, "c2", "A1", member.SealedForm{Key: "t1", Phone: "hash", Sealed: "x"}),
			tx.PutForm(ctx, "c1", "A1", member.SealedForm{Key: "t2", Sealed: "a form without a phone number"}))
	})
	for _, phones := range [][]string{
		{"hash"}, {"new", "hash"}, {"newer", "new", "hash"}, {"newest", "newer", "new", "hash"}, {"1", "2", "3", "4", "5", "hash"},
	} {
		if ids, err := s.Find(t.Context(), "137", phones, 10); err != nil || len(ids) != 1 || ids[0] != "m2" {
			t.Errorf("by phone: got %v, %v", ids, err)
		}
	}
	if ids, err := s.Find(t.Context(), "m2", []string{"1", "2", "3", "4", "hash"}, 10); !slices.Equal(ids, []string{"m2"}) || err != nil {
		t.Errorf("by two identifiers: got %v, %v", ids, err)
	}
	if ids, err := s.Find(t.Context(), "A1", nil, 1); !slices.Equal(ids, []string{"m1"}) || err != nil {
		t.Errorf("at most one: got %v, %v, want the newest", ids, err)
	}
}

// Members who are added together may have one time of creation.
func pagesOfOneMoment(t *testing.T, s member.Store) {
	const n = 60
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i := range n {
			if err := tx.AddMember(ctx, fmt.Sprint("m", i)); err != nil {
				return err
			}
		}
		return nil
	})
	seen := map[string]bool{}
	for after := (member.Mark{}); ; {
		page, err := s.People(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page {
			if seen[p.ID] {
				t.Fatalf("%s is listed twice", p.ID)
			}
			seen[p.ID], after = true, p.Mark()
		}
		if len(page) == 0 {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("%d members are listed, want %d", len(seen), n)
	}
}

func erased(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	add(t, s, member.Card{CardID: "c1", Code: "A1", MemberID: "m1", Status: member.Active, MembershipNumber: "N1",
		Fields: [3]string{"gold"}, Life: member.Life{Wallet: "open-m1"}})
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 70, AddBalance: 5}, "", true)
	})
	add(t, s, member.Card{CardID: "c1", Code: "A2", MemberID: "m1", Status: member.Gifted})
	add(t, s, member.Card{CardID: "c1", Code: "B1", MemberID: "m2", Status: member.Active})
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i, who := range []string{"open-m1", "open-m1", "open-m2", "open-m1"} {
			e := member.Event{DedupeKey: fmt.Sprint("k", i), Name: "user_view_card", CardID: "c1", Code: []string{"A1", "X", "B1", ""}[i],
				OpenID: who, Fields: map[string]string{"FromUserName": who}}
			if _, err := tx.AddEvent(ctx, e); err != nil {
				return err
			}
		}
		for _, m := range []outbox.Message{
			{CardID: "c1", Code: "A1", Kind: "look"},
			{CardID: "c1", Code: "X", Kind: "apply_event", Payload: "k1"},
			{CardID: "c1", Code: "B1", Kind: "look"},
		} {
			if err := tx.Enqueue(ctx, m); err != nil {
				return err
			}
		}
		if _, err := tx.UseTicket(ctx, "t1", "c1", "A1"); err != nil {
			return err
		}
		if err := tx.PutForm(ctx, "c1", "A1", member.SealedForm{Key: "f1", Phone: "hash", Sealed: "x"}); err != nil {
			return err
		}
		if err := tx.IgnoreUnionID(ctx, member.Identity{AppID: app, OpenID: "open-m1"}, "u1"); err != nil {
			return err
		}
		for _, p := range []member.Proof{{MemberID: "m1", OpenID: "O1"}, {MemberID: "m2", OpenID: "open-m1"}, {MemberID: "m2", OpenID: "O2"}} {
			if err := tx.AddProof(ctx, p); err != nil {
				return err
			}
		}
		return tx.Erase(ctx, "m1", "anonymous")
	})
	for _, key := range []string{"m1", "open-m1", "u1", "A1", "A2", "N1", "anonymous"} {
		if ids, err := s.Find(t.Context(), key, nil, 10); len(ids) != 0 || err != nil {
			t.Errorf("Find(%q): got %v, %v", key, ids, err)
		}
	}
	for memberID, want := range map[string]int{"m1": 0, "m2": 1} {
		if proofs, err := s.ProofsOfMember(t.Context(), memberID); len(proofs) != want || err != nil {
			t.Errorf("proofs of %s: got %v, %v, want %d", memberID, proofs, err, want)
		}
	}
	for _, id := range []string{"m1", "anonymous"} {
		if ok, err := s.Exists(t.Context(), id); ok || err != nil {
			t.Errorf("Exists(%s): got %v, %v", id, ok, err)
		}
		if _, err := s.Person(t.Context(), id); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("Person(%s): got %v", id, err)
		}
	}
	if people, err := s.People(t.Context(), member.Mark{}, 10); err != nil || len(people) != 1 || people[0].ID != "m2" {
		t.Errorf("People: got %+v, %v", people, err)
	}
	c, err := s.Card(t.Context(), "c1", "A1")
	if err != nil || c.MemberID != "anonymous" || c.Status != member.Unavailable || c.Bonus != 70 || c.Balance != 5 ||
		c.Life.Wallet != "" || c.Fields[0] != "" {
		t.Errorf("the card: got %+v, %v", c, err)
	}
	if c, err := s.Card(t.Context(), "c1", "A2"); err != nil || c.Status != member.Gifted {
		t.Errorf("the gifted card: got %+v, %v", c, err)
	}
	if c, err := s.Card(t.Context(), "c1", "X"); err != nil || c.Status != member.Unavailable {
		t.Errorf("the code that an event named: got %+v, %v", c, err)
	}
	for code, want := range map[string]bool{"A1": true, "A2": true, "X": true, "B1": false, "none": false, "": false} {
		if got, err := s.Erased(t.Context(), "c1", code); got != want || err != nil {
			t.Errorf("Erased(%s): got %v, %v", code, got, err)
		}
	}
	for _, known := range []struct {
		openID string
		at     time.Duration // before now
		want   bool
	}{{"open-m1", time.Hour, true}, {"open-m1", -time.Hour, false}, {"open-m2", time.Hour, false}} {
		at := time.Now().Add(-known.at)
		if got, err := s.ErasedSince(t.Context(), member.Identity{AppID: app, OpenID: known.openID}, at); got != known.want || err != nil {
			t.Errorf("ErasedSince(%s, %v): got %v, %v", known.openID, at, got, err)
		}
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for key, want := range map[string]string{"k0": "", "k1": "", "k2": "open-m2", "k3": ""} {
			e, err := tx.Event(ctx, key)
			if err != nil || e.OpenID != want || len(e.Fields) > 0 != (want != "") {
				t.Errorf("event %s: got %+v, %v", key, e, err)
			}
		}
		return nil
	})
	if forms, err := s.Forms(t.Context(), "c1", "A1"); len(forms) != 0 || err != nil {
		t.Errorf("forms: got %v, %v", forms, err)
	}
	if _, code, err := s.FormCode(t.Context(), "t1"); code != "A1" || err != nil {
		t.Errorf("the used ticket: got %v, %v", code, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for code, want := range map[string]bool{"A1": false, "X": false, "B1": true} {
			if got, err := tx.HasWaiting(ctx, "c1", code); got != want || err != nil {
				t.Errorf("a message waits for %s: got %v, %v", code, got, err)
			}
		}
		return nil
	})
}

func formOnce(t *testing.T, s member.Store) {
	if _, _, err := s.FormCode(t.Context(), "t1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("an unused ticket: got %v", err)
	}
	for i, want := range []bool{true, false} {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			added, err := tx.UseTicket(ctx, "t1", "c1", fmt.Sprint("A", i))
			if added != want {
				t.Errorf("%d: added %v", i, added)
			}
			return err
		})
	}
	if cardID, code, err := s.FormCode(t.Context(), "t1"); cardID != "c1" || code != "A0" || err != nil {
		t.Errorf("got %s, %s, %v", cardID, code, err)
	}
	if forms, err := s.Forms(t.Context(), "c1", "A0"); err != nil || len(forms) != 0 {
		t.Errorf("forms: got %v, %v", forms, err)
	}
}

// erasedBesideAnother erases a member whose code is also one of another card.
func erasedBesideAnother(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	add(t, s, member.Card{CardID: "c1", Code: "A1", MemberID: "m1", Status: member.Active})
	theirs := member.Card{CardID: "c2", Code: "A1", MemberID: "m2", Status: member.Active, MembershipNumber: "N2"}
	theirs.Life.Version = 1
	add(t, s, theirs)
	form := member.SealedForm{Key: "f2", Phone: "hash", Sealed: "x"}
	event := member.Event{DedupeKey: "k2", CardID: "c2", Code: "A1", OpenID: "open-m2", FriendOpenID: "open-m3"}
	event.Fields = map[string]string{"a": "b"}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if _, err := tx.AddEvent(ctx, event); err != nil {
			return err
		}
		return errors.Join(tx.PutForm(ctx, "c2", "A1", form), tx.Enqueue(ctx, outbox.Message{CardID: "c2", Code: "A1", Kind: "look"}),
			tx.AddProof(ctx, member.Proof{MemberID: "m2", OpenID: "O2"}), tx.Erase(ctx, "m1", "anonymous"))
	})
	if got := card(t, s, "c2", "A1"); got != theirs {
		t.Errorf("the card: got %+v, want %+v", got, theirs)
	}
	if got, err := s.Forms(t.Context(), "c2", "A1"); !slices.Equal(got, []member.SealedForm{form}) || err != nil {
		t.Errorf("the form: got %+v, %v", got, err)
	}
	if got, err := s.Erased(t.Context(), "c2", "A1"); got || err != nil {
		t.Errorf("Erased: got %v, %v", got, err)
	}
	if got, err := s.ProofsOfMember(t.Context(), "m2"); len(got) != 1 || err != nil {
		t.Errorf("proofs: got %v, %v", got, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		if waits, err := tx.HasWaiting(ctx, "c2", "A1"); !waits || err != nil {
			t.Errorf("a message waits: got %v, %v", waits, err)
		}
		got, err := tx.Event(ctx, "k2")
		if got.OpenID != event.OpenID || got.FriendOpenID != event.FriendOpenID || len(got.Fields) != 1 {
			t.Errorf("the event: got %+v", got)
		}
		return err
	})
}

// erasedAgain erases a person who came back.
func erasedAgain(t *testing.T, s member.Store) {
	for range 2 {
		tick()
		enrolled(t, s, "m1")
		tick()
		at := time.Now()
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			return tx.Erase(ctx, "m1", fmt.Sprint("anonymous ", at.UnixNano()))
		})
		got, err := s.ErasedSince(t.Context(), member.Identity{AppID: app, OpenID: "open-m1"}, at)
		if !got || err != nil {
			t.Errorf("ErasedSince, of a moment before the erasure: got %v, %v", got, err)
		}
	}
}

// formErased erases a member while a form of the member's is stored.
func formErased(t *testing.T, s member.Store) {
	for i := range 5 {
		id, code := fmt.Sprint("m", i), fmt.Sprint("A", i)
		enrolled(t, s, id)
		add(t, s, member.Card{CardID: "c1", Code: code, MemberID: id, Status: member.Active})
		locked := make(chan struct{})
		begin := sync.OnceFunc(func() { close(locked) })
		var wg sync.WaitGroup
		wg.Go(func() {
			<-locked
			err := ledger.RetryConflicts(func() error {
				return s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error { return tx.Erase(ctx, id, "anonymous "+id) })
			})
			if err != nil {
				t.Error(err)
			}
		})
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			if err := tx.LockCard(ctx, "c1", code); err != nil {
				return err
			}
			begin()
			for range 100 { // while the erasure gets as far as it can
				if _, err := tx.Forms(ctx, "c1", code); err != nil {
					return err
				}
			}
			return tx.PutForm(ctx, "c1", code, member.SealedForm{Key: code, Phone: "hash", Sealed: "x"})
		})
		wg.Wait()
		if forms, err := s.Forms(t.Context(), "c1", code); len(forms) != 0 || err != nil {
			t.Fatalf("forms of an erased member: got %v, %v", forms, err)
		}
	}
}

func formReplaced(t *testing.T, s member.Store) {
	first, second := member.SealedForm{Key: "f2", Phone: "hash", Sealed: "x"}, member.SealedForm{Key: "f1", Sealed: "y"}
	put := func(code string, forms ...member.SealedForm) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			for _, f := range forms {
				if err := tx.PutForm(ctx, "c1", code, f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	want := func(code string, want ...member.SealedForm) {
		t.Helper()
		if got, err := s.Forms(t.Context(), "c1", code); err != nil || !slices.Equal(got, want) {
			t.Errorf("forms of %s: got %v, %v, want %v", code, got, err, want)
		}
	}
	put("A1", second)
	tick()
	put("A1", first)
	tick()
	put("A1", second) // it is the later one now
	put("A2", member.SealedForm{Key: "f3", Sealed: "z"})
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return tx.PutForm(ctx, "c2", "A1", member.SealedForm{Key: "f4", Sealed: "of another card"})
	})
	want("A1", first, second)
	put("A1", member.SealedForm{Key: second.Key})
	want("A1", first)
	first.Phone, first.Sealed = "hash 2", "x2"
	put("A1", first)
	want("A1", first)
	want("A2", member.SealedForm{Key: "f3", Sealed: "z"})
	if forms, err := s.UnindexedForms(t.Context(), "", 9); len(forms) != 0 || err != nil {
		t.Errorf("to index: got %v, %v", forms, err)
	}
}

func phoneOwned(t *testing.T, s member.Store) {
	enrolled(t, s, "m1", "m2")
	put := func(memberID, hash string) error {
		return s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
			return tx.PutPhone(ctx, memberID, member.SealedPhone{Hash: hash, Sealed: "sealed " + hash})
		})
	}
	owner := func(want string, hashes ...string) {
		t.Helper()
		got, err := s.PhoneOwner(t.Context(), hashes)
		if got != want || want == "" && !errors.Is(err, member.ErrNotFound) || want != "" && err != nil {
			t.Errorf("owner of %v: got %q, %v, want %q", hashes, got, err, want)
		}
	}
	owner("", "h1")
	for _, hash := range []string{"h0", "h1"} { // the second replaces the first
		if err := put("m1", hash); err != nil {
			t.Fatal(err)
		}
	}
	owner("m1", "h1")
	owner("m1", "another key's", "h1")
	owner("", "h0")
	if err := put("m2", "h1"); err == nil {
		t.Error("two members have one number")
	}
	if ids, err := s.Find(t.Context(), "137", []string{"1", "2", "3", "4", "h1"}, 10); err != nil || !slices.Equal(ids, []string{"m1"}) {
		t.Errorf("found %v, %v", ids, err)
	}
	listed, err := s.People(t.Context(), member.Mark{}, 10)
	if err != nil || len(listed) != 2 {
		t.Fatalf("%+v, %v", listed, err)
	}
	for _, p := range listed {
		alone, err := s.Person(t.Context(), p.ID)
		if want := map[string]string{"m1": "sealed h1"}[p.ID]; err != nil || p.SealedPhone != want || alone.SealedPhone != want {
			t.Errorf("%s: listed %q, alone %q, %v, want %q", p.ID, p.SealedPhone, alone.SealedPhone, err, want)
		}
	}
	for id, want := range map[string]string{"m1": "sealed h1", "m2": "", "unknown": ""} {
		if sealed, err := s.SealedPhone(t.Context(), id); err != nil || sealed != want {
			t.Errorf("%s: %q, %v, want %q", id, sealed, err, want)
		}
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Erase(ctx, "m1", "anonymous") })
	owner("", "h1")
	if err := put("m2", "h1"); err != nil {
		t.Errorf("the number of an erased member: %v", err)
	}
}
