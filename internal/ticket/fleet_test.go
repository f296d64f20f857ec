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

// upstream plays the side of WeChat that issues values, in the readings that
// its documents leave open.
type upstream struct {
	latency time.Duration
	life    time.Duration
	// sticky gives the same value until it dies; printed is the life it then
	// prints: the whole one, or what is left.
	sticky     bool
	printsLeft bool
	// stable gives a new value in the last five minutes of the old (stable_token).
	stable bool
	// overlap is how long a replaced value stays good; negative: to its end.
	overlap time.Duration
	fail    func() error

	mu    sync.Mutex
	calls []time.Time
	cur   string
	ends  time.Time
	dies  map[string]time.Time
}

func (u *upstream) Issue(ctx context.Context) (string, time.Duration, error) {
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
	left := time.Until(u.ends)
	keep := u.sticky && left > 0 || u.stable && left > 5*time.Minute
	if !keep || u.cur == "" {
		u.replace()
		left = u.life
	}
	if u.sticky && !u.printsLeft {
		left = u.life
	}
	return u.cur, left, nil
}

// replace issues a new value and ends the life of the old. mu is held.
func (u *upstream) replace() {
	if u.dies == nil {
		u.dies = map[string]time.Time{}
	}
	if u.overlap >= 0 && time.Now().Add(u.overlap).Before(u.dies[u.cur]) {
		u.dies[u.cur] = time.Now().Add(u.overlap)
	}
	u.cur = fmt.Sprintf("value-%d-%d", len(u.dies), len(u.calls))
	u.ends = time.Now().Add(u.life)
	u.dies[u.cur] = u.ends
}

// failWith changes what calls from now on end with.
func (u *upstream) failWith(fail func() error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = fail
}

// kill ends the present value at once, as a stranger's refresh does.
func (u *upstream) kill() {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.dies, u.cur)
	u.cur = ""
}

// deadFor is how long value has been dead; zero or less while it lives.
func (u *upstream) deadFor(value string) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Since(u.dies[value])
}

// current is the value issued last, empty before the first.
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

// after returns when calls were made, counted from start, the first left out.
func (u *upstream) after(start time.Time) (at []time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, call := range u.calls[1:] {
		at = append(at, call.Sub(start).Round(time.Second))
	}
	return at
}

// fleet makes n Sources over one store and closes them when the test ends.
func fleet(t *testing.T, n int, u *upstream, store ticket.Store, opt ticket.Options) []*ticket.Source {
	t.Helper()
	sources := make([]*ticket.Source, n)
	for i := range sources {
		sources[i] = source(t, u.Issue, store, opt)
	}
	return sources
}

func source(t *testing.T, issue ticket.Fetcher, store ticket.Store, opt ticket.Options) *ticket.Source {
	t.Helper()
	s := ticket.New(key, issue, store, opt)
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

// crowd runs n callers per source until the time is over and returns what went
// wrong: errors, the longest time that a value had been dead when it was handed
// out, and how often a caller got an older value after a newer one.
type crowd struct {
	calls, errors int
	firstErr      error
	longestDead   time.Duration
	longestWait   time.Duration
	older         int
}

func (c *crowd) String() string {
	return fmt.Sprintf("%d calls, %d errors, longest wait %v, longest dead %v, %d older after newer", c.calls, c.errors, c.longestWait, c.longestDead, c.older)
}

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
					c.note(u, value, err, time.Since(start))
					if n := order(value); err == nil && n < newest {
						c.older++
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

// order is the place of a value in the order of issue.
func order(value string) int {
	n, _ := strconv.Atoi(value[strings.LastIndexByte(value, '-')+1:])
	return n
}

func (c *crowd) note(u *upstream, value string, err error, wait time.Duration) {
	c.calls++
	c.longestWait = max(c.longestWait, wait)
	if err != nil {
		c.errors++
		if c.firstErr == nil {
			c.firstErr = err
		}
		return
	}
	c.longestDead = max(c.longestDead, u.deadFor(value))
}

// Every reading of WeChat's documents: one fetch per life for the whole fleet,
// nobody gets a dead value, nobody gets an error.
func TestSource_fleetOfFiveForADay(t *testing.T) {
	t.Parallel()
	stable := ticket.Options{RenewFrom: 5 * time.Minute, RenewTo: 4 * time.Minute, TTLIsLeft: true}
	for _, tt := range []struct {
		name string
		up   *upstream
		opt  ticket.Options
		max  int           // calls to the issuer
		dead time.Duration // longest time a dead value may be handed out
		wait time.Duration // longest wait of a caller

	}{
		{name: "rotate, old one lives on", up: &upstream{overlap: -1}, max: 15, wait: 600 * time.Millisecond},
		{name: "rotate, old one 300 s", up: &upstream{overlap: 300 * time.Second}, max: 15, wait: 600 * time.Millisecond},
		{name: "rotate, old one dead at once", up: &upstream{overlap: 0}, max: 15, dead: 5 * time.Second, wait: 600 * time.Millisecond},
		{name: "sticky, prints a whole life", up: &upstream{sticky: true}, max: 120, wait: 3 * time.Second},
		{name: "sticky, prints what is left", up: &upstream{sticky: true, printsLeft: true}, max: 120, wait: 3 * time.Second},
		{name: "stable_token", up: &upstream{stable: true, printsLeft: true, overlap: -1}, opt: stable, max: 15, wait: 600 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := tt.up
				u.latency, u.life = 300*time.Millisecond, 2*time.Hour
				c := runCrowd(fleet(t, 5, u, tickettest.NewMemory(), tt.opt), u, 4, 20*time.Second, 24*time.Hour)
				t.Logf("%d calls, %d issues, longest wait %v, longest dead %v", c.calls, u.count(), c.longestWait, c.longestDead)
				if c.errors > 0 {
					t.Errorf("errors = %d, first: %v", c.errors, c.firstErr)
				}
				if got := u.count(); got < 12 || got > tt.max {
					t.Errorf("issues = %d, want 12 to %d", got, tt.max)
				}
				if c.longestDead > tt.dead {
					t.Errorf("a value was handed out %v after its death, want at most %v", c.longestDead, tt.dead)
				}
				if c.longestWait > tt.wait {
					t.Errorf("longest wait = %v, want at most %v", c.longestWait, tt.wait)
				}
			})
		})
	}
}

