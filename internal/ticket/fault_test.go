package ticket_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// faultyStore is a Store with a server that can fail, lose its answers or be
// replaced.
type faultyStore struct {
	mu   sync.Mutex
	to   ticket.Store
	fail func(call string) error // before the call reaches the server
	lose func(call string) error // after the server has done the call
	skew time.Duration           // by which its clock jumped after the last save
}

func (f *faultyStore) set(change func(*faultyStore)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faultyStore) do(call string, act func(ticket.Store) error) error {
	f.mu.Lock()
	to, fail, lose := f.to, f.fail, f.lose
	f.mu.Unlock()
	if fail != nil {
		if err := fail(call); err != nil {
			return err
		}
	}
	err := act(to)
	if lose != nil {
		if lost := lose(call); lost != nil {
			return lost
		}
	}
	return err
}

func (f *faultyStore) Load(ctx context.Context, key string) (rec ticket.Record, err error) {
	err = f.do("load", func(s ticket.Store) (err error) { rec, err = s.Load(ctx, key); return err })
	f.set(func(f *faultyStore) { rec.Left, rec.Age = rec.Left-f.skew, rec.Age+f.skew })
	return rec, err
}

func (f *faultyStore) Acquire(ctx context.Context, key string, c ticket.LeaseRequest) (l ticket.Lease, err error) {
	err = f.do("acquire", func(s ticket.Store) (err error) { l, err = s.Acquire(ctx, key, c); return err })
	return l, err
}

func (f *faultyStore) Save(ctx context.Context, l ticket.Lease, i ticket.FetchedValue) error {
	defer f.set(func(f *faultyStore) { f.skew = 0 })
	return f.do("save", func(s ticket.Store) error { return s.Save(ctx, l, i) })
}

func (f *faultyStore) Release(ctx context.Context, l ticket.Lease, after time.Duration) error {
	return f.do("release", func(s ticket.Store) error { return s.Release(ctx, l, after) })
}

func (f *faultyStore) Invalidate(ctx context.Context, key string, fence int64) error {
	return f.do("invalidate", func(s ticket.Store) error { return s.Invalidate(ctx, key, fence) })
}

var errDown = errors.New("connection refused")

func failAlways(string) error { return errDown }

func TestSource_StoreDownServesMemoryToItsEndAndNeverAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := &faultyStore{to: tickettest.NewMemory()}
		s := source(t, u.Fetch, store, ticket.Options{})
		get(t, s)
		store.set(func(f *faultyStore) { f.fail = failAlways })

		c := runCrowd([]*ticket.Source{s}, u, 10, time.Second, 119*time.Minute)
		if c.errors != 0 || c.longestInvalid > 0 || c.longestWait > 0 || u.count() != 1 {
			t.Errorf(
				"store down: errors = %d, longest invalid %v, longest wait %v, fetches = %d",
				c.errors,
				c.longestInvalid,
				c.longestWait,
				u.count(),
			)
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Ticket(t.Context())
		if !errors.Is(err, ticket.ErrUnavailable) || !errors.Is(err, errDown) || u.count() != 1 {
			t.Errorf("after the end: error = %v, fetches = %d, want the store's error and no fetch", err, u.count())
		}
		if st := s.Status(); st.Ready || st.Counts.StoreFailures < 100 || st.Counts.Fetches.Issued != 1 {
			t.Errorf("after the end: %+v, want many failures of the store", st)
		}

		store.set(func(f *faultyStore) { f.fail = nil })
		time.Sleep(time.Second)
		if get(t, s); u.count() != 2 {
			t.Errorf("fetches after the store came back = %d, want 2", u.count())
		}
	})
}

// A Store that does not answer must not delay callers longer than the timeout
// of one call, and must not be called once for each of them.
func TestSource_ColdCallersOfADeadStoreFailFast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		var loads atomic.Int64
		s := source(t, u.Fetch, &faultyStore{fail: func(string) error { loads.Add(1); return errDown }}, ticket.Options{})
		c := runCrowd([]*ticket.Source{s}, u, 100, 50*time.Millisecond, 10*time.Second)
		if c.errors != c.calls || c.longestWait > 2*time.Second {
			t.Errorf("errors = %d of %d, longest wait %v", c.errors, c.calls, c.longestWait)
		}
		if loads := loads.Load(); loads > 25 || u.count() != 0 {
			t.Errorf("loads = %d, fetches = %d in 10 s, want at most two loads a second, no fetch", loads, u.count())
		}
	})
}

