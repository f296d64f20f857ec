package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// Any expires_in from 1 s works: the fleet fetches about once per lifetime and
// no caller gets an expired value.
func TestSource_ShortLives(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		life     time.Duration
		min, max int // fetches in ten lifetimes
	}{
		{time.Second, 10, 20}, {30 * time.Second, 10, 14}, {250 * time.Second, 10, 14}, {299 * time.Second, 10, 14}, {7200 * time.Second, 10, 12},
	} {
		for _, sticky := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v,sticky=%t", tt.life, sticky), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{latency: 100 * time.Millisecond, lifetime: tt.life, overlap: -1, sticky: sticky}
					c := runCrowd(fleet(t, 3, u, tickettest.NewMemory(), ticket.Options{}), u, 3, tt.life/50, 10*tt.life)
					t.Logf("%d fetches in ten lifetimes, longest wait %v", u.count(), c.longestWait)
					if c.errors != 0 || c.longestInvalid > 0 {
						t.Errorf("errors = %d (%v), longest invalid %v", c.errors, c.firstErr, c.longestInvalid)
					}
					most := tt.max
					if sticky {
						most = 6 * 10
					}
					if u.count() < tt.min || u.count() > most {
						t.Errorf("fetches = %d, want %d to %d", u.count(), tt.min, most)
					}
				})
			})
		}
	}
}

// An answer that cannot be right is refused, and the local copy stays in
// service.
func TestSource_AbsurdAnswersAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value string
		ttl   time.Duration
	}{
		{"zero life", "v", 0}, {"negative life", "v", -time.Second}, {"half a second", "v", time.Second / 2},
		{"31 days", "v", 31 * 24 * time.Hour}, {"for ever", "v", math.MaxInt64},
		{"no value", "", time.Hour}, {"a page of HTML", "<html> busy", time.Hour}, {"a line break", "v\n", time.Hour},
		{"a megabyte", strings.Repeat("x", 1<<20), time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				s := source(t, func(context.Context) (string, time.Duration, error) {
					if n++; n == 1 {
						return "good", 2 * time.Hour, nil
					}
					return tt.value, tt.ttl, nil
				}, tickettest.NewMemory(), ticket.Options{})
				get(t, s)
				time.Sleep(2*time.Hour - time.Second)
				if got := get(t, s); got != "good" || s.Status().Counts.Fetches.Invalid == 0 {
					t.Errorf("value = %.20q, refused = %d, want the old value kept", got, s.Status().Counts.Fetches.Invalid)
				}
				time.Sleep(2 * time.Second)
				if v, err := s.Ticket(t.Context()); !errors.Is(err, ticket.ErrUnavailable) {
					t.Errorf("after its end: %.20q, %v, want ErrUnavailable", v, err)
				}
			})
		})
	}
}

// The lifetime counts from the start of the request, not from its answer.
func TestSource_LifeCountsFromTheStartOfTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 5 * time.Second, lifetime: time.Minute}
		store := tickettest.NewMemory()
		a, b := source(t, u.Fetch, store, ticket.Options{}), source(t, u.Fetch, store, ticket.Options{})
		get(t, a)
		get(t, b)
		for _, s := range []*ticket.Source{a, b} {
			if left := s.Status().Left; left != 55*time.Second {
				t.Errorf("Left = %v, want 55 s", left)
			}
		}
	})
}

// WeChat may report a full lifetime for an api_ticket that it returned before.
// The expiry must not move on any replica, and an expired api_ticket must not
// be used.
func TestSource_UnchangedTicketKeepsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		fetch := func(context.Context) (string, time.Duration, error) {
			n.Add(1)
			return "same", 2 * time.Hour, nil
		}
		store := tickettest.NewMemory()
		for i, s := range []*ticket.Source{source(t, fetch, store, ticket.Options{}), source(t, fetch, store, ticket.Options{})} {
			get(t, s)
			if i == 0 {
				time.Sleep(2*time.Hour - time.Second)
			}
			if left := s.Status().Left; left != time.Second {
				t.Errorf("replica %d: Left = %v, want 1 s", i, left)
			}
			if n := n.Load(); n < 2 || n > 6 {
				t.Errorf("fetched %d times, want 2 to 6", n)
			}
		}
		time.Sleep(2 * time.Second)
		late := source(t, fetch, store, ticket.Options{}) // starts after the expiry
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if v, err := late.Ticket(ctx); !errors.Is(err, ticket.ErrUnavailable) {
			t.Errorf("after its end: %q, %v, want ErrUnavailable", v, err)
		}
	})
}

// With stable_token the reported lifetime is the time that is left.
func TestSource_UnchangedTokenWithANewLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		fetch := func(context.Context) (string, time.Duration, error) {
			n.Add(1)
			return "same", time.Second, nil
		}
		s := source(t, fetch, tickettest.NewMemory(), ticket.Options{TTLIsLeft: true})
		for range 600 {
			get(t, s)
			time.Sleep(100 * time.Millisecond)
		}
		if f := s.Status().Counts.Fetches; f.Unchanged > 0 {
			t.Errorf("a new life was counted as none: %+v", f)
		}
		if n := n.Load(); n < 60 || n > 90 {
			t.Errorf("fetched %d times in a minute of lives of 1 s", n)
		}
	})
}

// Symptom: during a renewal a caller got the old value with the lifetime of the
// new one.
func TestSource_TicketLeft_IsOfTheValueItStandsBeside(t *testing.T) {
	t.Parallel()
	store := tickettest.NewMemory()
	fetch := func(context.Context) (string, time.Duration, error) { return "short", time.Hour, nil }
	s := source(t, fetch, store, ticket.Options{PollInterval: time.Millisecond})
	get(t, s)
	done := make(chan struct{})
	go func() { // the part of another replica
		defer close(done)
		for i := range uint64(100) {
			claim := ticket.LeaseRequest{Owner: "other", TTL: time.Minute}
			lease, err := store.Acquire(t.Context(), key, claim)
			for err != nil && t.Context().Err() == nil { // ours releases its lease soon
				runtime.Gosched()
				lease, err = store.Acquire(t.Context(), key, claim)
			}
			next := ticket.FetchedValue{Value: "short", Fence: lease.Fence, Lifetime: time.Hour}
			if i%2 == 0 {
				next.Value, next.Lifetime = "long", 2*time.Hour
			}
			if err := errors.Join(store.Save(t.Context(), lease, next), store.Release(t.Context(), lease, 0)); err != nil {
				t.Error(err)
			}
			for s.Status().Counts.Adopted <= i && t.Context().Err() == nil {
				runtime.Gosched()
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		value, left, err := s.TicketLeft(t.Context())
		if want := map[string]time.Duration{"short": time.Hour, "long": 2 * time.Hour}[value]; err != nil || left > want ||
			left < want-10*time.Minute {
			t.Fatalf("%q lives for %v, %v", value, left, err)
		}
	}
}