func TestSource_coldStartOfSixteenReplicasIssuesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, life: 2 * time.Hour}
		c := runCrowd(fleet(t, 16, u, tickettest.NewMemory(), ticket.Options{}), u, 1000, time.Second, time.Nanosecond)
		if u.count() != 1 || c.errors != 0 || c.calls != 16_000 {
			t.Errorf("issues = %d, errors = %d of %d, want 1, 0 of 16000; first: %v", u.count(), c.errors, c.calls, c.firstErr)
		}
		if c.longestWait > 500*time.Millisecond {
			t.Errorf("longest wait = %v, want the latency and one poll", c.longestWait)
		}
	})
}

// The store comes back just after the value has ended everywhere.
func TestSource_hardExpiryOfSixteenReplicasIssuesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, life: 2 * time.Hour}
		store := &faulty{to: tickettest.NewMemory()}
		replicas := fleet(t, 16, u, store, ticket.Options{})
		for _, s := range replicas {
			get(t, s)
		}
		store.set(func(f *faulty) { f.fail = down })
		time.Sleep(2 * time.Hour)
		store.set(func(f *faulty) { f.fail = nil })
		c := runCrowd(replicas, u, 1000, time.Second, time.Nanosecond)
		if u.count() != 2 || c.errors != 0 || c.longestWait > patience+500*time.Millisecond {
			t.Errorf("issues = %d, errors = %d (%v), longest wait %v, want 2, 0, 1.5 s", u.count(), c.errors, c.firstErr, c.longestWait)
		}
	})
}

func TestSource_restartWithStoredValueIssuesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, life: 2 * time.Hour}
		store := tickettest.NewMemory()
		var first string
		for i := range 20 {
			s := ticket.New(key, u.Issue, store, ticket.Options{})
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
			t.Errorf("issues = %d, want 1", u.count())
		}
	})
}

// A customer who taps after an idle night does not wait for WeChat.
func TestSource_staysWarmWithoutCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, life: 2 * time.Hour}
		s := source(t, u.Issue, tickettest.NewMemory(), ticket.Options{})
		get(t, s)
		time.Sleep(9 * time.Hour)
		start := time.Now()
		value := get(t, s)
		if wait := time.Since(start); wait != 0 || u.deadFor(value) > 0 {
			t.Errorf("waited %v for a value dead for %v", wait, u.deadFor(value))
		}
	})
}

func TestSource_waitersKeepTheirOwnDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 3 * time.Second, life: 2 * time.Hour}
		s := source(t, u.Issue, tickettest.NewMemory(), ticket.Options{})
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
					t.Errorf("impatient caller came back after %v", d)
				}
			})
		}
		value := get(t, s) // the one that stays gets what the others set off
		wg.Wait()
		if value == "" || u.count() != 1 {
			t.Errorf("value = %q after %d issues, want one", value, u.count())
		}
	})
}

func TestSource_turnsAwayWaitersBeyondItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: time.Second, life: 2 * time.Hour}
		s := source(t, u.Issue, tickettest.NewMemory(), ticket.Options{MaxWaiters: 10})
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