// go-redis #2985: the lease was granted but the answer was lost.
func TestSource_LostAnswerToAcquireFindsItsLeaseAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		n := 0
		store := &faultyStore{to: tickettest.NewMemory(), lose: func(call string) error {
			if call == "acquire" {
				if n++; n == 1 {
					return errDown
				}
			}
			return nil
		}}
		s := source(t, u.Fetch, store, ticket.Options{})
		start := time.Now()
		get(t, s)
		if wait := time.Since(start); wait > 2*time.Second || u.count() != 1 {
			t.Errorf("value after %v and %d fetches: the lease was orphaned", wait, u.count())
		}
	})
}

// The Store fails in the middle of a round and comes back with the lease in it.
// Its holder must get the lease again before it expires: a short lifetime would
// end meanwhile.
func TestSource_LeaseThatCouldNotBeGivenBackIsFoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 20 * time.Second}
		store := &faultyStore{to: tickettest.NewMemory()}
		s := source(t, u.Fetch, store, ticket.Options{})
		first := get(t, s)
		var acquired atomic.Bool
		store.set(func(f *faultyStore) {
			f.lose = func(call string) error { acquired.CompareAndSwap(false, call == "acquire"); return nil }
			f.fail = func(string) error {
				if acquired.Load() {
					return errDown
				}
				return nil
			}
		})
		for !acquired.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second) // its second load and the release have failed
		store.set(func(f *faultyStore) { f.fail, f.lose = nil, nil })
		start := time.Now()
		for get(t, s) == first {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took > 6*time.Second || u.count() != 2 {
			t.Errorf("renewed %v after the store came back, %d fetches; want within 6 s and 2", took, u.count())
		}
	})
}

// A value that the Store did not save is served, and is shared later instead of
// being fetched again.
func TestSource_UnsavedValueIsServedAndSharedLater(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
			memory := tickettest.NewMemory()
			var broken atomic.Bool
			broken.Store(true)
			saves := func(call string) error {
				if broken.Load() && (call == "save" || call == "release") {
					return errDown
				}
				return nil
			}
			store := &faultyStore{to: memory, fail: saves}
			if lost {
				store = &faultyStore{to: memory, lose: saves}
			}
			a := source(t, u.Fetch, store, ticket.Options{})
			value := get(t, a)
			broken.Store(false)
			time.Sleep(30 * time.Second)
			if got := get(t, source(t, u.Fetch, memory, ticket.Options{})); got != value || u.count() != 1 {
				t.Errorf("lost=%t: second replica got %q after %d fetches, want %q after 1", lost, got, u.count(), value)
			}
		})
	}
}

// Symptom: the Store missed the only save of a rejected value's successor and
// took the back-off after it, so all replicas but one had no value for a
// minute.
func TestSource_UnsavedSuccessorReachesTheFleet(t *testing.T) {
	t.Parallel()
	for _, misses := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
			store := &faultyStore{to: tickettest.NewMemory()}
			replicas := fleet(t, 3, u, store, ticket.Options{})
			for _, s := range replicas {
				get(t, s)
			}
			time.Sleep(time.Minute)
			value := get(t, replicas[0])
			u.revoke()
			store.set(func(f *faultyStore) {
				f.fail = func(call string) error {
					if call == "save" && misses > 0 {
						misses--
						return errDown
					}
					return nil
				}
			})
			if err := replicas[0].Invalidate(t.Context(), value); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second) // until all replicas must have seen the rejection
			if c := runCrowd(
				replicas,
				u,
				2,
				100*time.Millisecond,
				2*time.Minute,
			); c.errors > 0 || c.longestInvalid > 0 ||
				c.longestWait > 5*time.Second {
				t.Errorf("%v (%v)", c, c.firstErr)
			}
			if u.count() != 2 {
				t.Errorf("fetches = %d, want 2", u.count())
			}
		})
	}
}

