package ticket_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// A moved clock is a jump that three replicas with a value of an hour see.
type movedClock struct {
	by       time.Duration
	upstream bool // WeChat's clock moves too
	store    bool // the Store's clock moves too
}

var movedClocks = map[string]movedClock{
	"suspended":               {upstream: true, store: true},
	"WeChat's clock moved":    {upstream: true},
	"own clock was set":       {}, // WeChat's next answer corrects it
	"Store's clock set, also": {store: true},
}

// check moves the clock and calls all replicas for hours. If WeChat returns a value
// until it ends, callers fail for some seconds before, because it is known to some
// seconds only how far the clock was moved.
func (m movedClock) check(t *testing.T, u *upstream, opt ticket.Options, fetches int) {
	const ending = 3*time.Second + 1500*time.Millisecond + time.Second // the wait, its half more for who failed, and the fetches
	fine := func(c *crowd) bool {
		return c.longestInvalid <= 0 && (c.errors == 0 || u.sticky && c.failing <= ending)
	}
	var ahead atomic.Int64
	opt.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	store := &faultyStore{to: tickettest.NewMemory()}
	var replicas []*ticket.Source
	for range 3 {
		replicas = append(replicas, source(t, func(ctx context.Context) (string, time.Duration, error) {
			value, ttl, err := u.Fetch(ctx)
			if !m.upstream {
				ahead.Store(0)
			}
			return value, ttl, err
		}, store, opt))
	}
	for _, s := range replicas {
		get(t, s)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	ahead.Store(int64(m.by))
	if m.upstream {
		u.advance(m.by)
	}
	if m.store {
		store.set(func(f *faultyStore) { f.skew = m.by })
	}
	time.Sleep(time.Millisecond) // a measurement of the clock is good for so long
	c := runCrowd(replicas, u, 2, time.Second, 5*time.Minute)
	if !fine(c) {
		t.Errorf("at once: %v (%v)", c, c.firstErr)
	}
	if u.count() > fetches {
		t.Errorf("fetches = %d in 5 minutes, want %d at most", u.count(), fetches)
	}
	c = runCrowd(replicas, u, 1, 20*time.Second, 4*time.Hour)
	if !fine(c) {
		t.Errorf("later: %v (%v)", c, c.firstErr)
	}
}

// Symptom: two hours forward at WeChat, nothing was fetched again, and the phone
// said that the ticket had expired.
func TestSource_ClockJumps(t *testing.T) {
	t.Parallel()
	const minute, hour = time.Minute, time.Hour
	for name, moved := range movedClocks {
		jumps := []time.Duration{-3 * hour, 10 * minute, 50 * minute, hour - time.Second, hour, 2 * hour, 720 * hour}
		if raceDetector {
			jumps = []time.Duration{-3 * hour, hour} // the plain run of this package has all
		}
		for _, by := range jumps {
			m, fetches := moved, 1
			m.by = by
			if m.by >= 50*minute {
				fetches = 2
			}
			for mode, u := range map[string]*upstream{
				"new": {overlap: -1}, "same": {sticky: true}, "stable": {stable: true, printsLeft: true, overlap: -1},
			} {
				// A value that WeChat returns again keeps its first expiry, even if a clock was wrong.
				if mode == "same" && (m.by < 0 || m.store && !m.upstream) {
					continue
				}
				t.Run(fmt.Sprint(name, m.by, mode), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						u.latency, u.lifetime = 300*time.Millisecond, 2*time.Hour
						most := fetches
						if mode == "same" {
							most += 2 // the same value in its last second
						}
						m.check(t, u, ticket.Options{TTLIsLeft: u.printsLeft}, most)
					})
				})
			}
		}
	}
}

// A back-off that a clock has shortened or that the machine slept through is over
// when the Store says so.
func TestSource_ClockJumpsInABackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resets := time.Now().Add(7 * time.Hour)
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(7*time.Hour, quotaError{resets})}
		var ahead atomic.Int64
		store := &faultyStore{to: tickettest.NewMemory()}
		s := source(t, u.Fetch, store, ticket.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
		_, _ = s.Ticket(t.Context())
		u.failWith(nil)
		time.Sleep(time.Minute)
		ahead.Store(int64(7 * time.Hour))
		store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() }) // the back-off in the Store is over
		time.Sleep(time.Second)                                           // the last error is returned for so long
		if get(t, s); u.count() != 2 {
			t.Errorf("fetches = %d, want 2", u.count())
		}
	})
}
