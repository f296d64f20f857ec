package ticket_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// callAPI plays one call of WeChat's API with a value: if the value is invalid,
// it is reported as rejected and the call is repeated once with the new value.
func callAPI(ctx context.Context, s *ticket.Source, u *upstream, value string) (repeated bool, err error) {
	if u.invalidFor(value) <= 0 {
		return false, nil
	}
	if err := s.Invalidate(ctx, value); err != nil {
		return false, err
	}
	if value, err = s.Ticket(ctx); err != nil {
		return true, err
	}
	if u.invalidFor(value) > 0 {
		return true, errors.New("40001 twice")
	}
	return true, nil
}

// Another program renews the token while 16 × 1,000 calls are made.
func TestSource_Invalidate_StormCausesOneRefetchForTheFleet(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ replicas, callers int }{{1, 512}, {8, 64}, {16, 1000}} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
			replicas := fleet(t, size.replicas, u, tickettest.NewMemory(), ticket.Options{})
			for _, s := range replicas {
				get(t, s)
			}
			time.Sleep(time.Minute)
			start := time.Now().Add(time.Second)
			var wg sync.WaitGroup
			for _, s := range replicas {
				for range size.callers {
					wg.Go(func() {
						value := get(t, s)
						time.Sleep(time.Until(start))
						if repeated, err := callAPI(t.Context(), s, u, value); err != nil || !repeated {
							t.Errorf("call: repeated = %t, error = %v", repeated, err)
						}
					})
				}
			}
			synctest.Wait()
			u.revoke()
			wg.Wait()
			var n ticket.Counts
			for _, s := range replicas {
				c := s.Status().Counts
				n.Rejections += c.Rejections
				n.Superseded += c.Superseded
			}
			t.Logf("%d × %d: %d refetch, all served after %v", size.replicas, size.callers, u.count()-1, time.Since(start))
			if u.count() != 2 || n.Rejections != 1 || n.Superseded != 1 || time.Since(start) > 500*time.Millisecond {
				t.Errorf("fetches = %d, rejections = %d, strangers = %d, served after %v", u.count(), n.Rejections, n.Superseded, time.Since(start))
			}
		})
	}
}

// What a person has replaced is not counted as refused by WeChat, or as replaced by
// another program.
func TestSource_Replace_DoesNotCountAsRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		s := fleet(t, 1, u, tickettest.NewMemory(), ticket.Options{})[0]
		for i, withdraw := range []func(context.Context, string) error{s.Replace, s.Invalidate} {
			old := get(t, s)
			if err := withdraw(t.Context(), old); err != nil || get(t, s) == old {
				t.Fatalf("the value was not replaced: %v", err)
			}
			if n := s.Status().Counts; n.Rejections != uint64(i) || n.Superseded != uint64(i) || n.Fetches.Issued != uint64(i+2) {
				t.Errorf("after %d rejections: got %+v", i, n)
			}
			if err := s.Replace(t.Context(), get(t, s)); !errors.Is(err, ticket.ErrTooSoon) {
				t.Errorf("at once again: got %v", err)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// WeChat rejects every value for ten minutes.
func TestSource_Invalidate_EverythingRefusedForTenMinutes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"rotate", "sticky", "stable"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1,
					sticky: mode == "sticky", stable: mode == "stable", printsLeft: true}
				replicas := fleet(t, 4, u, tickettest.NewMemory(), ticket.Options{TTLIsLeft: mode == "stable"})
				for _, s := range replicas {
					get(t, s)
				}
				start := time.Now()
				var wg sync.WaitGroup
				for _, s := range replicas {
					for range 8 {
						wg.Go(func() {
							for time.Since(start) < 10*time.Minute {
								value, err := s.Ticket(t.Context())
								if err == nil {
									err = s.Invalidate(t.Context(), value)
								}
								if err != nil && !errors.Is(err, ticket.ErrTooSoon) {
									t.Errorf("error = %v", err)
								}
								time.Sleep(200 * time.Millisecond)
							}
						})
					}
				}
				wg.Wait()
				refused := u.after(start)
				t.Logf("refetches at %v", refused)
				if len(refused) < 2 || len(refused) > 5 {
					t.Errorf("refetches = %d, want 2 to 5", len(refused))
				}
				for i := 2; i < len(refused); i++ {
					if gap, last := refused[i]-refused[i-1], refused[i-1]-refused[i-2]; gap <= last {
						t.Errorf("refetches at %v: they do not become rarer", refused)
					}
				}
				var repeated uint64
				for _, s := range replicas {
					n := s.Status().Counts
					repeated += n.Repeated
					if n.Polls > 1000 {
						t.Errorf("polls = %d in 10 minutes", n.Polls)
					}
				}
				if same := mode != "rotate"; same != (repeated > 0) {
					t.Errorf("Repeated = %d in mode %s", repeated, mode)
				}
			})
		})
	}
}

