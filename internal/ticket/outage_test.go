package ticket_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

var errBusy = errors.New("-1 system busy")

type permanentError struct{}

func (permanentError) Error() string                     { return "40125 invalid appsecret" }
func (permanentError) Errcode() int                      { return 40125 }
func (permanentError) Permanent() bool                   { return true }
func (permanentError) RetryAfter() (time.Duration, bool) { return 0, false }

type quotaError struct{ resets time.Time }

func (quotaError) Error() string                       { return "45009 daily quota reached" }
func (quotaError) Errcode() int                        { return 45009 }
func (quotaError) Permanent() bool                     { return false }
func (e quotaError) RetryAfter() (time.Duration, bool) { return time.Until(e.resets), true }

// until returns a failure of an upstream that lasts for d from now.
func until(d time.Duration, err error) func() error {
	end := time.Now().Add(d)
	return func() error {
		if time.Now().Before(end) {
			return err
		}
		return nil
	}
}

// Callers without a value return every 50 ms while WeChat is down. The fleet
// fetches a handful of times, and the first value serves all callers.
func TestSource_ColdFleetInAnOutage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		down  time.Duration
		every time.Duration // between two calls of a caller
		err   error
		first time.Duration // the longest first back-off
		max   int           // attempts of the whole fleet
		late  time.Duration // within which there is a value after the outage
	}{
		{"2 s", 2 * time.Second, 50 * time.Millisecond, errBusy, time.Second, 12, 61 * time.Second},
		{"a minute", time.Minute, 50 * time.Millisecond, errBusy, time.Second, 20, 61 * time.Second},
		{"three hours", 3 * time.Hour, 2 * time.Second, errBusy, time.Second, 620, 2 * time.Minute},
		{"an hour of wrong secrets", time.Hour, time.Second, permanentError{}, time.Minute, 11, 11 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(tt.down, tt.err)}
				replicas := fleet(t, 5, u, tickettest.NewMemory(), ticket.Options{})
				c := runCrowd(replicas, u, 4, tt.every, tt.down)
				attempts := u.count()
				t.Logf("%d attempts; %v", attempts, c)
				if attempts > tt.max || attempts < 2 {
					t.Errorf("attempts = %d, want 2 to %d", attempts, tt.max)
				}
				// The last back-off ends, whose length the attempts before it decide.
				time.Sleep(min(tt.late, tt.first<<min(attempts-1, 10)+time.Second))
				get(t, replicas[0])
				if got := u.count() - attempts; got > 1 {
					t.Errorf("fetches after the outage = %d, want 1", got)
				}
			})
		})
	}
}

// While a value is valid, callers do not notice that its renewal fails.
func TestSource_OutageAtRenewalDelaysNoCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		replicas := fleet(t, 5, u, tickettest.NewMemory(), ticket.Options{})
		runCrowd(replicas, u, 2, time.Second, 107*time.Minute)
		before := u.count()
		u.failWith(until(11*time.Minute, errBusy))
		c := runCrowd(replicas, u, 2, time.Second, 20*time.Minute)
		if c.errors != 0 || c.longestWait > 0 || c.longestInvalid > 0 || c.olderAfterNewer > 0 {
			t.Errorf("%v (%v)", c, c.firstErr)
		}
		t.Logf("%d attempts in 11 minutes; %v", u.count()-before, c)
		if got := u.count() - before; got > 60 {
			t.Errorf("attempts = %d in 11 minutes, want at most 60", got)
		}
	})
}

func TestSource_ColdCallerLearnsTheCauseAndWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(time.Hour, permanentError{})}
		var acquires atomic.Int64
		store := &faultyStore{to: tickettest.NewMemory(), fail: func(call string) error {
			if call == "acquire" {
				acquires.Add(1)
			}
			return nil
		}}
		s := source(t, u.Fetch, store, ticket.Options{})
		start := time.Now()
		_, err := s.Ticket(t.Context())
		if wait := time.Since(start); wait != u.latency {
			t.Errorf("error after %v, want after one latency", wait)
		}
		var permanent permanentError
		if !errors.Is(err, ticket.ErrUnavailable) || !errors.As(err, &permanent) {
			t.Errorf("error = %v, want ErrUnavailable that wraps the error of the fetch", err)
		}
		if after := retryAfter(t, err); after < time.Minute || after > 2*time.Minute {
			t.Errorf("RetryAfter = %v, want one to two minutes", after)
		}

		// Neither a second call nor another replica waits or fetches.
		for _, s := range []*ticket.Source{s, source(t, u.Fetch, store, ticket.Options{})} {
			start = time.Now()
			_, err = s.Ticket(t.Context())
			if wait := time.Since(start); !errors.Is(err, ticket.ErrUnavailable) || wait != 0 {
				t.Errorf("in back-off: %v after %v, want ErrUnavailable at once", err, wait)
			}
			if after := retryAfter(t, err); after < 30*time.Second {
				t.Errorf("in back-off: RetryAfter = %v", after)
			}
		}
		time.Sleep(30 * time.Second)
		if n := acquires.Load(); n != 2 {
			t.Errorf("the lease was requested %d times, want once by each replica", n)
		}
		if st := s.Status(); u.count() != 1 || st.Counts.Fetches.Permanent != 1 || st.BackOff == 0 || st.LastError == nil {
			t.Errorf("fetches = %d, status = %+v", u.count(), st)
		}
	})
}

