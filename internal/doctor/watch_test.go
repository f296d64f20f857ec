package doctor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/wechat"
)

// slow is a database that answers when the request ends, at the latest.
type slow struct {
	deployment
	takes    time.Duration
	examined atomic.Int64
}

func (s *slow) Servers(context.Context) (int, bool, error) { return 1, false, nil }

func (s *slow) Ready(ctx context.Context) error {
	s.examined.Add(1)
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch returns a running Watch of s, which may not call WeChat.
func (s *slow) watch(t *testing.T) *doctor.Watch {
	t.Helper()
	w := doctor.NewWatch(config.Config{}, &doctor.Deployment{
		Database: s, Clock: s, Tickets: s, Catalogue: s, Members: s, Outbox: s, Recovery: s,
	})
	go w.Run(t.Context())
	return w
}

// It examines when it is asked, once a minute at most, and its caller never waits.
func TestWatch_ExaminesOnceAMinuteAndNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: time.Hour}
		w := s.watch(t)
		if time.Sleep(time.Hour); s.examined.Load() != 0 {
			t.Error("it examines without being asked")
		}
		began := time.Now()
		for range 20 {
			if found, at := w.Findings(); len(found) > 0 || !at.IsZero() || !time.Now().Equal(began) {
				t.Fatalf("got %v of %v after %v", found, at, time.Since(began))
			}
		}
		time.Sleep(11 * time.Second) // which bounds an examination
		found, at := w.Findings()
		if len(found) == 0 || found[1].Name != "database" || found[1].Outcome != doctor.Failed || time.Since(at) > 2*time.Second {
			t.Fatalf("got %+v of %v", found, at)
		}
		for range 600 { // ten minutes with a page open
			time.Sleep(time.Second)
			w.Findings()
		}
		if n := s.examined.Load(); n < 8 || n > 11 {
			t.Errorf("%d examinations in ten minutes", n)
		}
	})
}

func TestWatch_FindsWithoutWeChat(t *testing.T) {
	t.Parallel()
	refused := card.Card{ID: "p1", Status: card.VerifyFailed, RefuseReason: "logo"}
	for name, tt := range map[string]struct {
		deployment            deployment
		check, outcome, found string
	}{
		"all well":         {deployment{stored: []card.Card{{ID: "p1", Status: card.Verified}}}, "cards", "ok", "1, all"},
		"refused":          {deployment{stored: []card.Card{refused}}, "cards", "warning", "p1 was refused in review (logo)"},
		"in review":        {deployment{stored: []card.Card{{ID: "p1", Status: card.NotVerified}}}, "cards", "warning", "in review: p1"},
		"all deleted":      {deployment{stored: []card.Card{{ID: "p1", Status: card.Deleted}}}, "cards", "failed", "none of the 1"},
		"no catalogue":     {deployment{listErr: errors.New("gone")}, "cards", "failed", "gone"},
		"no ticket":        {deployment{ticketErr: &wechat.Error{API: "/x", Code: 45009}}, "api_ticket", "failed", "45009"},
		"no ticket store":  {deployment{storeErr: errors.New("gone")}, "ticket store", "failed", "gone"},
		"refused messages": {deployment{outbox: outbox.Backlog{Parked: 2}}, "outbox", "warning", "2 messages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := (&slow{deployment: tt.deployment}).watch(t)
				w.Findings()
				synctest.Wait()
				found, _ := w.Findings()
				i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Name == tt.check })
				if i < 0 || found[i].Outcome != tt.outcome || !strings.Contains(found[i].Found.English, tt.found) {
					t.Errorf("got %+v", found)
				}
			})
		})
	}
}
