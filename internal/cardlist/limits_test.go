package cardlist_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ration"
)

// codes is WeChat's API for codes. It counts its calls, and may hang.
type codes struct {
	decrypted, held atomic.Int32
	err             error // of the next call of DecryptCode
	openID          string
	hangs           bool
}

func (c *codes) DecryptCode(ctx context.Context, encrypted string) (string, error) {
	c.decrypted.Add(1)
	if c.hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	err := c.err
	c.err = nil
	return encrypted, err
}

func (c *codes) Holder(context.Context, string, string) (string, error) {
	c.held.Add(1)
	if c.openID == "" {
		return "", cardlist.ErrNotYours
	}
	return c.openID, nil
}

// limitedService returns a service with limits, at the beginning of a minute.
func limitedService(s *shop, c *codes) *cardlist.Service {
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	service := s.service()
	service.Codes, service.LimitCalls = c, true
	return service
}

func claim(t *testing.T, s *cardlist.Service, memberID, cardID, code string) error {
	_, err := s.Claim(t.Context(), memberID, []cardlist.Added{{CardID: cardID, Code: code}})
	return err
}

// One member's claims cause forty calls a minute, whatever they are for.
func TestClaim_OneMemberCausesFortyCallsAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &codes{openID: "o-ming"}
		s := limitedService(&shop{}, c)
		for i := range 30 { // a system code costs two
			err := claim(t, s, "m1", "system", fmt.Sprint(i))
			if limited := i >= 20; errors.Is(err, cardlist.ErrTooMany) != limited || !limited && err != nil {
				t.Errorf("claim %d: %v", i, err)
			}
		}
		if n := c.decrypted.Load() + c.held.Load(); n != 40 {
			t.Errorf("%d calls", n)
		}
		if err := claim(t, s, "m2", "system", "another"); err != nil {
			t.Errorf("another member: %v", err)
		}
		time.Sleep(time.Minute)
		if err := claim(t, s, "m1", "system", "later"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		s.LimitCalls = false
		for i := range 60 {
			if err := claim(t, s, "m1", "system", fmt.Sprint("free", i)); err != nil {
				t.Fatalf("without limits: %v", err)
			}
		}
	})
}

// owner is a Claims for which each code is a card of the member.
type owner struct {
	*shop
	status member.Status
}

func (o owner) CardOf(_ context.Context, _, cardID, code string) (member.Card, error) {
	return member.Card{CardID: cardID, Code: code, Status: o.status}, nil
}

func (owner) WasIssued(context.Context, string, string) (bool, error) { return true, nil }

// A mini-program may report an active card at each start.
func TestClaim_AnActiveCardCostsNothing(t *testing.T) {
	t.Parallel()
	for status, most := range map[member.Status]int{member.Active: 100, member.Claimed: 39} {
		synctest.Test(t, func(t *testing.T) {
			s := limitedService(&shop{}, &codes{})
			s.Claims = owner{&shop{}, status}
			done := 0
			for range 100 {
				if claim(t, s, "m1", "ours", "1") == nil {
					done++
				}
			}
			if done != most {
				t.Errorf("%s: %d claims, want %d", status, done, most)
			}
		})
	}
}

// A code that is on its way to a wallet is looked for again seconds later, and not with
// each request before.
func TestClaim_LooksForACodeAgainSecondsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &codes{}
		s := limitedService(&shop{}, c)
		for range 5 {
			if err := claim(t, s, "m1", "system", "1"); !errors.Is(err, cardlist.ErrNotYours) {
				t.Errorf("got %v", err)
			}
		}
		if n := c.held.Load(); n != 1 {
			t.Errorf("WeChat was asked %d times", n)
		}
		c.openID = "o-ming"
		time.Sleep(4 * time.Second)
		if err := claim(t, s, "m1", "system", "1"); err != nil {
			t.Errorf("in the wallet: %v", err)
		}
		c.openID = "" // given away
		if err := claim(t, s, "m1", "system", "1"); !errors.Is(err, cardlist.ErrNotYours) {
			t.Errorf("given away: %v", err)
		}
	})
}

// A failure of WeChat says nothing about a code.
func TestClaim_AFailureIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &codes{err: errFault, openID: "o-ming"}
		s := limitedService(&shop{}, c)
		if err := claim(t, s, "m1", "system", "1"); !errors.Is(err, errFault) {
			t.Errorf("got %v", err)
		}
		if err := claim(t, s, "m1", "system", "1"); err != nil {
			t.Errorf("at once again: %v", err)
		}
	})
}

// While WeChat hangs, 64 requests wait for it. Without limits all do.
func TestClaim_BoundsTheCallersThatWaitForWeChat(t *testing.T) {
	t.Parallel()
	for limited, want := range map[bool]int32{true: 6, false: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := limitedService(&shop{}, &codes{hangs: true})
			s.LimitCalls = limited
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var busy atomic.Int32
			for i := range 70 {
				wg.Go(func() {
					_, err := s.Claim(ctx, fmt.Sprint("m", i), []cardlist.Added{{CardID: "ours", Code: fmt.Sprint(i)}})
					if errors.Is(err, ration.ErrBusy) {
						busy.Add(1)
					}
				})
				synctest.Wait()
			}
			if n := busy.Load(); n != want {
				t.Errorf("limited %v: %d of 70 are refused, want %d", limited, n, want)
			}
			leave()
			wg.Wait()
		})
	}
}