func retryAfter(t *testing.T, err error) time.Duration {
	t.Helper()
	var e interface {
		RetryAfter() (time.Duration, bool)
	}
	if !errors.As(err, &e) {
		t.Fatalf("%v has no RetryAfter", err)
	}
	after, ok := e.RetryAfter()
	if !ok {
		t.Fatalf("%v does not say when to retry", err)
	}
	return after
}

// WeChat fails one call: the waiting caller gets the value of the next.
func TestSource_OneHiccupCostsAMomentNotAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		u := &upstream{latency: 100 * time.Millisecond, lifetime: 2 * time.Hour, fail: func() error {
			if n++; n == 1 {
				return errBusy
			}
			return nil
		}}
		start, s := time.Now(), source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		get(t, s)
		if wait := time.Since(start); wait > 1300*time.Millisecond {
			t.Errorf("waited %v", wait)
		}
		if f := s.Status().Counts.Fetches; f != (ticket.Fetches{Issued: 1, Transient: 1}) {
			t.Errorf("fetches: %+v", f)
		}
	})
}

// Symptom: a lone replica fetched again only after one and a half times the
// wait, hours late.
func TestSource_SpentQuotaIsWaitedForUntilItResets(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			resets := time.Now().Add(7 * time.Hour)
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(7*time.Hour, quotaError{resets})}
			replicas := fleet(t, replicas, u, tickettest.NewMemory(), ticket.Options{})
			runCrowd(replicas, u, 2, 10*time.Second, 7*time.Hour-time.Minute)
			if u.count() != 1 {
				t.Errorf("attempts = %d while the quota was spent, want 1", u.count())
			}
			time.Sleep(2 * time.Minute)
			if get(t, replicas[0]); u.count() != 2 {
				t.Errorf("fetches = %d after it reset, want 2", u.count())
			}
		})
	}
}

// One replica cannot reach WeChat. It must not keep the other replicas from
// fetching.
func TestSource_ReplicaCutOffFromWeChatLetsAHealthyOneGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		var refused atomic.Int64
		cut := func(context.Context) (string, time.Duration, error) {
			refused.Add(1)
			return "", 0, errBusy
		}
		store := tickettest.NewMemory()
		replicas := []*ticket.Source{
			source(t, cut, store, ticket.Options{}), source(t, u.Fetch, store, ticket.Options{}), source(t, u.Fetch, store, ticket.Options{}),
		}
		for _, s := range replicas[1:] {
			get(t, s)
		}
		c := runCrowd(replicas, u, 2, 10*time.Second, 24*time.Hour)
		t.Logf("%d refused attempts, %d fetches", refused.Load(), u.count())
		if c.errors != 0 || c.longestInvalid > 0 {
			t.Errorf("errors = %d (%v), longest invalid %v", c.errors, c.firstErr, c.longestInvalid)
		}
	})
}

// An api_ticket is fetched with an access_token. While there is no
// access_token, the back-off of the api_ticket does not grow: the api_ticket is
// there soon after the access_token.
func TestSource_TicketFollowsItsToken(t *testing.T) {
	t.Parallel()
	for range 8 { // it is random which replica fetches
		synctest.Test(t, ticketFollowsItsToken)
	}
}