// Another program renews the token every minute. Each time costs one fetch.
func TestSource_Invalidate_OtherProgramRenewsEveryMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		replicas := fleet(t, 3, u, tickettest.NewMemory(), ticket.Options{})
		get(t, replicas[0])
		for range 60 {
			time.Sleep(61 * time.Second)
			u.revoke()
			for _, s := range replicas {
				if _, err := callAPI(t.Context(), s, u, get(t, s)); err != nil {
					t.Errorf("call: %v", err)
				}
			}
		}
		if got := u.count(); got != 61 {
			t.Errorf("fetches = %d, want 61", got)
		}
	})
}

// The rejected value is no longer the current one: nothing happens.
func TestSource_Invalidate_OfAFormerValueDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		first := get(t, s)
		if err := s.Invalidate(t.Context(), first); err != nil {
			t.Fatalf("Invalidate: %v", err)
		}
		second := get(t, s)
		if err := s.Invalidate(t.Context(), "never seen"); err != nil {
			t.Errorf("Invalidate of an unknown value: %v", err)
		}
		polls := s.Status().Counts.Polls
		for _, value := range []string{first, ""} {
			if err := s.Invalidate(t.Context(), value); err != nil {
				t.Errorf("Invalidate(%q): %v", value, err)
			}
		}
		if got := s.Status().Counts.Polls; got != polls {
			t.Errorf("polls = %d after %d: a late 40001 costs a call to the Store", got, polls)
		}
		if got := get(t, s); got != second || u.count() != 2 {
			t.Errorf("value = %q after %d fetches, want %q after 2", got, u.count(), second)
		}
	})
}

// Another service of the shop reports a value that this replica has not polled
// yet: the shared copy decides.
func TestSource_Invalidate_OfAValueOnlyTheFleetHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		store := tickettest.NewMemory()
		a := source(t, u.Fetch, store, ticket.Options{})
		b := source(t, u.Fetch, store, ticket.Options{})
		first := get(t, a)
		get(t, b)
		time.Sleep(2 * time.Minute)
		if err := a.Invalidate(t.Context(), first); err != nil {
			t.Fatalf("Invalidate: %v", err)
		}
		second := get(t, a)
		if err := b.Invalidate(t.Context(), second); !errors.Is(err, ticket.ErrTooSoon) {
			t.Errorf("second rejection within the minute: %v, want ErrTooSoon", err)
		} else if after := retryAfter(t, err); after > time.Minute || after < 50*time.Second {
			t.Errorf("RetryAfter = %v", after)
		}
		time.Sleep(time.Minute)
		if err := b.Invalidate(t.Context(), second); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		if third := get(t, b); third == second || u.count() != 3 {
			t.Errorf("value = %q after %d fetches, want a third", third, u.count())
		}
	})
}

// The same, during a poll that began too early to see that value.
func TestSource_Invalidate_DuringAPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		memory, loads := tickettest.NewMemory(), &faultyStore{}
		loads.to = memory
		a, b := source(t, u.Fetch, memory, ticket.Options{}), source(t, u.Fetch, loads, ticket.Options{})
		first := get(t, a)
		get(t, b)
		verdict := make(chan error, 1)
		loads.set(func(f *faultyStore) {
			f.lose = func(string) error { // the answer is delayed while the other replica goes on
				loads.set(func(f *faultyStore) { f.lose = nil })
				if err := a.Invalidate(t.Context(), first); err != nil {
					t.Errorf("Invalidate: %v", err)
				}
				second := get(t, a)
				go func() { verdict <- b.Invalidate(t.Context(), second) }()
				time.Sleep(100 * time.Millisecond)
				return nil
			}
		})
		if err := <-verdict; !errors.Is(err, ticket.ErrTooSoon) {
			t.Errorf("Invalidate of a value that only the fleet has = %v, want ErrTooSoon from another poll", err)
		}
	})
}

