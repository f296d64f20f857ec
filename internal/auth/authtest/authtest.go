// Package authtest is the conformance suite of auth.Store.
package authtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/auth"
)

// Run runs the suite. open must return a new, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) auth.Store) {
	for name, test := range map[string]func(*testing.T, auth.Store){
		"an empty store returns nothing":             empty,
		"a logout is returned with its expiry":       returned,
		"a repeated logout changes nothing":          repeated,
		"all pages together are complete and sorted": pages,
		"a reader of concurrent logouts misses none": concurrent,
		"a purge removes what expired long ago":      purge,
		"it has a clock":                             clock,
		"what it cannot do is an error":              unable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, int(7*time.Millisecond), time.UTC)

func empty(t *testing.T, s auth.Store) {
	if got := since(t, s, 0); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
	if err := s.Purge(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
}

func returned(t *testing.T, s auth.Store) {
	revoke(t, s, "a", noon)
	got := since(t, s, 0)
	if len(got) != 1 || got[0].ID != "a" || !got[0].ExpiresAt.Equal(noon) || got[0].Seq < 1 {
		t.Fatalf("got %+v", got)
	}
	if later := since(t, s, got[0].Seq); len(later) != 0 {
		t.Errorf("after its own number: got %+v, want none", later)
	}
}

func repeated(t *testing.T, s auth.Store) {
	revoke(t, s, "a", noon)
	revoke(t, s, "b", noon)
	before := since(t, s, 0)
	revoke(t, s, "a", noon.Add(time.Hour))
	if after := since(t, s, 0); !slices.Equal(after, before) {
		t.Errorf("got %+v, want %+v", after, before)
	}
}

func pages(t *testing.T, s auth.Store) {
	const n = 1500
	now, _, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	revokeMany(t, s, n, now.Add(-2*time.Hour))
	seen := map[string]bool{}
	var last int64
	for page := since(t, s, 0); len(page) > 0; page = since(t, s, last) {
		for _, r := range page {
			if r.Seq <= last {
				t.Fatalf("number %d after %d", r.Seq, last)
			}
			last, seen[r.ID] = r.Seq, true
		}
	}
	if len(seen) != n {
		t.Errorf("got %d logouts, want %d", len(seen), n)
	}
	if err := s.Purge(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if len(since(t, s, 0)) == 0 {
		t.Error("one purge has removed all of them, however long that takes")
	}
}

func concurrent(t *testing.T, s auth.Store) {
	const n = 500
	var written atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		defer written.Store(true)
		revokeMany(t, s, n, noon)
	})
	seen := map[string]bool{}
	var last int64
	for done := false; !done; {
		done = written.Load() // the last round begins after the last commit
		for _, r := range since(t, s, last) {
			last, seen[r.ID] = r.Seq, true
		}
	}
	writer.Wait()
	for page := since(t, s, last); len(page) > 0; page = since(t, s, last) {
		for _, r := range page {
			last, seen[r.ID] = r.Seq, true
		}
	}
	if len(seen) != n {
		t.Errorf("got %d logouts, want %d", len(seen), n)
	}
}

func purge(t *testing.T, s auth.Store) {
	now, _, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	revoke(t, s, "old", now.Add(-time.Hour-time.Millisecond))
	revoke(t, s, "new", now.Add(-59*time.Minute))
	if err := s.Purge(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	got := since(t, s, 0)
	if len(got) != 1 || got[0].ID != "new" {
		t.Fatalf("got %+v, want only the new one", got)
	}
	revoke(t, s, "later", now)
	if more := since(t, s, got[0].Seq); len(more) != 1 || more[0].ID != "later" {
		t.Errorf("after the purge: got %+v, want only the later one", more)
	}
}

func clock(t *testing.T, s auth.Store) {
	before, notBefore, err := s.Now(t.Context())
	if err != nil || !notBefore.IsZero() {
		t.Fatalf("sessions before %v are over, %v", notBefore, err)
	}
	after, _, err := s.Now(t.Context())
	if err != nil || after.Before(before) || after.Sub(before) > time.Minute || time.Since(before).Abs() > time.Minute {
		t.Errorf("got %v and then %v, %v", before, after, err)
	}
}

func unable(t *testing.T, s auth.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Revoke(ctx, "a", noon); err == nil {
		t.Error("a logout that may not be recorded is no error")
	}
	if _, err := s.Since(ctx, 0); err == nil {
		t.Error("logouts that cannot be read are no error")
	}
	if err := s.Purge(ctx, time.Hour); err == nil {
		t.Error("a purge that cannot be done is no error")
	}
	if _, _, err := s.Now(ctx); err == nil {
		t.Error("a clock that cannot be read is no error")
	}
}

func revoke(t *testing.T, s auth.Store, jti string, expiresAt time.Time) {
	t.Helper()
	if err := s.Revoke(t.Context(), jti, expiresAt); err != nil {
		t.Fatal(err)
	}
}

// revokeMany makes at most 16 logouts at a time. All of them wait for one row, and on a
// busy machine more would wait longer than a store lets them.
func revokeMany(t *testing.T, s auth.Store, n int, expiresAt time.Time) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.Revoke(t.Context(), fmt.Sprint("jti", i), expiresAt); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func since(t *testing.T, s auth.Store, seq int64) []auth.Revoked {
	t.Helper()
	page, err := s.Since(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	return page
}
