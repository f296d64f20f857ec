package tickettest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket"
)

var leaseTests = map[string]func(*testing.T, *suite){
	"lease is exclusive and HeldError says for how long": func(t *testing.T, s *suite) {
		s.acquire("a", long)
		if held := s.wantHeld("b"); held.BackOff || held.For <= 0 || held.For > long || held.For < long-slack {
			t.Errorf("b gets %+v, want a holder for about %v", held, long)
		}
	},
	"of 32 concurrent owners exactly one gets the lease": func(t *testing.T, s *suite) {
		for round := range 5 {
			key := fmt.Sprint(s.key, round)
			var got, other atomic.Int64
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					_, err := s.Store.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: fmt.Sprint("owner", i), TTL: long})
					if _, held := errors.AsType[*ticket.HeldError](err); err == nil {
						got.Add(1)
					} else if !held {
						other.Add(1)
						t.Errorf("Acquire: %v", err)
					}
				})
			}
			wg.Wait()
			if got.Load() != 1 {
				t.Errorf("round %d: %d owners hold the lease", round, got.Load())
			}
		}
	},
	"lease expires, and not earlier": func(t *testing.T, s *suite) {
		start := time.Now()
		a := s.acquire("a", short)
		b := s.takeOver("b", long)
		if waited := time.Since(start); waited < short-5*time.Millisecond {
			t.Errorf("b got the lease after %v, a had it for %v", waited, short)
		}
		if b.Fence <= a.Fence {
			t.Errorf("fences %d then %d, want them to grow", a.Fence, b.Fence)
		}
	},
	"fences grow from owner to owner": func(t *testing.T, s *suite) {
		last := int64(0)
		for i := range 10 {
			lease := s.acquire(fmt.Sprint("owner", i), long)
			if lease.Fence <= last {
				t.Fatalf("fence %d after %d", lease.Fence, last)
			}
			last = lease.Fence
			s.release(lease, 0)
		}
	},
	"fence is above FenceAbove": func(t *testing.T, s *suite) {
		high, err := s.Store.Acquire(t.Context(), s.key, ticket.LeaseRequest{Owner: "a", FenceAbove: 1_000_000_000_000, TTL: long})
		if err != nil || high.Fence <= 1_000_000_000_000 {
			t.Fatalf("Acquire above 10^12: fence %d, %v", high.Fence, err)
		}
		s.release(high, 0)
		if next := s.acquire("b", long); next.Fence <= high.Fence {
			t.Errorf("next fence = %d, want above %d", next.Fence, high.Fence)
		}
	},
	"same owner gets its lease again": func(t *testing.T, s *suite) {
		lost := s.acquire("a", long/2) // the answer was lost
		again := s.acquire("a", long)
		if again.Fence != lost.Fence {
			t.Errorf("fences %d and %d, want the same lease", lost.Fence, again.Fence)
		}
		if held := s.wantHeld("b"); held.For <= long/2 {
			t.Errorf("b gets %v, want the renewed lease", held.For)
		}
		s.save(again, newValue(value, again.Fence))
	},
	"same owner gets a new lease after its lease has expired": func(t *testing.T, s *suite) {
		first := s.acquire("a", short)
		between := s.takeOver("b", short)
		again := s.takeOver("a", long)
		if again.Fence <= between.Fence || between.Fence <= first.Fence {
			t.Errorf("fences %d, %d, %d, want them to grow", first.Fence, between.Fence, again.Fence)
		}
	},
	"release frees the lease": func(t *testing.T, s *suite) {
		a := s.acquire("a", long)
		s.release(a, 0)
		if b := s.acquire("b", long); b.Fence <= a.Fence {
			t.Errorf("fences %d then %d, want them to grow", a.Fence, b.Fence)
		}
	},
	"release of a lease that is not held does nothing": func(t *testing.T, s *suite) {
		gone := s.acquire("a", short)
		now := s.takeOver("b", long)
		s.release(gone, 0)
		s.release(ticket.Lease{Key: s.key, Owner: "a", Fence: now.Fence}, 0)
		s.release(ticket.Lease{Key: s.key, Owner: "b", Fence: now.Fence - 1}, 0)
		s.release(ticket.Lease{Key: s.key + "unknown", Owner: "b", Fence: 1}, long)
		if held := s.wantHeld("c"); held.BackOff {
			t.Errorf("c gets %+v, want that b holds the lease", held)
		}
		s.save(now, newValue(value, now.Fence))
	},
	"release with a back-off keeps all owners off": func(t *testing.T, s *suite) {
		a := s.acquire("a", long)
		s.release(a, long)
		for _, owner := range []string{"b", "a", ""} {
			if held := s.wantHeld(owner); !held.BackOff || held.For > long || held.For < long-slack {
				t.Errorf("%q gets %+v, want a back-off of about %v", owner, held, long)
			}
		}
	},
	"back-off expires": func(t *testing.T, s *suite) {
		start := time.Now()
		a := s.acquire("a", long)
		s.release(a, short)
		b := s.takeOver("b", long)
		if waited := time.Since(start); waited < short-5*time.Millisecond || b.Fence <= a.Fence {
			t.Errorf("b has fence %d after %v, want above %d after %v", b.Fence, waited, a.Fence, short)
		}
	},
	// A replica with a wrong secret must not keep the others from fetching, nor
	// end their back-off.
	"back-off holds only for the secret that failed": func(t *testing.T, s *suite) {
		wrong, right := s.with("wrong"), s.with("right")
		a := wrong.acquire("a", long)
		a.Failures = 3
		wrong.release(a, long)
		b := right.acquire("b", long)
		if b.Failures != 0 || b.Fence <= a.Fence {
			t.Errorf("b has fence %d and %d failures, want above %d and none", b.Fence, b.Failures, a.Fence)
		}
		right.save(b, newValue(value, b.Fence))
		right.release(b, 0)
		if held := wrong.wantHeld("c"); !held.BackOff || held.For < long-slack {
			t.Errorf("c gets %+v, want the back-off that a left", held)
		}
		right.release(right.acquire("d", long), long)
		for _, suite := range []*suite{wrong, right} {
			if held := suite.wantHeld("e"); !held.BackOff {
				t.Errorf("%s: e gets %+v, want a back-off", suite.secret, held)
			}
		}
		s.with("third").acquire("f", long)
	},
	"failures are counted for each secret": func(t *testing.T, s *suite) {
		for i, secret := range []string{"one", "two", "", "one", "two", ""} {
			lease := s.with(secret).acquire("a", long)
			if want := i / 3; lease.Failures != want {
				t.Errorf("%q: Failures = %d, want %d", secret, lease.Failures, want)
			}
			lease.Failures++
			s.release(lease, 0)
		}
	},
	"lease excludes owners with another secret": func(t *testing.T, s *suite) {
		a := s.with("one").acquire("a", long)
		if held := s.with("two").wantHeld("b"); held.BackOff || held.For < long-slack {
			t.Errorf("b gets %+v, want that a holds the lease", held)
		}
		s.with("one").release(a, 0)
		s.with("two").acquire("b", long)
	},
	"failures are passed to the next holder": func(t *testing.T, s *suite) {
		a := s.acquire("a", long)
		if a.Failures != 0 {
			t.Errorf("first lease: Failures = %d", a.Failures)
		}
		a.Failures = 3
		s.save(a, newValue(value, a.Fence))
		s.release(a, 0)
		b := s.acquire("b", short) // and never releases it
		c := s.takeOver("c", long)
		if b.Failures != 3 || c.Failures != 3 {
			t.Errorf("Failures = %d, then %d, want 3", b.Failures, c.Failures)
		}
		c.Failures = 0
		s.release(c, 0)
		if d := s.acquire("d", long); d.Failures != 0 {
			t.Errorf("Failures = %d after a release with 0", d.Failures)
		}
	},
}
