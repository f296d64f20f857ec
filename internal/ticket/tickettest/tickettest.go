// Package tickettest is the conformance suite of [ticket.Store]: one test for
// each thing that a Source relies on. It also has [Memory], a Store for tests.
// It does not test the Source itself.
//
//	func TestStore(t *testing.T) {
//		tickettest.Run(t, func(t *testing.T) tickettest.Harness {
//			return tickettest.Harness{Store: tickettest.NewMemory()}
//		})
//	}
//
// A Store has its own clock, so the suite runs in real time and waits for short
// leases to expire. It takes about a second.
package tickettest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket"
)

// Harness is one Store to be tested. Nothing else may use it meanwhile.
type Harness struct {
	Store ticket.Store
	// Corrupt puts data under key that the Store would not have written. It is
	// nil only where nothing but the Store can write.
	Corrupt func(t *testing.T, key string)
	// Dead is a Store of the same kind with a server that is down. It is nil
	// only where there is no server.
	Dead ticket.Store
}

// Run runs the suite. It calls open once for each test. The tests run in
// parallel and use different keys, so open may return the same Store each time.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, group := range []map[string]func(*testing.T, *suite){leaseTests, copyTests, failureTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := open(t)
				test(t, &suite{t: t, Harness: h, key: "wx:suite:" + name})
			})
		}
	}
}

// suite is one test with its Store and key. Its methods end the test on an
// unexpected error.
type suite struct {
	Harness
	t      *testing.T
	key    string
	secret string // the SecretID of its requests
}

// with returns a copy of s whose requests have a SecretID.
func (s *suite) with(secret string) *suite {
	c := *s
	c.secret = secret
	return &c
}

const (
	long  = time.Minute
	short = 60 * time.Millisecond
	// slack is how late a slow machine may be without failing a test.
	slack = 20 * time.Second
)

func (s *suite) tryAcquire(owner string, ttl time.Duration) (ticket.Lease, error) {
	return s.Store.Acquire(s.t.Context(), s.key, ticket.LeaseRequest{Owner: owner, SecretID: s.secret, TTL: ttl})
}

func (s *suite) acquire(owner string, ttl time.Duration) ticket.Lease {
	s.t.Helper()
	lease, err := s.tryAcquire(owner, ttl)
	if err != nil {
		s.t.Fatalf("Acquire by %s: %v", owner, err)
	}
	if lease.Key != s.key || lease.Owner != owner {
		s.t.Fatalf("Acquire by %s: got the lease of %s on %q", owner, lease.Owner, lease.Key)
	}
	return lease
}

// takeOver waits until the lease of another owner has expired and acquires it.
func (s *suite) takeOver(owner string, ttl time.Duration) ticket.Lease {
	s.t.Helper()
	for end := time.Now().Add(slack); ; {
		lease, err := s.tryAcquire(owner, ttl)
		if err == nil {
			return lease
		}
		if _, ok := errors.AsType[*ticket.HeldError](err); !ok || time.Now().After(end) {
			s.t.Fatalf("Acquire by %s: %v", owner, err)
		}
		s.wait(short / 20)
	}
}

// wait waits in real time.
func (s *suite) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.t.Context().Done():
	}
}

// wantHeld requests the lease and fails the test unless it is held.
func (s *suite) wantHeld(owner string) *ticket.HeldError {
	s.t.Helper()
	_, err := s.tryAcquire(owner, long)
	held, ok := errors.AsType[*ticket.HeldError](err)
	if !ok {
		s.t.Fatalf("Acquire by %s: error = %v, want a HeldError", owner, err)
	}
	return held
}

func newValue(value string, fence int64) ticket.FetchedValue {
	return ticket.FetchedValue{Value: value, Fence: fence, Lifetime: 2 * time.Hour}
}

func (s *suite) save(lease ticket.Lease, i ticket.FetchedValue) {
	s.t.Helper()
	if err := s.Store.Save(s.t.Context(), lease, i); err != nil {
		s.t.Fatalf("Save by %s: %v", lease.Owner, err)
	}
}

