package staff_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/staff"
	"github.com/addcard/addcard/internal/staff/sqlstore"
)

// counting counts how often the keys are read. between runs after they were read.
type counting struct {
	staff.Store
	reads   atomic.Int64
	between func()
}

func (c *counting) Keys(ctx context.Context) ([]staff.StoredKey, time.Time, error) {
	c.reads.Add(1)
	list, now, err := c.Store.Keys(ctx)
	if f := c.between; f != nil {
		c.between = nil
		f()
	}
	return list, now, err
}

// open returns the services of two replicas on one database, and the store of the
// first.
func open(t *testing.T) (one, other *staff.Service, store *counting) {
	t.Helper()
	db := sqldbtest.New(t)
	store = &counting{Store: sqlstore.New(db)}
	log := slog.New(slog.DiscardHandler)
	return staff.New(store, log), staff.New(sqlstore.New(db), log), store
}

func person(t *testing.T, s *staff.Service, name string, role staff.Role) staff.Person {
	t.Helper()
	p, err := s.Add(t.Context(), name, role)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newToken(t *testing.T, s *staff.Service, personID string) (secret string, k staff.Key) {
	t.Helper()
	secret, k, err := s.NewToken(t.Context(), personID, "a till")
	if err != nil {
		t.Fatal(err)
	}
	return secret, k
}

// until waits until s answers err about the secret.
func until(t *testing.T, s *staff.Service, kind staff.Kind, secret string, want error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, err = s.Identify(t.Context(), kind, secret); errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("got %v, want %v", err, want)
}

func TestService_ATokenProvesAPersonOnEachReplica(t *testing.T) {
	t.Parallel()
	one, other, _ := open(t)
	p := person(t, one, "Zoe", staff.Manager)
	secret, _ := newToken(t, one, p.ID)
	if !strings.HasPrefix(secret, "addcard_") || len(secret) != len("addcard_")+43 {
		t.Errorf("a token has the form %q", secret)
	}
	for _, s := range []*staff.Service{one, other} {
		who, err := s.Identify(t.Context(), staff.Token, secret)
		if err != nil || who != (staff.Identity{PersonID: p.ID, Name: "Zoe", Role: staff.Manager}) {
			t.Errorf("got %+v, %v", who, err)
		}
		for name, wrong := range map[string]string{"empty": "", "cut": secret[:50], "longer": secret + "A", "another": secret[:50] + "~",
			"no prefix": secret[8:]} {
			if _, err := s.Identify(t.Context(), staff.Token, wrong); !errors.Is(err, staff.ErrUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.Identify(t.Context(), staff.Session, secret); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("as a session: %v", err)
		}
	}
}

func TestService_WhatIsRevokedProvesNothing(t *testing.T) {
	t.Parallel()
	one, other, _ := open(t)
	p := person(t, one, "Zoe", staff.Manager)
	first, k := newToken(t, one, p.ID)
	second, _ := newToken(t, one, p.ID)
	for _, s := range []*staff.Service{one, other} {
		until(t, s, staff.Token, first, nil)
	}
	if err := one.Revoke(t.Context(), p.ID, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Identify(t.Context(), staff.Token, first); !errors.Is(err, staff.ErrUnknown) {
		t.Errorf("at once: %v", err)
	}
	until(t, other, staff.Token, first, staff.ErrUnknown)
	if _, err := one.Identify(t.Context(), staff.Token, second); err != nil {
		t.Errorf("the other token: %v", err)
	}
	if _, err := one.Remove(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Identify(t.Context(), staff.Token, second); !errors.Is(err, staff.ErrUnknown) {
		t.Errorf("of one who was removed: %v", err)
	}
	until(t, other, staff.Token, second, staff.ErrUnknown)
}

// The keys are read, and before they are used one of them is revoked.
func TestService_AKeyThatIsRevokedWhileTheKeysAreReadProvesNothing(t *testing.T) {
	t.Parallel()
	one, _, store := open(t)
	p := person(t, one, "Zoe", staff.Manager)
	secret, k := newToken(t, one, p.ID)
	store.between = func() {
		if err := one.Revoke(t.Context(), p.ID, k.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := one.Identify(t.Context(), staff.Token, secret); !errors.Is(err, staff.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestService_GuessesDoNotReachTheDatabase(t *testing.T) {
	t.Parallel()
	one, _, store := open(t)
	p := person(t, one, "Zoe", staff.Manager)
	secret, _ := newToken(t, one, p.ID)
	began := time.Now()
	var guesses sync.WaitGroup
	for i := range 100 {
		guesses.Go(func() {
			for _, kind := range []staff.Kind{staff.Token, staff.Session} {
				guess := secret[:len(secret)-6] + fmt.Sprintf("%06d", i)
				if _, err := one.Identify(t.Context(), kind, guess); !errors.Is(err, staff.ErrUnknown) {
					t.Error(err)
				}
				if _, _, err := one.SignIn(t.Context(), guess); !errors.Is(err, staff.ErrUnknown) {
					t.Error(err)
				}
				if _, err := one.Identify(t.Context(), staff.Token, secret); err != nil {
					t.Error(err)
				}
			}
		})
	}
	guesses.Wait()
	if most := 2 + time.Since(began).Milliseconds()/200; store.reads.Load() > most {
		t.Errorf("the keys were read %d times, want at most %d", store.reads.Load(), most)
	}
}

func TestService_ALinkBeginsOneSession(t *testing.T) {
	t.Parallel()
	one, other, _ := open(t)
	p := person(t, one, "Max", staff.Cashier)
	for _, id := range []string{p.ID, staff.OwnerID} {
		link, k, err := one.NewLink(t.Context(), id)
		if err != nil || k.ExpiresAt.Sub(k.CreatedAt) != staff.LinkLife {
			t.Fatal(k, err)
		}
		secret, who, err := other.SignIn(t.Context(), link)
		if err != nil || who.PersonID != id {
			t.Fatalf("got %+v, %v", who, err)
		}
		if _, _, err := one.SignIn(t.Context(), link); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("again: %v", err)
		}
		if got, err := one.Identify(t.Context(), staff.Session, secret); err != nil || got != who {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := one.Identify(t.Context(), staff.Token, secret); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("as a token: %v", err)
		}
		if err := one.SignOut(t.Context(), secret); err != nil {
			t.Error(err)
		}
		if _, err := one.Identify(t.Context(), staff.Session, secret); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("after its end: %v", err)
		}
		if err := one.SignOut(t.Context(), secret); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("a second end: %v", err)
		}
	}
	for _, wrong := range []string{"", "x", "addcard_" + strings.Repeat("A", 43)} {
		if _, _, err := one.SignIn(t.Context(), wrong); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestService_NobodyIsTakenForTheOwner(t *testing.T) {
	t.Parallel()
	one, _, _ := open(t)
	for _, name := range []string{"owner", "Owner", "cli:root"} {
		if _, err := one.Add(t.Context(), name, staff.Cashier); !errors.Is(err, staff.ErrNameTaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := one.Remove(t.Context(), staff.OwnerID); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("remove the owner: %v", err)
	}
	if _, _, err := one.NewToken(t.Context(), staff.OwnerID, ""); !errors.Is(err, staff.ErrNotFound) {
		t.Errorf("a second ADMIN_TOKEN: %v", err)
	}
}

func TestService_TheLastUseIsShown(t *testing.T) {
	t.Parallel()
	one, other, _ := open(t)
	p := person(t, one, "Max", staff.Cashier)
	secret, _ := newToken(t, one, p.ID)
	until(t, one, staff.Token, secret, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); one.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for deadline := time.Now().Add(time.Minute); ; {
		people, err := other.People(t.Context())
		if err != nil || len(people) != 2 || len(people[1].Keys) != 1 {
			t.Fatal(people, err)
		}
		if k := people[1].Keys[0]; !k.UsedAt.Before(k.CreatedAt) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", people[1])
		}
	}
}

// away is a database whose keys cannot be read.
type away struct{ staff.Store }

var errAway = errors.New("the database is away")

func (away) Keys(context.Context) ([]staff.StoredKey, time.Time, error) {
	return nil, time.Time{}, errAway
}

// A database that cannot be read proves no person, and is not a wrong secret.
func TestService_FailsClosed(t *testing.T) {
	t.Parallel()
	store, log := sqlstore.New(sqldbtest.New(t)), slog.New(slog.DiscardHandler)
	s := staff.New(store, log)
	secret, _ := newToken(t, s, person(t, s, "Max", staff.Cashier).ID)
	who, err := staff.New(away{store}, log).Identify(t.Context(), staff.Token, secret)
	if !errors.Is(err, errAway) || errors.Is(err, staff.ErrUnknown) || who != (staff.Identity{}) {
		t.Errorf("got %+v, %v", who, err)
	}
}

// slow is a database that takes its time to read the keys. It has those that it had
// when the read began.
type slow struct {
	staff.Store
	takes time.Duration
	mu    sync.Mutex
	keys  []staff.StoredKey
}

func (s *slow) AddKey(_ context.Context, personID string, k staff.Key, hash string, _ time.Duration) (staff.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, staff.StoredKey{Identity: staff.Identity{PersonID: personID}, Key: k, Hash: hash})
	return k, nil
}

func (s *slow) Keys(context.Context) ([]staff.StoredKey, time.Time, error) {
	s.mu.Lock()
	keys, now := slices.Clone(s.keys), time.Now()
	s.mu.Unlock()
	time.Sleep(s.takes)
	return keys, now, nil
}

// Symptom: where the database was slow for a second, all who were signed in were
// sent to the login page.
func TestService_AKeyIsGoodHoweverSlowTheDatabaseIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slow{takes: 3 * time.Second}
		s := staff.New(store, slog.New(slog.DiscardHandler))
		secret, _ := newToken(t, s, "anna")
		for range 3 {
			who, err := s.Identify(t.Context(), staff.Token, secret)
			if err != nil || who.PersonID != "anna" {
				t.Errorf("got %+v, %v", who, err)
			}
			time.Sleep(time.Minute)
		}
		store.keys = nil // another replica revokes all
		if _, err := s.Identify(t.Context(), staff.Token, secret); !errors.Is(err, staff.ErrUnknown) {
			t.Errorf("after it was revoked: %v", err)
		}
	})
}

// A person signs in at one replica while another, which the next request goes to, is
// reading the keys.
func TestService_AKeyThatIsMadeWhileTheKeysAreReadIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slow{takes: 500 * time.Millisecond}
		one, other := staff.New(store, slog.New(slog.DiscardHandler)), staff.New(store, slog.New(slog.DiscardHandler))
		first, _ := newToken(t, one, "anna")
		go func() { _, _ = other.Identify(t.Context(), staff.Token, first) }()
		time.Sleep(100 * time.Millisecond)
		second, _ := newToken(t, one, "bob")
		if who, err := other.Identify(t.Context(), staff.Token, second); err != nil || who.PersonID != "bob" {
			t.Errorf("got %+v, %v", who, err)
		}
	})
}
