package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

const key = "wx:app:wx_card"

// upstream issues values as WeChat does. Its options are the behaviours that
// WeChat's documents leave open.
type upstream struct {
	latency  time.Duration
	lifetime time.Duration
	// sticky returns the same value until it expires. printsLeft reports its
	// remaining lifetime instead of the full one.
	sticky     bool
	printsLeft bool
	// stable issues a new value only in the last five minutes of the old one
	// (stable_token).
	stable bool
	// overlap is how long a replaced value stays valid; negative means until it
	// expires.
	overlap time.Duration
	fail    func() error

	mu         sync.Mutex
	calls      []time.Time
	cur        string
	expiresAt  time.Time
	validUntil map[string]time.Time
}

func (u *upstream) Fetch(ctx context.Context) (string, time.Duration, error) {
	u.mu.Lock()
	u.calls = append(u.calls, time.Now())
	u.mu.Unlock()
	select {
	case <-time.After(u.latency):
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail != nil {
		if err := u.fail(); err != nil {
			return "", 0, err
		}
	}
	left := time.Until(u.expiresAt)
	keep := u.sticky && left > 0 || u.stable && left > 5*time.Minute
	if !keep || u.cur == "" {
		u.replace()
		left = u.lifetime
	}
	if u.sticky && !u.printsLeft {
		left = u.lifetime
	}
	return u.cur, left, nil
}

// replace issues a new value and ends the old one. u.mu must be held.
func (u *upstream) replace() {
	if u.validUntil == nil {
		u.validUntil = map[string]time.Time{}
	}
	if u.overlap >= 0 && time.Now().Add(u.overlap).Before(u.validUntil[u.cur]) {
		u.validUntil[u.cur] = time.Now().Add(u.overlap)
	}
	u.cur = fmt.Sprintf("value-%d-%d", len(u.validUntil), len(u.calls))
	u.expiresAt = time.Now().Add(u.lifetime)
	u.validUntil[u.cur] = u.expiresAt
}

// failWith sets what later calls fail with.
func (u *upstream) failWith(fail func() error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = fail
}

// revoke ends the current value at once, as a renewal by another program does.
func (u *upstream) revoke() {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.validUntil, u.cur)
	u.cur = ""
}

// advance moves WeChat's clock: what was issued expires earlier.
func (u *upstream) advance(by time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expiresAt = u.expiresAt.Add(-by)
	for value, at := range u.validUntil {
		u.validUntil[value] = at.Add(-by)
	}
}

// invalidFor returns the time since value became invalid; zero or negative while
// it is valid.
func (u *upstream) invalidFor(value string) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Since(u.validUntil[value])
}

// current returns the value issued last, "" before the first.
func (u *upstream) current() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.cur
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.calls)
}

// after returns when calls were made, as durations from start, without the
// first.
func (u *upstream) after(start time.Time) (at []time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, call := range u.calls[1:] {
		at = append(at, call.Sub(start).Round(time.Second))
	}
	return at
}

// fleet returns n Sources on one Store and closes them when the test ends.
func fleet(t *testing.T, n int, u *upstream, store ticket.Store, opt ticket.Options) []*ticket.Source {
	t.Helper()
	sources := make([]*ticket.Source, n)
	for i := range sources {
		sources[i] = source(t, u.Fetch, store, opt)
	}
	return sources
}

func source(t *testing.T, fetch ticket.Fetcher, store ticket.Store, opt ticket.Options) *ticket.Source {
	t.Helper()
	s := ticket.New(key, fetch, store, opt)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *ticket.Source) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	value, err := s.Ticket(ctx)
	if err != nil {
		t.Fatalf("Ticket: %v", err)
	}
	return value
}

// crowd is the result of runCrowd: how many callers got an error, how long a
// value had been invalid when it was returned, and how often a caller got an
// older value after a newer one.
type crowd struct {
	calls, errors   int
	firstErr        error
	firstErrAt      time.Time
	failing         time.Duration // from the first error to the last
	longestInvalid  time.Duration
	longestWait     time.Duration
	olderAfterNewer int
}

