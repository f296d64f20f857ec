// Package stafftest is the conformance suite of staff.Store.
package stafftest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/staff"
)

// Run runs the suite. open must return a new, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) staff.Store) {
	for name, test := range map[string]func(*testing.T, staff.Store){
		"people are listed by name behind the owner": people,
		"a name is taken once":                       names,
		"there is a bound of people":                 manyPeople,
		"who is removed proves nothing":              removed,
		"a token does not expire":                    token,
		"there is a bound of tokens":                 manyTokens,
		"a new link ends the one before":             links,
		"the oldest session ends":                    manySessions,
		"a link is used once":                        exchanged,
		"of concurrent uses of a link one succeeds":  exchangedAtOnce,
		"a link expires":                             expired,
		"a revoked key proves nothing":               revoked,
		"a use extends a session up to its life":     used,
		"a purge removes what has expired":           purged,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func add(t *testing.T, s staff.Store, id, name string, role staff.Role) {
	t.Helper()
	if err := s.Add(t.Context(), staff.Person{ID: id, Name: name, Role: role}); err != nil {
		t.Fatal(err)
	}
}

func addKey(t *testing.T, s staff.Store, person, id string, kind staff.Kind, life time.Duration) staff.Key {
	t.Helper()
	k, err := s.AddKey(t.Context(), person, staff.Key{ID: id, Kind: kind, Label: "label " + id}, "hash of "+id, life)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keys returns the IDs of the keys that prove someone, by the person's name.
func keys(t *testing.T, s staff.Store) (list string) {
	t.Helper()
	all, now, err := s.Keys(t.Context())
	if err != nil || now.IsZero() {
		t.Fatal(now, err)
	}
	people, err := s.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]staff.StoredKey{}
	for _, k := range all {
		stored[k.ID] = k
	}
	for _, p := range people {
		for _, k := range p.Keys {
			if got := stored[k.ID]; got.Name != p.Name || got.Role != p.Role || got.Hash != "hash of "+k.ID || got.Key != k {
				t.Errorf("%s of %s is stored as %+v", k.ID, p.Name, got)
			}
			list += p.Name + ":" + k.ID + " "
			delete(stored, k.ID)
		}
	}
	if len(stored) > 0 {
		t.Errorf("keys of nobody: %v", stored)
	}
	return list
}

func want(t *testing.T, s staff.Store, list string) {
	t.Helper()
	if got := keys(t, s); got != list {
		t.Errorf("got %q, want %q", got, list)
	}
}

func people(t *testing.T, s staff.Store) {
	add(t, s, "2", "小王", staff.Cashier)
	add(t, s, "1", "Zoe", staff.Manager)
	list, err := s.People(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("got %+v, %v", list, err)
	}
	for i, want := range []staff.Person{{ID: "owner", Name: "owner", Role: "owner"}, {ID: "1", Name: "Zoe", Role: "manager"},
		{ID: "2", Name: "小王", Role: "cashier"}} {
		got := list[i]
		if got.ID != want.ID || got.Name != want.Name || got.Role != want.Role || got.CreatedAt.IsZero() != (i == 0) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func names(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	if err := s.Add(t.Context(), staff.Person{ID: "2", Name: "Zoe", Role: staff.Cashier}); !errors.Is(err, staff.ErrNameTaken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Remove(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	add(t, s, "2", "Zoe", staff.Cashier)
}

func manyPeople(t *testing.T, s staff.Store) {
	var group sync.WaitGroup
	for part := range 10 {
		group.Go(func() {
			for i := part; i < staff.MaxPeople; i += 10 {
				if err := s.Add(t.Context(), staff.Person{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Role: staff.Cashier}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := s.Add(t.Context(), staff.Person{ID: "x", Name: "x", Role: staff.Cashier}); !errors.Is(err, staff.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func removed(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	add(t, s, "2", "Max", staff.Cashier)
	addKey(t, s, "1", "a", staff.Token, 0)
	addKey(t, s, "1", "b", staff.Session, time.Hour)
	addKey(t, s, "2", "c", staff.Token, 0)
	want(t, s, "Max:c Zoe:a Zoe:b ")
	p, err := s.Remove(t.Context(), "1")
	if err != nil || p.Name != "Zoe" || p.Role != staff.Manager {
		t.Errorf("got %+v, %v", p, err)
	}
	want(t, s, "Max:c ")
	if _, err := s.Remove(t.Context(), "1"); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if _, err := s.AddKey(t.Context(), "1", staff.Key{ID: "d", Kind: staff.Link}, "d", time.Hour); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("a link of one who was removed: %v", err)
	}
}

func token(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	k := addKey(t, s, "1", "a", staff.Token, 0)
	if !k.ExpiresAt.IsZero() || k.CreatedAt.IsZero() || k.Label != "label a" || !k.UsedAt.IsZero() {
		t.Errorf("got %+v", k)
	}
	want(t, s, "Zoe:a ")
}

func manyTokens(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	add(t, s, "2", "Max", staff.Manager)
	for i := range staff.MaxKeys {
		addKey(t, s, "1", fmt.Sprint(i), staff.Token, 0)
	}
	if _, err := s.AddKey(t.Context(), "1", staff.Key{ID: "x", Kind: staff.Token}, "x", 0); !errors.Is(err, staff.ErrTooMany) {
		t.Errorf("got %v", err)
	}
	addKey(t, s, "2", "of Max", staff.Token, 0)
	addKey(t, s, "1", "a link", staff.Link, time.Hour)
}

func links(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	k := addKey(t, s, "1", "a", staff.Link, time.Hour)
	if got := k.ExpiresAt.Sub(k.CreatedAt); got != time.Hour {
		t.Errorf("it lives for %v", got)
	}
	addKey(t, s, staff.OwnerID, "o", staff.Link, time.Hour)
	addKey(t, s, "1", "b", staff.Link, time.Hour)
	want(t, s, "owner:o Zoe:b ")
}

func manySessions(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	addKey(t, s, "1", "first", staff.Session, time.Hour)
	_, now, _ := s.Keys(t.Context())
	for { // so that the first is older than all others
		if _, later, _ := s.Keys(t.Context()); later.After(now) {
			break
		}
	}
	for i := range staff.MaxKeys {
		addKey(t, s, "1", fmt.Sprint(i), staff.Session, time.Hour)
	}
	all, _, err := s.Keys(t.Context())
	if err != nil || len(all) != staff.MaxKeys {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	for _, k := range all {
		if k.ID == "first" {
			t.Error("the oldest is still good")
		}
	}
}

func exchanged(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	addKey(t, s, "1", "a", staff.Link, time.Hour)
	addKey(t, s, staff.OwnerID, "o", staff.Link, time.Hour)
	addKey(t, s, "1", "t", staff.Token, 0)
	session := func(link, id string) (staff.Identity, error) {
		return s.Exchange(t.Context(), "hash of "+link, staff.Key{ID: id, Kind: staff.Session}, "hash of "+id, time.Hour)
	}
	who, err := session("a", "b")
	if err != nil || who != (staff.Identity{PersonID: "1", Name: "Zoe", Role: staff.Manager}) {
		t.Errorf("got %+v, %v", who, err)
	}
	if who, err := session("o", "p"); err != nil || who != (staff.Identity{PersonID: "owner", Name: "owner", Role: staff.Owner}) {
		t.Errorf("the owner: got %+v, %v", who, err)
	}
	for _, link := range []string{"a", "o", "b", "t", "x"} {
		if _, err := session(link, "again"); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("%s is no link: %v", link, err)
		}
	}
	all, _, err := s.Keys(t.Context())
	if err != nil || len(all) != 3 {
		t.Errorf("got %+v, %v", all, err)
	}
}

func exchangedAtOnce(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	addKey(t, s, "1", "a", staff.Link, time.Hour)
	var done atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			id := fmt.Sprint(i)
			_, err := s.Exchange(t.Context(), "hash of a", staff.Key{ID: id, Kind: staff.Session}, "hash of "+id, time.Hour)
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, staff.ErrUnknown) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if all, _, err := s.Keys(t.Context()); done.Load() != 1 || len(all) != 1 || err != nil {
		t.Errorf("%d sessions began; %+v, %v", done.Load(), all, err)
	}
}

func expired(t *testing.T, s staff.Store) {
	addKey(t, s, staff.OwnerID, "a", staff.Link, time.Millisecond)
	for deadline := time.Now().Add(time.Minute); keys(t, s) != "" && time.Now().Before(deadline); {
	}
	_, err := s.Exchange(t.Context(), "hash of a", staff.Key{ID: "b", Kind: staff.Session}, "hash of b", time.Hour)
	if !errors.Is(err, staff.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	want(t, s, "")
}

func revoked(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	addKey(t, s, "1", "a", staff.Token, 0)
	addKey(t, s, "1", "b", staff.Token, 0)
	for _, of := range []string{"2", "owner"} {
		if err := s.RemoveKey(t.Context(), of, "a"); !errors.Is(err, staff.ErrNotFound) {
			t.Errorf("of another person: %v", err)
		}
	}
	if err := s.RemoveKey(t.Context(), "1", "a"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveKey(t.Context(), "1", "a"); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	want(t, s, "Zoe:b ")
}

func used(t *testing.T, s staff.Store) {
	add(t, s, "1", "Zoe", staff.Manager)
	made := addKey(t, s, "1", "s", staff.Session, time.Hour)
	addKey(t, s, "1", "t", staff.Token, 0)
	use := func(after time.Duration) {
		t.Helper()
		at := made.CreatedAt.Add(after)
		if err := s.Use(t.Context(), map[string]time.Time{"s": at, "t": at, "gone": at}, time.Hour, 90*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ at, used, expires time.Duration }{
		{10 * time.Minute, 10 * time.Minute, 70 * time.Minute},
		{5 * time.Minute, 10 * time.Minute, 70 * time.Minute}, // of a replica that is late
		{80 * time.Minute, 80 * time.Minute, 90 * time.Minute},
	} {
		use(step.at)
		list, _, err := s.Keys(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("got %+v, %v", list, err)
		}
		for _, k := range list {
			if got := k.UsedAt.Sub(made.CreatedAt); got != step.used {
				t.Errorf("%s was used after %v, want %v", k.ID, got, step.used)
			}
			if got := k.ExpiresAt.Sub(made.CreatedAt); k.Kind == staff.Session && got != step.expires {
				t.Errorf("the session ends after %v, want %v", got, step.expires)
			}
			if k.Kind == staff.Token && !k.ExpiresAt.IsZero() {
				t.Errorf("the token expires at %v", k.ExpiresAt)
			}
		}
	}
}

func purged(t *testing.T, s staff.Store) {
	addKey(t, s, staff.OwnerID, "a", staff.Session, time.Millisecond)
	addKey(t, s, staff.OwnerID, "b", staff.Session, time.Hour)
	for deadline := time.Now().Add(time.Minute); keys(t, s) != "owner:b " && time.Now().Before(deadline); {
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.RemoveKey(t.Context(), staff.OwnerID, "a"); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	want(t, s, "owner:b ")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Purge(ctx); err == nil {
		t.Error("a purge that cannot run is no error")
	}
}
