package ticket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// refuse is what WeChat answers to a wrong AppSecret.
func refuse(context.Context) (string, time.Duration, error) { return "", 0, permanentError{} }

// Symptom: after 200 s with a wrong AppSecret and a restart with the right one,
// there was no value for another 230 s.
func TestSource_RightSecretFetchesAtOnce(t *testing.T) {
	t.Parallel()
	for _, wrongFor := range []time.Duration{time.Second, 200 * time.Second, 3 * time.Hour} {
		for _, closed := range []bool{true, false} { // or the wrong one still runs
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour}
				store := tickettest.NewMemory()
				wrong := source(t, refuse, seal(t, store, "wrong"), ticket.Options{})
				if _, err := wrong.Ticket(t.Context()); !errors.Is(err, ticket.ErrUnavailable) {
					t.Fatalf("with the wrong secret: %v", err)
				}
				time.Sleep(wrongFor)
				if closed {
					wrong.Close()
				}
				start := time.Now()
				right := source(t, u.Fetch, seal(t, store, "right"), ticket.Options{})
				if get(t, right); time.Since(start) > u.latency+100*time.Millisecond {
					t.Errorf("after %v with the wrong secret, closed %t: value after %v", wrongFor, closed, time.Since(start))
				}
			})
		}
	}
}

// A replica with a wrong secret and two with the right one do not change when the
// others fetch.
func TestSource_SecretsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	alone := wrongAttempts(t, 0)
	if beside := wrongAttempts(t, 2); beside > alone+1 || beside < alone-1 {
		t.Errorf("the wrong secret was tried %d times in a day, alone %d times", beside, alone)
	}
}

// wrongAttempts returns how often a replica with a wrong secret tries to fetch in
// a day, beside replicas with the right one.
func wrongAttempts(t *testing.T, right int) (attempts int) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, overlap: -1}
		store := tickettest.NewMemory()
		wrong := source(t, func(context.Context) (string, time.Duration, error) {
			attempts++
			return "", 0, permanentError{}
		}, seal(t, store, "wrong"), ticket.Options{})
		_, _ = wrong.Ticket(t.Context())
		if right > 0 {
			c := runCrowd(fleet(t, right, u, seal(t, store, "right"), ticket.Options{}), u, 2, 10*time.Second, 24*time.Hour)
			if c.errors > 0 || c.longestInvalid > 0 || u.count() > 15 {
				t.Errorf("right secret: %v (%v), %d fetches", c, c.firstErr, u.count())
			}
		} else {
			time.Sleep(24 * time.Hour)
		}
		synctest.Wait()
	})
	return attempts
}

// A spent quota is waited for with the right secret, whatever a wrong one does.
func TestSource_QuotaIsWaitedForBesideAWrongSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resets := time.Now().Add(7 * time.Hour)
		u := &upstream{latency: 300 * time.Millisecond, lifetime: 2 * time.Hour, fail: until(7*time.Hour, quotaError{resets})}
		store := tickettest.NewMemory()
		_, _ = source(t, refuse, seal(t, store, "wrong"), ticket.Options{}).Ticket(t.Context())
		replicas := fleet(t, 2, u, seal(t, store, "right"), ticket.Options{})
		for range 6 {
			_, _ = replicas[0].Ticket(t.Context())
			time.Sleep(time.Hour)
			replicas = append(replicas, source(t, u.Fetch, seal(t, store, "right"), ticket.Options{}))
			_, _ = replicas[len(replicas)-1].Ticket(t.Context())
		}
		if u.count() != 1 {
			t.Errorf("attempts = %d while the quota was spent, want 1", u.count())
		}
	})
}
