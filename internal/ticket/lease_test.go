package ticket_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// paused wraps a Fetcher so that its process is paused in its first call, as by
// SIGSTOP, and ignores the context meanwhile.
func paused(fetch ticket.Fetcher, before, after time.Duration) ticket.Fetcher {
	var once sync.Once
	return func(ctx context.Context) (value string, ttl time.Duration, err error) {
		stop := func(time.Duration) {}
		once.Do(func() { stop = time.Sleep })
		if stop(before); before > 0 {
			ctx = context.WithoutCancel(ctx) // the request is sent when the process continues
		}
		value, ttl, err = fetch(ctx)
		stop(after)
		return value, ttl, err
	}
}

func TestSource_HolderPausedPastItsLease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		before, after time.Duration
	}{
		{"just before its call", 20 * time.Second, 0},
		{"after its call", 0, 20 * time.Second},
	} {
		for _, overlap := range []time.Duration{-1, 0} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: overlap}
					store := tickettest.NewMemory()
					holder := source(t, paused(u.Fetch, tt.before, tt.after), store, ticket.Options{})
					cold := make(chan string, 1)
					go func() {
						v, _ := holder.Ticket(context.Background())
						cold <- v
					}()
					synctest.Wait() // the holder has its lease and is paused
					other := source(t, u.Fetch, store, ticket.Options{})
					start := time.Now()
					taken := get(t, other)
					if d := time.Since(start); d > 20*time.Second {
						t.Errorf("taken over after %v, want within 20 s", d)
					}
					if got := <-cold; got != taken {
						t.Errorf("the paused holder's caller got %q, want the later holder's %q", got, taken)
					}
					time.Sleep(10 * time.Second)
					a, b := get(t, holder), get(t, other)
					if a != b || u.count() != 2 {
						t.Errorf("replicas serve %q and %q after %d fetches, want one value after 2", a, b, u.count())
					}
					if lost := holder.Status().Counts.LeasesLost; a != taken || lost != 1 {
						t.Errorf("the late value was accepted: %q in place of %q, leases lost = %d", a, taken, lost)
					}
				})
			})
		}
	}
}

// WxJava #1293: another replica fetches between our load and our lease.
func TestSource_LoadsAgainOnceItHasTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		memory := tickettest.NewMemory()
		quick := source(t, u.Fetch, memory, ticket.Options{})
		slow := source(t, u.Fetch, &faultyStore{to: memory, fail: func(call string) error {
			if call == "acquire" {
				get(t, quick)
			}
			return nil
		}}, ticket.Options{Lease: time.Hour})
		if a, b := get(t, slow), get(t, quick); a != b || u.count() != 1 {
			t.Errorf("replicas serve %q and %q after %d fetches, want one value after 1", a, b, u.count())
		}
	})
}

// The holder is paused before it fetches. It notices that too little of its
// lease is left and releases it instead of fetching.
func TestSource_HolderPausedBeforeItsCallLetsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 2 * time.Second, lifetime: 2 * time.Hour}
		memory := tickettest.NewMemory()
		loads := 0 // only the goroutine of the holder uses it
		holder := source(t, u.Fetch, &faultyStore{to: memory, lose: func(call string) error {
			if call == "load" {
				if loads++; loads == 2 {
					time.Sleep(14 * time.Second)
				}
			}
			return nil
		}}, ticket.Options{})
		go func() { _, _ = holder.Ticket(context.Background()) }()
		time.Sleep(time.Second)
		other := source(t, u.Fetch, memory, ticket.Options{})
		if a, b := get(t, other), get(t, holder); a != b || u.count() != 1 {
			t.Errorf("replicas serve %q and %q after %d fetches, want one value after 1", b, a, u.count())
		}
	})
}

// The process that holds the lease dies. Its lease expires; callers with a
// value are not affected, and a caller without one waits until then.
func TestSource_DeadHolderIsReplacedWhenItsLeaseRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := tickettest.NewMemory()
		if _, err := store.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "killed", TTL: 15 * time.Second}); err != nil {
			t.Fatal(err)
		}
		c := runCrowd(fleet(t, 7, u, store, ticket.Options{}), u, 64, time.Second, time.Nanosecond)
		if c.errors != 448 || u.count() != 0 {
			t.Errorf("callers with 5 s: errors = %d of 448, fetches = %d", c.errors, u.count())
		}
		start, s := time.Now(), source(t, u.Fetch, store, ticket.Options{})
		get(t, s)
		if d := time.Since(start); d > 11*time.Second || u.count() != 1 {
			t.Errorf("taken over %v later with %d fetches, want within 11 s and 1", d, u.count())
		}
		if st := s.Status(); !st.Ready || st.Counts.LeaseWaits == 0 {
			t.Errorf("%+v, want that it waited for the lease", st)
		}
	})
}

// The holder dies during a renewal, while all other replicas have a valid
// value.
func TestSource_DeadHolderAtRenewalDelaysNoCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		store := tickettest.NewMemory()
		replicas := fleet(t, 4, u, store, ticket.Options{})
		runCrowd(replicas, u, 1, time.Second, 107*time.Minute)
		if _, err := store.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "killed", TTL: 15 * time.Second}); err != nil {
			t.Fatal(err)
		}
		c := runCrowd(replicas, u, 10, time.Second, 20*time.Minute)
		if c.errors != 0 || c.longestWait > 0 || c.longestInvalid > 0 || u.count() != 2 {
			t.Errorf(
				"errors = %d, longest wait %v, longest invalid %v, fetches = %d, want 0, 0, 0, 2",
				c.errors,
				c.longestWait,
				c.longestInvalid,
				u.count(),
			)
		}
	})
}

// Close waits for a fetch that was sent: its value may be the only valid one.
func TestSource_CloseWaitsForTheCallUnderWayAndGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 2 * time.Second, lifetime: 2 * time.Hour, overlap: 0}
		store := tickettest.NewMemory()
		s := ticket.New(key, u.Fetch, store, ticket.Options{})
		go func() { _, _ = s.Ticket(context.Background()) }()
		time.Sleep(time.Second)
		s.Close()
		s.Close()
		if lease, err := store.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "next", TTL: time.Second}); err != nil {
			t.Errorf("Acquire after Close: %v, want the lease given back", err)
		} else if err := store.Release(t.Context(), lease, 0); err != nil {
			t.Fatal(err)
		}
		other := source(t, u.Fetch, store, ticket.Options{})
		if a, b := get(t, s), get(t, other); a != b || u.count() != 1 {
			t.Errorf("closed replica serves %q, the next %q after %d fetches, want one value", a, b, u.count())
		}
	})
}

func TestSource_ClosedWithoutAValueIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{lifetime: 2 * time.Hour}
		s := ticket.New(key, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		s.Close()
		if _, err := s.Ticket(t.Context()); err == nil || u.count() != 0 {
			t.Errorf("Ticket after Close: error = %v, fetches = %d", err, u.count())
		}
	})
}