func ticketFollowsItsToken(t *testing.T) {
	tokens := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(5*time.Minute, permanentError{})}
	hiccup := errBusy // the first fetch of a ticket fails, which starts its own back-off
	tickets := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: func() (err error) {
		err, hiccup = hiccup, nil
		return err
	}}
	var replicas []*ticket.Source
	tokenStore, ticketStore := tickettest.NewMemory(), tickettest.NewMemory()
	for range 3 {
		token := source(t, tokens.Fetch, tokenStore, ticket.Options{})
		replicas = append(replicas, source(t, func(ctx context.Context) (string, time.Duration, error) {
			if _, err := token.Ticket(ctx); err != nil {
				return "", 0, err
			}
			return tickets.Fetch(ctx)
		}, ticketStore, ticket.Options{}))
	}
	c := runCrowd(replicas, tickets, 2, time.Second, 5*time.Minute)
	var permanent permanentError
	if c.errors != c.calls || !errors.As(c.firstErr, &permanent) || tickets.count() != 0 || tokens.count() > 4 {
		t.Errorf(
			"errors = %d of %d (%v), token attempts = %d, ticket attempts = %d",
			c.errors,
			c.calls,
			c.firstErr,
			tokens.count(),
			tickets.count(),
		)
	}
	longest := time.Duration(0) // RetryAfter of all replicas
	for _, s := range replicas {
		_, err := s.Ticket(t.Context())
		longest = max(longest, retryAfter(t, err))
	}
	if longest < 30*time.Second {
		t.Errorf("RetryAfter = %v in a back-off of minutes", longest)
	}
	for tokens.current() == "" { // the token is still missing
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(12 * time.Second)
	start := time.Now()
	if get(t, replicas[0]); start != time.Now() || tickets.count() != 2 {
		t.Errorf("the ticket came %v later than 12 s after the token, with %d calls", time.Since(start), tickets.count())
	}
}

// WeChat refuses the address of one replica. After its back-off another replica
// fetches, not the same one again.
func TestSource_ReplicaThatWasRefusedComesLast(t *testing.T) {
	t.Parallel()
	for range 8 { // without the rule half of the runs fail
		synctest.Test(t, replicaThatWasRefusedComesLast)
	}
}

func replicaThatWasRefusedComesLast(t *testing.T) {
	u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
	var refused atomic.Int64
	store := tickettest.NewMemory()
	unlisted := source(t, func(context.Context) (string, time.Duration, error) {
		refused.Add(1)
		return "", 0, permanentError{}
	}, store, ticket.Options{})
	healthy := source(t, u.Fetch, store, ticket.Options{})
	for _, s := range []*ticket.Source{unlisted, healthy} {
		if _, err := s.Ticket(t.Context()); !errors.Is(err, ticket.ErrUnavailable) {
			t.Errorf("error = %v, want ErrUnavailable", err)
		}
	}
	time.Sleep(66 * time.Second)
	if get(t, unlisted) != get(t, healthy) || refused.Load() != 1 {
		t.Errorf("the unlisted replica asked %d times, want once", refused.Load())
	}
}

// Symptom: a replica without a value kept returning the error of its own fetch
// for seconds after another replica had shared a value.
func TestSource_RefusedReplicaLooksAgainBeforeItFailsACaller(t *testing.T) {
	t.Parallel()
	for range 8 { // the times of the polls are random
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
			store := tickettest.NewMemory()
			refused := source(t, func(context.Context) (string, time.Duration, error) { return "", 0, permanentError{} }, store, ticket.Options{})
			if _, err := refused.Ticket(t.Context()); !errors.Is(err, ticket.ErrUnavailable) {
				t.Fatalf("error = %v, want ErrUnavailable", err)
			}
			time.Sleep(61 * time.Second) // the back-off of the fleet is over, that of the replica is not
			healthy := get(t, source(t, u.Fetch, store, ticket.Options{}))
			time.Sleep(time.Second)
			if got := get(t, refused); got != healthy {
				t.Errorf("value = %q, want %q", got, healthy)
			}
		})
	}
}

// A panic of a Fetcher must not end the process.
func TestSource_PanicInTheFetcherIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{lifetime: 2 * time.Hour}
		n := 0
		u.fail = func() error {
			if n++; n == 1 {
				panic("access_token=SECRET")
			}
			return nil
		}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		get(t, s)
		if err := s.Status().LastError; err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("LastError = %v, want one without the panic's text", err)
		}
		failed := time.Now().Add(-s.Status().ErrorAge)
		time.Sleep(time.Minute)
		if age := s.Status().ErrorAge; age != time.Since(failed) || age < time.Minute {
			t.Errorf("ErrorAge = %v, want %v", age, time.Since(failed))
		}
	})
}

func TestSource_CallThatNeverEndsIsGivenUpWithinItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: time.Hour, lifetime: 2 * time.Hour}
		s := source(t, u.Fetch, tickettest.NewMemory(), ticket.Options{})
		start := time.Now()
		_, err := s.Ticket(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the call's deadline", err)
		}
		if wait := time.Since(start); wait < 8*time.Second || wait > 17*time.Second+patience {
			t.Errorf("error after %v, want after one call of 8 s, or two", wait)
		}
	})
}

const patience = time.Second