// The Store's clock jumps two hours, or the host slept for two hours. A shorter
// remaining lifetime in the Store is applied, a longer one is ignored.
func TestSource_ClocksThatJump(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		skew    time.Duration
		fetches int
	}{{2 * time.Hour, 2}, {-2 * time.Hour, 1}} {
		t.Run(tt.skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
				store := &faultyStore{to: tickettest.NewMemory()}
				replicas := fleet(t, 3, u, store, ticket.Options{})
				for _, s := range replicas {
					get(t, s)
				}
				time.Sleep(time.Hour)
				store.set(func(f *faultyStore) { f.skew = tt.skew })
				c := runCrowd(replicas, u, 2, time.Second, 40*time.Minute)
				if c.errors != 0 || c.longestInvalid > 0 || u.count() != tt.fetches {
					t.Errorf("errors = %d, longest invalid %v, fetches = %d, want 0, 0, %d", c.errors, c.longestInvalid, u.count(), tt.fetches)
				}
				if c := runCrowd(replicas, u, 2, time.Second, 2*time.Hour); c.errors != 0 || c.longestInvalid > 0 {
					t.Errorf("later: errors = %d, longest invalid %v", c.errors, c.longestInvalid)
				}
			})
		})
	}
}

// FLUSHALL under load: the local copies survive and one is saved again.
func TestSource_EmptiedStoreIsFilledFromMemoryWithoutAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		store := &faultyStore{to: tickettest.NewMemory()}
		replicas := fleet(t, 3, u, store, ticket.Options{})
		value := get(t, replicas[0])
		get(t, replicas[1])
		time.Sleep(time.Hour)
		store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() })
		time.Sleep(10 * time.Second)
		if got := get(t, replicas[2]); got != value || u.count() != 1 {
			t.Errorf("cold replica got %q after %d fetches, want %q after 1", got, u.count(), value)
		}
		c := runCrowd(replicas, u, 2, 10*time.Second, 2*time.Hour)
		if c.errors != 0 || c.longestInvalid > 0 || u.count() != 2 {
			t.Errorf("later: errors = %d, longest invalid %v, fetches = %d, want 0, 0, 2", c.errors, c.longestInvalid, u.count())
		}
	})
}

// Symptom: while the fleet was in back-off, possibly until midnight, no replica
// saved its copy again, so a new replica fetched again and had no value.
func TestSource_EmptiedStoreIsFilledInABackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := &faultyStore{to: tickettest.NewMemory()}
		replicas := fleet(t, 3, u, store, ticket.Options{})
		for _, s := range replicas {
			get(t, s)
		}
		u.failWith(until(7*time.Hour, quotaError{time.Now().Add(7 * time.Hour)}))
		time.Sleep(113 * time.Minute) // the renewal failed, and all replicas know of the back-off
		value, before := get(t, replicas[0]), u.count()
		for range 2 { // the new replica learns of the back-off only from the Store
			store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() })
			time.Sleep(10 * time.Second)
			replicas = append(replicas, source(t, u.Fetch, store, ticket.Options{}))
			c := runCrowd(replicas, u, 2, time.Second, time.Minute)
			if c.errors != 0 || c.longestWait > 0 || get(t, replicas[3]) != value {
				t.Errorf("errors = %d (%v), longest wait %v", c.errors, c.firstErr, c.longestWait)
			}
		}
		if u.count() != before || before != 2 {
			t.Errorf("fetches = %d, and %d before the store was emptied, want 2", u.count(), before)
		}
	})
}