// The replica that reports the rejection cannot fetch another value. The other
// replicas stop serving the rejected one nevertheless.
func TestSource_Invalidate_IsSeenByTheFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		replicas := fleet(t, 3, u, tickettest.NewMemory(), ticket.Options{})
		for _, s := range replicas {
			get(t, s)
		}
		u.revoke()
		u.failWith(until(time.Hour, errBusy))
		value := get(t, replicas[0])
		if err := replicas[0].Invalidate(t.Context(), value); err != nil {
			t.Fatalf("Invalidate: %v", err)
		}
		if v, err := replicas[0].Ticket(t.Context()); err == nil {
			t.Errorf("the rejecting replica serves %q", v)
		}
		time.Sleep(5 * time.Second)
		for i, s := range replicas {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if v, err := s.Ticket(ctx); !errors.Is(err, ticket.ErrUnavailable) {
				t.Errorf("replica %d serves %q, %v, want ErrUnavailable", i, v, err)
			}
			if err := s.Invalidate(ctx, value); err != nil {
				t.Errorf("replica %d: Invalidate: %v, want nil for a withdrawn value", i, err)
			}
			cancel()
		}
	})
}

// A replica that has not polled for a while saves the rejected value in the
// emptied Store.
func TestSource_Invalidate_DeadValueDoesNotComeBackFromALaggingReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		common, lonely := &faultyStore{to: tickettest.NewMemory()}, &faultyStore{}
		lonely.to = common
		a, lagging := source(t, u.Fetch, common, ticket.Options{}), source(t, u.Fetch, lonely, ticket.Options{})
		rejected := get(t, a)
		get(t, lagging)
		lonely.set(func(f *faultyStore) { f.fail = failAlways })
		u.revoke()
		u.failWith(until(3*time.Second, errBusy))
		if err := a.Invalidate(t.Context(), rejected); err != nil {
			t.Fatalf("Invalidate: %v", err)
		}
		common.set(func(f *faultyStore) { f.to = tickettest.NewMemory() }) // the rejection is lost too
		lonely.set(func(f *faultyStore) { f.fail = nil })
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if value, err := a.Ticket(ctx); err == nil && value == rejected {
				t.Fatal("the rejected value is served again")
			}
			cancel()
			time.Sleep(100 * time.Millisecond)
		}
		if get(t, a) != get(t, lagging) || get(t, a) == rejected {
			t.Errorf("replicas serve %q and %q", get(t, a), get(t, lagging))
		}
	})
}

// The Store cannot confirm the rejection: the value stays and no replica
// fetches.
func TestSource_Invalidate_WithTheStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
		store := &faultyStore{to: tickettest.NewMemory()}
		s := source(t, u.Fetch, store, ticket.Options{})
		value := get(t, s)
		store.set(func(f *faultyStore) { f.fail = failAlways })
		if err := s.Invalidate(t.Context(), value); !errors.Is(err, ticket.ErrUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("Invalidate = %v, want ErrUnavailable with the store's error", err)
		}
		if got := get(t, s); got != value || u.count() != 1 {
			t.Errorf("value = %q after %d fetches, want %q after 1", got, u.count(), value)
		}
	})
}

// Symptom: a replica loaded the rejected copy, then found the lease in the
// back-off of its successor, and answered callers with an error until the next
// poll.
func TestSource_Invalidate_FinishedBetweenLoadAndAcquire(t *testing.T) {
	t.Parallel()
	for range 8 { // the time of the poll is random
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 3 * time.Second, lifetime: 2 * time.Hour}
			memory := tickettest.NewMemory()
			slow := &faultyStore{to: memory, fail: func(call string) error {
				if call == "acquire" {
					time.Sleep(400 * time.Millisecond)
				}
				return nil
			}}
			a, b := source(t, u.Fetch, memory, ticket.Options{}), source(t, u.Fetch, slow, ticket.Options{})
			value := get(t, a)
			get(t, b)
			time.Sleep(time.Minute)
			u.revoke()
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := a.Invalidate(t.Context(), value); err != nil {
					t.Error(err)
				}
			})
			c := runCrowd([]*ticket.Source{b}, u, 3, 50*time.Millisecond, 20*time.Second)
			wg.Wait()
			if c.errors > 0 || u.count() != 2 {
				t.Errorf("%v (%v), %d fetches", c, c.firstErr, u.count())
			}
		})
	}
}
