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

// Any expires_in from 1 s up works: the fleet asks about once per life and
// nobody gets a dead value.
func TestSource_shortLives(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		life     time.Duration
		min, max int // issues in ten lives
	}{
		{time.Second, 10, 20}, {30 * time.Second, 10, 14}, {250 * time.Second, 10, 14}, {299 * time.Second, 10, 14}, {7200 * time.Second, 10, 12},
	} {
		for _, sticky := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v,sticky=%t", tt.life, sticky), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{latency: 100 * time.Millisecond, life: tt.life, overlap: -1, sticky: sticky}
					c := runCrowd(fleet(t, 3, u, tickettest.NewMemory(), ticket.Options{}), u, 3, tt.life/50, 10*tt.life)
					t.Logf("%d issues in ten lives, longest wait %v", u.count(), c.longestWait)
					if c.errors != 0 || c.longestDead > 0 {
						t.Errorf("errors = %d (%v), longest dead %v", c.errors, c.firstErr, c.longestDead)
					}
					most := tt.max
					if sticky {
						most = 6 * 10
					}
					if u.count() < tt.min || u.count() > most {
						t.Errorf("issues = %d, want %d to %d", u.count(), tt.min, most)
					}
				})
			})
		}
	}
}

// A life that cannot be right is refused, and what we have stays in service.
func TestSource_absurdAnswersAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value string
		ttl   time.Duration
	}{
		{"zero life", "v", 0}, {"negative life", "v", -time.Second}, {"half a second", "v", time.Second / 2},
		{"31 days", "v", 31 * 24 * time.Hour}, {"for ever", "v", math.MaxInt64},
		{"no value", "", time.Hour}, {"a page of HTML", "<html> busy", time.Hour}, {"a line break", "v\n", time.Hour}, {"a megabyte", strings.Repeat("x", 1<<20), time.Hour},
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

// The life is counted from the start of the request, not from its answer.
func TestSource_lifeCountsFromTheStartOfTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 5 * time.Second, life: time.Minute}
		store := tickettest.NewMemory()
		a, b := source(t, u.Issue, store, ticket.Options{}), source(t, u.Issue, store, ticket.Options{})
		get(t, a)
		get(t, b)
		for _, s := range []*ticket.Source{a, b} {
			if left := s.Status().Left; left != 55*time.Second {
				t.Errorf("Left = %v, want 55 s", left)
			}
		}
	})
}

// WeChat prints a full life on a ticket that it handed out before. Its end
// does not move, on no replica, and a dead ticket is never signed with.
func TestSource_unchangedTicketKeepsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		issue := func(context.Context) (string, time.Duration, error) {
			n.Add(1)
			return "same", 2 * time.Hour, nil
		}
		store := tickettest.NewMemory()
		for i, s := range []*ticket.Source{source(t, issue, store, ticket.Options{}), source(t, issue, store, ticket.Options{})} {
			get(t, s)
			if i == 0 {
				time.Sleep(2*time.Hour - time.Second)
			}
			if left := s.Status().Left; left != time.Second {
				t.Errorf("replica %d: Left = %v, want 1 s", i, left)
			}
			if n := n.Load(); n < 2 || n > 6 {
				t.Errorf("issuer was asked %d times, want 2 to 6", n)
			}
		}
		time.Sleep(2 * time.Second)
		late := source(t, issue, store, ticket.Options{}) // starts when it is over
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if v, err := late.Ticket(ctx); !errors.Is(err, ticket.ErrUnavailable) {
			t.Errorf("after its end: %q, %v, want ErrUnavailable", v, err)
		}
	})
}

// With stable_token the printed life is what is left, so it is believed.
func TestSource_unchangedTokenWithANewLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		issue := func(context.Context) (string, time.Duration, error) {
			n.Add(1)
			return "same", time.Second, nil
		}
		s := source(t, issue, tickettest.NewMemory(), ticket.Options{TTLIsLeft: true})
		for range 600 {
			get(t, s)
			time.Sleep(100 * time.Millisecond)
		}
		if f := s.Status().Counts.Fetches; f.Unchanged > 0 {
			t.Errorf("a new life was counted as none: %+v", f)
		}
		if n := n.Load(); n < 60 || n > 90 {
			t.Errorf("issuer was asked %d times in a minute of lives of 1 s", n)
		}
	})
}

// Symptom: at a renewal somebody was told the new value's life for the old one.
func TestSource_TicketLeft_isOfTheValueItStandsBeside(t *testing.T) {
	t.Parallel()
	store := tickettest.NewMemory()
	issue := func(context.Context) (string, time.Duration, error) { return "short", time.Hour, nil }
	s := source(t, issue, store, ticket.Options{PollInterval: time.Millisecond})
	get(t, s)
	done := make(chan struct{})
	go func() { // as other replicas do
		defer close(done)
		for i := range uint64(100) {
			claim := ticket.LeaseRequest{Owner: "other", TTL: time.Minute}
			lease, err := store.Acquire(t.Context(), key, claim)
			for err != nil && t.Context().Err() == nil { // ours gives its own back in a moment
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
		if want := map[string]time.Duration{"short": time.Hour, "long": 2 * time.Hour}[value]; err != nil || left > want || left < want-10*time.Minute {
			t.Fatalf("%q lives for %v, %v", value, left, err)
		}
	}
}