// The first fetched value ends a back-off for all replicas: none restores the
// back-off later.
func TestSource_EndedBackOffIsNotPutBack(t *testing.T) {
	t.Parallel()
	for range 6 { // it is random which replica saves its copy again
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
			store := &faultyStore{to: tickettest.NewMemory()}
			replicas := fleet(t, 2, u, store, ticket.Options{})
			for _, s := range replicas {
				get(t, s)
			}
			u.failWith(func() error { return quotaError{time.Now().Add(12 * time.Hour)} })
			time.Sleep(113 * time.Minute)
			u.failWith(nil) // the operator cleared the quota
			store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() })
			replicas = append(replicas, source(t, u.Fetch, store, ticket.Options{}))
			get(t, replicas[2]) // it fetches before the others have polled
			time.Sleep(10 * time.Second)
			store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() })
			if c := runCrowd(replicas, u, 1, 5*time.Minute, 3*time.Hour); c.errors > 0 {
				t.Errorf("errors = %d (%v)", c.errors, c.firstErr)
			}
		})
	}
}

// A Store that lost its data counts fences from 1 again, and a replica without
// a local copy is the first to use it. The other replicas must adopt its value
// although their fence is higher: WeChat no longer accepts the old value.
func TestSource_RestartedStoreCountingFromOneIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := &faultyStore{to: tickettest.NewMemory()}
		old := fleet(t, 2, u, store, ticket.Options{})
		runCrowd(old, u, 1, time.Minute, 24*time.Hour) // a high fence
		before := u.count()

		store.set(func(f *faultyStore) { f.to = tickettest.NewMemory() })
		value := get(t, source(t, u.Fetch, store, ticket.Options{}))
		time.Sleep(5 * time.Second)
		for i, s := range old {
			if got := get(t, s); got != value {
				t.Errorf("replica %d serves %q 5 s later, want %q", i, got, value)
			}
		}
		if got := u.count() - before; got != 1 {
			t.Errorf("fetches = %d, want 1", got)
		}
		c := runCrowd(old, u, 2, 10*time.Second, 12*time.Hour)
		if c.errors != 0 || c.longestInvalid > 5*time.Second || u.count()-before > 9 {
			t.Errorf("12 h later: errors = %d, longest invalid %v, fetches = %d", c.errors, c.longestInvalid, u.count()-before)
		}
	})
}

// An old master comes back with a value that is hours old. No replica that has
// the newer value may adopt it, and the newer value is saved again without a
// fetch.
func TestSource_OlderCopyOfAReturningMasterIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		oldMaster, newMaster := tickettest.NewMemory(), tickettest.NewMemory()
		store := &faultyStore{to: oldMaster}
		a, b := source(t, u.Fetch, store, ticket.Options{}), source(t, u.Fetch, store, ticket.Options{})
		get(t, a)
		get(t, b)
		time.Sleep(24 * time.Hour) // a high fence
		stale, before := get(t, a), u.count()

		store.set(func(f *faultyStore) { f.to = newMaster })
		time.Sleep(10 * time.Second) // filled from memory
		if err := a.Invalidate(t.Context(), stale); err != nil {
			t.Fatalf("Invalidate: %v", err)
		}
		fresh := get(t, a)
		time.Sleep(5 * time.Second)
		store.set(func(f *faultyStore) { f.to = oldMaster })
		for range 20 {
			time.Sleep(time.Second)
			for _, s := range []*ticket.Source{a, b} {
				if got := get(t, s); got != fresh {
					t.Fatalf("a replica serves %q, want %q", got, fresh)
				}
			}
		}
		if got := get(t, source(t, u.Fetch, store, ticket.Options{})); got != fresh || u.count() != before+1 {
			t.Errorf("cold replica got %q after %d fetches, want %q after 1", got, u.count()-before, fresh)
		}
	})
}

func TestSource_JunkInTheStoreIsAMissAndIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		inner := tickettest.NewMemory()
		store, err := ticket.Seal(inner, "secret-of-the-app")
		if err != nil {
			t.Fatal(err)
		}
		a := source(t, u.Fetch, store, ticket.Options{})
		value := get(t, a)
		put(t, inner, key, "junk", 100) // as a program with access to the Store could
		time.Sleep(5 * time.Second)
		b := source(t, u.Fetch, store, ticket.Options{})
		if got := get(t, b); got != value || get(t, a) != value || u.count() != 1 {
			t.Errorf("second replica got %q after %d fetches, want %q after 1", got, u.count(), value)
		}
		if a.Status().Counts.Unreadable == 0 {
			t.Error("the junk was not counted")
		}
	})
}
