package member_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// slowStore has a card that becomes active, and copies that cannot be cleaned, until a
// moment comes.
type slowStore struct {
	member.Store
	until  time.Time
	scrubs atomic.Int64
	clean  atomic.Bool
}

func (s *slowStore) Card(context.Context, string, string) (member.Card, error) {
	if time.Now().Before(s.until) {
		return member.Card{Status: member.Claimed}, nil
	}
	return member.Card{Status: member.Active}, nil
}

func (s *slowStore) Write(context.Context, func(context.Context, member.Tx) error) error { return nil }

func (s *slowStore) Scrub(ctx context.Context) error {
	s.scrubs.Add(1)
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) { // such as a backup that reads
		if !time.Now().Before(s.until) {
			s.clean.Store(true)
			return nil
		}
	}
	return ctx.Err()
}

func onSlowStore(s *slowStore) *member.Service {
	return member.New(s, member.Apps{MiniProgram: "mini", Official: "official"}, nil, func() {})
}

// The page that has submitted a form waits for the activation, but not for ever.
func TestAwaitActivation_EndsWithTheActivationOrItsPatience(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		active, leaves time.Duration // after the beginning
		want           member.Status
		took           time.Duration // at most
	}{
		"active at once": {0, time.Hour, member.Active, 0},
		"active soon":    {time.Second, time.Hour, member.Active, 1100 * time.Millisecond},
		"active late":    {time.Minute, time.Hour, member.Claimed, 3100 * time.Millisecond},
		"client leaves":  {time.Minute, time.Second, member.Claimed, 1100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.leaves)
				defer cancel()
				s := onSlowStore(&slowStore{until: began.Add(c.active)})
				got, err := s.AwaitActivation(ctx, "c1", "A1", 3*time.Second)
				left := c.leaves < time.Hour
				if got.Status != c.want || errors.Is(err, context.DeadlineExceeded) != left || err != nil && !left {
					t.Errorf("got %+v, %v", got, err)
				}
				if took := time.Since(began); took > c.took || c.want == member.Claimed && took < min(c.leaves, 3*time.Second) {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// An erasure does not wait for a reader that needs the old rows; they go when it is
// done.
func TestErase_CleansTheCopiesAsSoonAsItCan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy  time.Duration
		later bool // not before Erase returns
	}{"at once": {0, false}, "while a backup reads": {time.Minute, true}, "while one reads for very long": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				store := &slowStore{until: began.Add(c.busy)}
				s := onSlowStore(store)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); s.Scrub(ctx) }()
				gone, leave := context.WithCancel(t.Context())
				leave() // the operator does not wait for the answer
				if err := s.Erase(gone, "m1"); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 2*time.Second || store.clean.Load() == c.later {
					t.Errorf("Erase took %v, clean: %v", took, store.clean.Load())
				}
				time.Sleep(c.busy + time.Minute)
				if !store.clean.Load() {
					t.Errorf("the copies are not clean after %d tries", store.scrubs.Load())
				}
				before := store.scrubs.Load()
				time.Sleep(time.Hour)
				if n := store.scrubs.Load(); n != before {
					t.Errorf("cleaned %d times more without an erasure", n-before)
				}
				cancel()
				<-ended
			})
		})
	}
}
