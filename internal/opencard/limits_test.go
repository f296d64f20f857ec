package opencard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
)

// limitedService returns a service with limits, at the beginning of a minute.
func limitedService(s *shop) *opencard.Service {
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	service := s.service()
	service.LimitCalls = true
	return service
}

// One member's activations cause twenty calls a minute.
func TestActivate_OneMemberCausesTwentyCallsAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		service := limitedService(s)
		activate := func(memberID string, i int) error {
			_, err := service.Activate(t.Context(), memberID, "p", fmt.Sprint(i), fmt.Sprint("ticket", i))
			return err
		}
		for i := range 10 { // each costs three: the wallet, the state, the form
			err := activate("m1", i)
			if limited := i >= 6; errors.Is(err, opencard.ErrTooMany) != limited || !limited && err != nil {
				t.Errorf("activation %d: %v", i, err)
			}
		}
		if n := s.count("holder") + s.count("active") + s.count("form"); n != 20 {
			t.Errorf("%d calls, want 20", n)
		}
		if err := activate("m2", 20); err != nil {
			t.Errorf("another member: %v", err)
		}
		time.Sleep(time.Minute)
		if err := activate("m1", 21); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		service.LimitCalls = false
		for i := range 100 { // nor do those that have ended take anyone's place
			if err := activate("m1", 100+i); err != nil {
				t.Fatalf("without limits: %v", err)
			}
		}
	})
}

// owner is a Members for which each code is a card of the member.
type owner struct {
	*shop
	status member.Status
}

func (o owner) CardOf(context.Context, string, string, string) (member.Card, error) {
	return member.Card{Status: o.status}, nil
}

// A mini-program may report an active card at each start.
func TestActivate_AnActiveCardCostsNothing(t *testing.T) {
	t.Parallel()
	for status, most := range map[member.Status]int{member.Active: 100, member.Claimed: 20} {
		synctest.Test(t, func(t *testing.T) {
			service := limitedService(&shop{})
			service.Members = owner{&shop{used: true}, status}
			done := 0
			for range 100 {
				if _, err := service.Activate(t.Context(), "m1", "p", "1", "ticket"); err == nil {
					done++
				}
			}
			if done != most {
				t.Errorf("%s: %d activations, want %d", status, done, most)
			}
		})
	}
}

// A code that is on its way to a wallet is looked for again seconds later, and not with
// each request before.
func TestActivate_LooksForACodeAgainSecondsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{errs: map[string]error{"holder": cardlist.ErrNotYours}}
		service := s.service()
		activate := func() error {
			_, err := service.Activate(t.Context(), "m1", "p", "1", "ticket")
			return err
		}
		for range 5 {
			if err := activate(); !errors.Is(err, cardlist.ErrNotYours) {
				t.Errorf("got %v", err)
			}
		}
		if n := s.count("holder"); n != 1 {
			t.Errorf("WeChat was asked %d times", n)
		}
		s.errs = nil
		time.Sleep(4 * time.Second)
		if err := activate(); err != nil {
			t.Errorf("in the wallet: %v", err)
		}
		s.errs = map[string]error{"holder": cardlist.ErrNotYours} // given away
		if err := activate(); !errors.Is(err, cardlist.ErrNotYours) {
			t.Errorf("given away: %v", err)
		}
	})
}

// A ticket that WeChat does not have is refused for a minute without asking. One that
// WeChat takes for expired, or whose form it did not return, may be good at once.
func TestActivate_AWrongTicketIsRememberedForAMinute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err         error
		once, later int // calls for two reports, and for a third one a minute later
	}{
		"a wrong ticket":    {opencard.ErrTicket, 1, 2},
		"an expired ticket": {opencard.ErrTicketExpired, 6, 9},
		"a failure":         {errFault, 2, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{errs: map[string]error{"form": c.err}}
			service := s.service()
			activate := func(ticket string) {
				t.Helper()
				if _, err := service.Activate(t.Context(), "m1", "p", "1", ticket); !errors.Is(err, c.err) {
					t.Errorf("%s: got %v", name, err)
				}
			}
			activate("ticket")
			activate("ticket")
			if n := s.count("form"); n != c.once {
				t.Errorf("%s: %d calls, want %d", name, n, c.once)
			}
			time.Sleep(61 * time.Second)
			activate("ticket")
			if n := s.count("form"); n != c.later {
				t.Errorf("%s, a minute later: %d calls, want %d", name, n, c.later)
			}
			activate("another")
			if n := s.count("form"); n == c.later {
				t.Errorf("%s: another ticket was refused without asking", name)
			}
		})
	}
}

// waiter is a Members whose activations take as long as one waits for them.
type waiter struct {
	*shop
	mu    sync.Mutex
	waits map[time.Duration]int
}

func (w *waiter) AwaitActivation(ctx context.Context, _, _ string, patience time.Duration) (member.Card, error) {
	w.mu.Lock()
	w.waits[patience]++
	w.mu.Unlock()
	select {
	case <-time.After(patience):
		return member.Card{Status: member.Claimed}, nil
	case <-ctx.Done():
		return member.Card{}, ctx.Err()
	}
}

// When 64 requests wait for an activation, the others are answered at once.
func TestActivate_BoundsTheCallersThatWaitForAnActivation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiter{shop: &shop{used: true}, waits: map[time.Duration]int{}}
		service := w.service()
		service.Members = w
		var wg sync.WaitGroup
		for i := range 70 {
			wg.Go(func() {
				if c, err := service.Activate(t.Context(), "m1", "p", fmt.Sprint(i), "ticket"); err != nil || c.Status != member.Claimed {
					t.Errorf("report %d: %+v, %v", i, c, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if w.waits[4*time.Second] != 64 || w.waits[0] != 6 {
			t.Errorf("they wait %v", w.waits)
		}
	})
}