func (s *suite) wantLeaseLost(lease ticket.Lease, value string) {
	s.t.Helper()
	if err := s.Store.Save(s.t.Context(), lease, newValue(value, lease.Fence)); !errors.Is(err, ticket.ErrLeaseLost) {
		s.t.Errorf("late Save by %s: error = %v, want ErrLeaseLost", lease.Owner, err)
	}
}

func (s *suite) release(lease ticket.Lease, after time.Duration) {
	s.t.Helper()
	if err := s.Store.Release(s.t.Context(), lease, after); err != nil {
		s.t.Fatalf("Release by %s: %v", lease.Owner, err)
	}
}

func (s *suite) invalidate(fence int64) {
	s.t.Helper()
	if err := s.Store.Invalidate(s.t.Context(), s.key, fence); err != nil {
		s.t.Fatalf("Invalidate of fence %d: %v", fence, err)
	}
}

func (s *suite) load() ticket.Record {
	s.t.Helper()
	rec, err := s.Store.Load(s.t.Context(), s.key)
	if err != nil {
		s.t.Fatalf("Load: %v", err)
	}
	return rec
}

func (s *suite) wantNotFound() {
	s.t.Helper()
	if rec, err := s.Store.Load(s.t.Context(), s.key); !errors.Is(err, ticket.ErrNotFound) {
		s.t.Errorf("Load: %+v, %v, want ErrNotFound", rec, err)
	}
}

var failureTests = map[string]func(*testing.T, *suite){
	"cancelled context is not a missing copy": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, newValue("v", lease.Fence))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for call, err := range callAll(ctx, s.Store, s.key) {
			if err != nil && isAnswer(err) { // a Store may have answered nevertheless
				t.Errorf("%s: error = %v, want the context's or none", call, err)
			}
		}
	},
	"dead server is not a missing copy": func(t *testing.T, s *suite) {
		if s.Dead != nil {
			for call, err := range callAll(t.Context(), s.Dead, s.key) {
				if err == nil || isAnswer(err) {
					t.Errorf("%s: error = %v, want one that says the store failed", call, err)
				}
			}
		}
	},
	"malformed copy is a miss and is replaced": func(t *testing.T, s *suite) {
		if s.Corrupt == nil {
			return
		}
		s.Corrupt(t, s.key)
		_, err := s.Store.Load(t.Context(), s.key)
		if !errors.Is(err, ticket.ErrNotFound) && !errors.Is(err, ticket.ErrUnreadable) {
			t.Errorf("Load of junk: error = %v, want ErrUnreadable or ErrNotFound", err)
		}
		lease := s.acquire("a", long)
		s.save(lease, newValue("good", lease.Fence))
		if rec := s.load(); rec.Value != "good" {
			t.Errorf("Load = %q, want the copy saved after the junk", rec.Value)
		}
	},
}

// callAll calls every method as the owner of the first lease and returns the
// errors.
func callAll(ctx context.Context, store ticket.Store, key string) map[string]error {
	lease := ticket.Lease{Key: key, Owner: "a", Fence: 1}
	_, load := store.Load(ctx, key)
	_, acquire := store.Acquire(ctx, key, ticket.LeaseRequest{Owner: "a", TTL: long})
	return map[string]error{
		"Load": load, "Acquire": acquire,
		"Save":       store.Save(ctx, lease, newValue("v", 1)),
		"Invalidate": store.Invalidate(ctx, key, 1),
		"Release":    store.Release(ctx, lease, 0),
	}
}

// isAnswer reports whether a Store that works returns err.
func isAnswer(err error) bool {
	_, held := errors.AsType[*ticket.HeldError](err)
	return held || errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrUnreadable) || errors.Is(err, ticket.ErrLeaseLost)
}

// value is longer than WeChat tells callers to expect.
var value = strings.Repeat("kgt8ON7yVITDhtdwci0qeZ_-", 40)