func (c *crowd) String() string {
	return fmt.Sprintf(
		"%d calls, %d errors in %v, longest wait %v, longest invalid %v, %d older after newer",
		c.calls,
		c.errors,
		c.failing,
		c.longestWait,
		c.longestInvalid,
		c.olderAfterNewer,
	)
}

// runCrowd runs n callers for each Source until the time is over.
func runCrowd(sources []*ticket.Source, u *upstream, n int, every, total time.Duration) *crowd {
	c := &crowd{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := time.Now().Add(total)
	for _, s := range sources {
		for range n {
			wg.Go(func() {
				newest := 0
				for time.Now().Before(stop) {
					start := time.Now()
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					value, err := s.Ticket(ctx)
					cancel()
					mu.Lock()
					c.add(u, value, err, time.Since(start))
					if n := order(value); err == nil && n < newest {
						c.olderAfterNewer++
					} else {
						newest = max(n, newest)
					}
					mu.Unlock()
					time.Sleep(rand.N(2 * every))
				}
			})
		}
	}
	wg.Wait()
	return c
}

// order returns the position of a value in the order of issue.
func order(value string) int {
	n, _ := strconv.Atoi(value[strings.LastIndexByte(value, '-')+1:])
	return n
}

func (c *crowd) add(u *upstream, value string, err error, wait time.Duration) {
	c.calls++
	c.longestWait = max(c.longestWait, wait)
	if err != nil {
		c.errors++
		if c.firstErr == nil {
			c.firstErr, c.firstErrAt = err, time.Now()
		}
		c.failing = time.Since(c.firstErrAt)
		return
	}
	c.longestInvalid = max(c.longestInvalid, u.invalidFor(value))
}

// For every behaviour that WeChat's documents allow, the fleet fetches once per
// lifetime, no caller gets an invalid value and no caller gets an error.
func TestSource_FleetOfFiveForADay(t *testing.T) {
	t.Parallel()
	const day = 12 // lifetimes
	lifetimes := day
	if raceDetector {
		lifetimes = 3 // the plain run of this package has the day
	}
	stable := ticket.Options{RenewFrom: 5 * time.Minute, RenewTo: 4 * time.Minute, TTLIsLeft: true}
	for _, tt := range []struct {
		name    string
		up      *upstream
		opt     ticket.Options
		max     int           // fetches in a day
		invalid time.Duration // how long a value may have been invalid when it is returned
		wait    time.Duration // longest wait of a caller

	}{
		{name: "rotate, old one lives on", up: &upstream{overlap: -1}, max: 15, wait: 600 * time.Millisecond},
		{name: "rotate, old one 300 s", up: &upstream{overlap: 300 * time.Second}, max: 15, wait: 600 * time.Millisecond},
		{name: "rotate, old one ends at once", up: &upstream{overlap: 0}, max: 15, invalid: 5 * time.Second, wait: 600 * time.Millisecond},
		{name: "sticky, prints a whole life", up: &upstream{sticky: true}, max: 120, wait: 3 * time.Second},
		{name: "sticky, prints what is left", up: &upstream{sticky: true, printsLeft: true}, max: 120, wait: 3 * time.Second},
		{name: "stable_token", up: &upstream{stable: true, printsLeft: true, overlap: -1}, opt: stable, max: 15, wait: 600 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := tt.up
				u.latency, u.lifetime = 300*time.Millisecond, 2*time.Hour
				c := runCrowd(fleet(t, 5, u, tickettest.NewMemory(), tt.opt), u, 4, time.Minute, time.Duration(lifetimes)*u.lifetime)
				t.Logf("%d calls, %d fetches, longest wait %v, longest invalid %v", c.calls, u.count(), c.longestWait, c.longestInvalid)
				if c.errors > 0 {
					t.Errorf("errors = %d, first: %v", c.errors, c.firstErr)
				}
				if got, most := u.count(), tt.max-(day-lifetimes)*(tt.max/day); got < lifetimes || got > most {
					t.Errorf("fetches = %d, want %d to %d", got, lifetimes, most)
				}
				if c.longestInvalid > tt.invalid {
					t.Errorf("a value was returned %v after it became invalid, want at most %v", c.longestInvalid, tt.invalid)
				}
				if c.longestWait > tt.wait {
					t.Errorf("longest wait = %v, want at most %v", c.longestWait, tt.wait)
				}
			})
		})
	}
}

