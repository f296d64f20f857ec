package statistics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/statistics"
	"github.com/addcard/addcard/internal/statistics/sqlstore"
	"github.com/addcard/addcard/internal/testing/world"
)

// run runs a service on the store until the test ends.
func run(w *world.World, store statistics.Store) *statistics.Service {
	s := statistics.New(store, statistics.Options{Zone: time.UTC, Log: slog.New(slog.DiscardHandler), PageSize: 10})
	ctx, stop := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	w.Cleanup(func() {
		stop()
		<-ended
	})
	return s
}

// claim adds n cards that were claimed now.
func claim(w *world.World, code string, n int) {
	err := membersql.New(w.DB).Write(w.Context(), func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "of"+code); err != nil {
			return err
		}
		for i := range n {
			c := member.Card{CardID: "c1", Code: fmt.Sprint(code, i), MemberID: "of" + code, Status: member.Claimed, ClaimedAt: time.Now()}
			if _, err := tx.AddCard(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// wants checks how many cards were claimed, and until when all are counted.
func wants(w *world.World, s *statistics.Service, claimed int64, since time.Time) {
	w.Helper()
	today := statistics.DayOf(time.Now(), time.UTC)
	r, err := s.Days(w.Context(), statistics.Span{From: today - 1, To: today})
	if err != nil || r.Total.Claimed != claimed || r.Until.Before(since) {
		w.Errorf("%d claimed, counted until %v, %v, want %d, %v", r.Total.Claimed, r.Until, err, claimed, since)
	}
}

func TestRun_CountsWithinAMinute(t *testing.T) {
	world.Run(t, func(w *world.World) {
		claim(w, "A", 35) // before the first roll-up
		one, other := run(w, sqlstore.New(w.DB)), run(w, sqlstore.New(w.DB))
		time.Sleep(time.Minute)
		wants(w, one, 35, time.Now().Add(-30*time.Second))
		for round := range int64(3) {
			began := time.Now()
			claim(w, fmt.Sprint("B", round), 25)
			time.Sleep(time.Minute)
			wants(w, other, 35+25*(round+1), began)
		}
	})
}

// away is a store that is not reached for a while.
type away struct {
	statistics.Store
	until time.Time
}

func (a away) StartJob(ctx context.Context, every time.Duration) (bool, error) {
	if time.Now().Before(a.until) {
		return false, errors.New("the database is away")
	}
	return a.Store.StartJob(ctx, every)
}

func TestRun_ContinuesAfterAFailure(t *testing.T) {
	world.Run(t, func(w *world.World) {
		claim(w, "A", 5)
		s := run(w, away{sqlstore.New(w.DB), time.Now().Add(10 * time.Minute)})
		time.Sleep(9 * time.Minute)
		wants(w, s, 0, time.Time{})
		time.Sleep(3 * time.Minute)
		wants(w, s, 5, time.Now().Add(-time.Minute))
	})
}
