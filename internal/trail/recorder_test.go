package trail_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/trail"
)

// shelf is a Store in memory.
type shelf struct {
	mu     sync.Mutex
	err    error
	writes int
	rows   []trail.Row
	old    int // rows that are too old
	purges int
}

func (s *shelf) Add(_ context.Context, rows []trail.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes++; s.err != nil {
		return s.err
	}
	s.rows = append(s.rows, rows...)
	return nil
}

func (s *shelf) Purge(_ context.Context, age time.Duration, n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purges++
	if age != 180*24*time.Hour {
		return 0, fmt.Errorf("purge after %v", age)
	}
	deleted := min(n, s.old)
	s.old -= deleted
	return deleted, nil
}

func (s *shelf) StartJob(context.Context, string, time.Duration) (bool, error) { return true, nil }

func (s *shelf) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.rows {
		all = append(all, strings.TrimSpace(r.Kind+" "+r.MemberID+" "+r.CardID+" "+r.Code))
	}
	return strings.Join(all, "; ")
}

// seen returns the numbers of writes and purges, and the rows.
func (s *shelf) seen() (writes, purges, old int, rows []trail.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.purges, s.old, s.rows
}

// run runs a Recorder in virtual time.
func run(t *testing.T, s *shelf, test func(r *trail.Recorder, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := trail.NewRecorder(s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		stop := func() { cancel(); running.Wait() }
		defer stop()
		test(r, stop)
	})
}

func TestRecorder_ARepetitionWithinAnHourIsOneRow(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	run(t, s, func(r *trail.Recorder, _ func()) {
		for range 3 {
			r.Login("m")
			r.Login("n")
			r.CardExt("m", "c", "1")
			r.CardExt("m", "c", "2")
			time.Sleep(10 * time.Minute)
		}
		const once = "login m; login n; card_ext m c 1; card_ext m c 2"
		if got := s.text(); got != once {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Hour)
		r.Login("m")
		time.Sleep(2 * time.Second)
		if got := s.text(); got != once+"; login m" {
			t.Errorf("an hour later: got %s", got)
		}
	})
}

func TestRecorder_WritesOnceASecondAndAtTheEnd(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	run(t, s, func(r *trail.Recorder, stop func()) {
		for i := range 100 {
			r.Login(fmt.Sprint(i))
			time.Sleep(50 * time.Millisecond)
		}
		if writes, _, _, _ := s.seen(); writes < 3 || writes > 6 {
			t.Errorf("%d writes in 5 s", writes)
		}
		r.Login("last")
		stop()
		if len(s.rows) != 101 {
			t.Errorf("%d rows", len(s.rows))
		}
	})
}

// A database that is away holds up no login, and costs a bounded memory.
func TestRecorder_DropsWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	s := &shelf{err: errors.New("the database is away")}
	run(t, s, func(r *trail.Recorder, _ func()) {
		for i := range 10_000 {
			r.Login(fmt.Sprint(i))
		}
		time.Sleep(5 * time.Second)
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		if _, _, _, rows := s.seen(); len(rows) != 4096 || rows[0].MemberID != "0" || rows[4095].MemberID != "4095" {
			t.Errorf("%d rows", len(rows))
		}
	})
}

func TestRecorder_PurgesInPages(t *testing.T) {
	t.Parallel()
	s := &shelf{old: 1200}
	run(t, s, func(_ *trail.Recorder, _ func()) {
		time.Sleep(time.Minute)
		if _, purges, old, _ := s.seen(); old != 0 || purges != 3 {
			t.Errorf("%d rows left after %d purges", old, purges)
		}
		time.Sleep(65 * time.Minute)
		if _, purges, _, _ := s.seen(); purges != 4 {
			t.Errorf("%d purges in another hour", purges)
		}
	})
}

func BenchmarkRecorder_CardExt(b *testing.B) {
	r := trail.NewRecorder(&shelf{}, slog.New(slog.DiscardHandler))
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			r.CardExt("8f0b5c8e-0000-7000-8000-000000000000", "pcard", "1234567890123456")
		}
	})
}