func TestSource_ColdStartOfSixteenReplicasIssuesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		c := runCrowd(fleet(t, 16, u, tickettest.NewMemory(), ticket.Options{}), u, 1000, time.Second, time.Nanosecond)
		if u.count() != 1 || c.errors != 0 || c.calls != 16_000 {
			t.Errorf("fetches = %d, errors = %d of %d, want 1, 0 of 16000; first: %v", u.count(), c.errors, c.calls, c.firstErr)
		}
		if c.longestWait > 500*time.Millisecond {
			t.Errorf("longest wait = %v, want the latency and one poll", c.longestWait)
		}
	})
}

// The Store comes back just after the value has expired on all replicas.
func TestSource_HardExpiryOfSixteenReplicasIssuesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := &faultyStore{to: tickettest.NewMemory()}
		replicas := fleet(t, 16, u, store, ticket.Options{})
		for _, s := range replicas {
			get(t, s)
		}
		store.set(func(f *faultyStore) { f.fail = failAlways })
		time.Sleep(2 * time.Hour)
		store.set(func(f *faultyStore) { f.fail = nil })
		c := runCrowd(replicas, u, 1000, time.Second, time.Nanosecond)
		if u.count() != 2 || c.errors != 0 || c.longestWait > patience+500*time.Millisecond {
			t.Errorf("fetches = %d, errors = %d (%v), longest wait %v, want 2, 0, 1.5 s", u.count(), c.errors, c.firstErr, c.longestWait)
		}
	})
}

func TestSource_RestartWithStoredValueIssuesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := tickettest.NewMemory()
		var first string
		for i := range 20 {
			s := ticket.New(key, u.Fetch, store, ticket.Options{})
			value := get(t, s)
			s.Close()
			if i == 0 {
				first = value
			} else if value != first {
				t.Fatalf("restart %d: value = %q, want %q", i, value, first)
			}
			time.Sleep(time.Minute)
		}
		if u.count() != 1 {
			t.Errorf("fetches = %d, want 1", u.count())
		}
	})
}

// A customer who uses the card after an idle night must not wait for WeChat.
func TestSource_StaysWarmWithoutCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		get(t, s)
		time.Sleep(9 * time.Hour)
		start := time.Now()
		value := get(t, s)
		if wait := time.Since(start); wait != 0 || u.invalidFor(value) > 0 {
			t.Errorf("waited %v for a value invalid for %v", wait, u.invalidFor(value))
		}
	})
}

func TestSource_WaitersKeepTheirOwnDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 3 * time.Second, lifetime: 2 * time.Hour}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		var wg sync.WaitGroup
		for range 999 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, err := s.Ticket(ctx)
				if !errors.Is(err, ticket.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("impatient caller: error = %v", err)
				}
				if d := time.Since(start); d != time.Second {
					t.Errorf("impatient caller returned after %v", d)
				}
			})
		}
		value := get(t, s) // the caller that stays gets the value of the fetch that the others started
		wg.Wait()
		if value == "" || u.count() != 1 {
			t.Errorf("value = %q after %d fetches, want one", value, u.count())
		}
	})
}

func TestSource_TurnsAwayWaitersBeyondItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: time.Second, lifetime: 2 * time.Hour}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{MaxWaiters: 10})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { get(t, s) })
		}
		synctest.Wait()
		if got := s.Status().Waiters; got != 10 {
			t.Errorf("Waiters = %d, want 10", got)
		}
		_, err := s.Ticket(t.Context())
		var retry interface {
			RetryAfter() (time.Duration, bool)
		}
		if !errors.Is(err, ticket.ErrUnavailable) || !errors.As(err, &retry) {
			t.Fatalf("11th waiter: error = %v, want ErrUnavailable with RetryAfter", err)
		}
		if after, ok := retry.RetryAfter(); !ok || after <= 0 {
			t.Errorf("RetryAfter = %v, %t", after, ok)
		}
		wg.Wait()
		if got := s.Status(); got.Waiters != 0 || got.Counts.TurnedAway != 1 {
			t.Errorf("after the rush: Waiters = %d, TurnedAway = %d", got.Waiters, got.Counts.TurnedAway)
		}
	})
}
