package outboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
)

// parkAll stores messages and parks each. Each is the only one of its card.
func parkAll(t *testing.T, s outbox.Store, messages ...outbox.Message) (ids []string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		for _, m := range messages {
			if err := tx.Enqueue(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	leased, err := s.Lease(t.Context(), "to park", time.Hour, len(messages))
	if err != nil || len(leased) != len(messages) {
		t.Fatalf("leased %d of %d messages, %v", len(leased), len(messages), err)
	}
	write(t, s, func(ctx context.Context, tx outbox.Tx) error {
		ids = nil
		for _, m := range leased {
			if _, err := tx.Park(ctx, m, "why "+m.Code); err != nil {
				return err
			}
			ids = append(ids, m.ID)
		}
		return nil
	})
	return ids
}

func many(n int) (messages []outbox.Message) {
	for i := range n {
		messages = append(messages, message(fmt.Sprintf("code%03d", i), "1"))
	}
	return messages
}

// again retries a parked message, as Service does.
func again(ctx context.Context, tx outbox.Tx, m outbox.Stored) (bool, error) {
	if parked, err := tx.Discard(ctx, m.ID); err != nil || !parked {
		return false, err
	}
	m.Seq, m.Attempts = 0, 0
	return true, tx.Enqueue(ctx, m.Message)
}

func addRetry(t *testing.T, s outbox.Store, id string, f outbox.Filter) outbox.RetryJob {
	t.Helper()
	j, err := s.AddRetry(t.Context(), outbox.RetryJob{ID: id, Actor: "小明", Filter: f})
	if err != nil || j.ID != id || j.Actor != "小明" || j.State != outbox.JobRunning || j.Done != 0 || j.CreatedAt.IsZero() ||
		!j.EndedAt.IsZero() {
		t.Fatalf("added: %+v, %v", j, err)
	}
	tick() // a job does not begin in the millisecond of its creation
	return j
}

// work does one page of a job.
func work(t *testing.T, s outbox.Store, n int, want bool) {
	t.Helper()
	if worked, err := s.WorkOnRetry(t.Context(), n, again); worked != want || err != nil {
		t.Fatalf("work on a retry: %v, %v, want %v", worked, err, want)
	}
}

func wantJob(t *testing.T, s outbox.Store, id, state string, total, done, failed int64) {
	t.Helper()
	j, err := s.RetryJob(t.Context(), id)
	if err != nil || j.State != state || j.Total != total || j.Done != done || j.Failed != failed ||
		j.EndedAt.IsZero() != (state == outbox.JobRunning) {
		t.Errorf("got %+v, %v, want %s, %d of %d, %d failed", j, err, state, done, total, failed)
	}
}

func wantBacklog(t *testing.T, s outbox.Store, waiting, parked int64) {
	t.Helper()
	if b, err := s.Backlog(t.Context()); b.Waiting != waiting || b.Parked != parked || err != nil {
		t.Errorf("got %+v, %v, want %d waiting, %d parked", b, err, waiting, parked)
	}
}

func filtered(t *testing.T, s outbox.Store) {
	other, twin := message("B", "1"), message("C", "1")
	other.Kind, twin.CardID = "other", "c2"
	parkAll(t, s, message("A", "1"), other, twin)
	enqueue(t, s, message("D", "1"))
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		want            string
		waiting, parked int64 // of any state
		filter          outbox.Filter
	}{
		{"ABCD", 1, 3, outbox.Filter{}}, {"ABC", 1, 3, outbox.Filter{State: outbox.Parked}}, {"D", 1, 3, outbox.Filter{State: outbox.Waiting}},
		{"ACD", 1, 2, outbox.Filter{Kind: "k"}}, {"B", 0, 1, outbox.Filter{Kind: "other"}}, {"", 0, 0, outbox.Filter{Kind: "K"}},
		{"ABD", 1, 2, outbox.Filter{CardID: "c1"}}, {"C", 0, 1, outbox.Filter{CardID: "c2", Kind: "k"}},
		{"B", 0, 1, outbox.Filter{Code: "B"}}, {"", 0, 0, outbox.Filter{Code: "B", CardID: "c2"}},
		{"A", 0, 1, outbox.Filter{ErrorContains: "y A"}}, {"", 0, 0, outbox.Filter{ErrorContains: "Y a"}},
		{"AC", 0, 2, outbox.Filter{ErrorContains: "why", Kind: "k", Before: later}}, {"", 0, 0, outbox.Filter{Before: time.UnixMilli(1)}},
	} {
		var got string
		list, err := s.Messages(t.Context(), c.filter, outbox.Mark{}, 9)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(list, func(a, b outbox.Stored) int { return int(a.Code[0]) - int(b.Code[0]) })
		for _, m := range list {
			got += m.Code
		}
		if got != c.want {
			t.Errorf("%+v: got %q, want %q", c.filter, got, c.want)
		}
		if n, err := s.Count(t.Context(), c.filter); err != nil || n.Waiting != c.waiting || n.Parked != c.parked {
			t.Errorf("%+v: counted %+v, %v", c.filter, n, err)
		}
		if j := addRetry(t, s, fmt.Sprintf("of %+v", c.filter), c.filter); c.filter.State == outbox.Parked && j.Total != 3 {
			t.Errorf("%+v: the total is %d", c.filter, j.Total)
		}
	}
}

func retryPages(t *testing.T, s outbox.Store) {
	parkAll(t, s, many(7)...)
	j := addRetry(t, s, "j", outbox.Filter{State: outbox.Parked, Kind: "k"})
	if j.Total != 7 || j.Filter.Kind != "k" {
		t.Errorf("got %+v", j)
	}
	parkAll(t, s, message("later", "1")) // after the job was created
	for _, done := range []int64{3, 6} {
		work(t, s, 3, true)
		wantJob(t, s, "j", outbox.JobRunning, 7, done, 0)
		wantBacklog(t, s, done, 8-done)
	}
	work(t, s, 3, true)
	wantJob(t, s, "j", outbox.JobDone, 7, 7, 0)
	work(t, s, 3, false)
	wantBacklog(t, s, 7, 1)
}

// Waiting messages stay in the list, and are retried once all the same.
func retryWaiting(t *testing.T, s outbox.Store) {
	enqueue(t, s, many(5)...)
	addRetry(t, s, "j", outbox.Filter{State: outbox.Waiting})
	var seen []string
	for range 3 {
		_, err := s.WorkOnRetry(t.Context(), 2, func(_ context.Context, _ outbox.Tx, m outbox.Stored) (bool, error) {
			seen = append(seen, m.Code)
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantJob(t, s, "j", outbox.JobDone, 5, 5, 0)
	if slices.Sort(seen); len(slices.Compact(seen)) != 5 {
		t.Errorf("retried %v", seen)
	}
}

// What is parked again while the job goes on is not retried by it again.
func retryOnce(t *testing.T, s outbox.Store) {
	parkAll(t, s, many(4)...)
	addRetry(t, s, "j", outbox.Filter{State: outbox.Parked})
	for range 2 {
		work(t, s, 2, true)
		leased, err := s.Lease(t.Context(), "l", time.Hour, 9)
		if err != nil || len(leased) != 2 {
			t.Fatalf("leased %+v, %v", leased, err)
		}
		for _, m := range leased {
			end(t, s, park, m, true)
		}
	}
	work(t, s, 2, true)
	wantJob(t, s, "j", outbox.JobDone, 4, 4, 0)
	wantBacklog(t, s, 0, 4)
}

func retryChosen(t *testing.T, s outbox.Store) {
	ids := parkAll(t, s, many(5)...)
	j := addRetry(t, s, "j", outbox.Filter{IDs: []string{ids[3], "gone", ids[0], ids[3], "a", ids[1]}})
	if j.Total != 5 {
		t.Errorf("got %+v, want each message once", j)
	}
	write(t, s, func(ctx context.Context, tx outbox.Tx) error { _, err := tx.Discard(ctx, ids[1]); return err })
	for j.State == outbox.JobRunning {
		work(t, s, 2, true)
		var err error
		if j, err = s.RetryJob(t.Context(), "j"); err != nil {
			t.Fatal(err)
		}
	}
	wantJob(t, s, "j", outbox.JobDone, 5, 2, 3)
	wantBacklog(t, s, 2, 2)
}

// A page of a replica that dies, or whose transaction is undone, was not retried.
func retryUndone(t *testing.T, s outbox.Store) {
	parkAll(t, s, many(3)...)
	addRetry(t, s, "j", outbox.Filter{State: outbox.Parked})
	work(t, s, 1, true)
	seen := 0
	worked, err := s.WorkOnRetry(t.Context(), 2, func(ctx context.Context, tx outbox.Tx, m outbox.Stored) (bool, error) {
		if seen++; seen == 2 {
			return false, errUndo
		}
		return again(ctx, tx, m)
	})
	if worked || !errors.Is(err, errUndo) {
		t.Errorf("got %v, %v", worked, err)
	}
	wantJob(t, s, "j", outbox.JobRunning, 3, 1, 0)
	wantBacklog(t, s, 1, 2)
	work(t, s, 9, true)
	wantJob(t, s, "j", outbox.JobDone, 3, 3, 0)
}

func retryStopped(t *testing.T, s outbox.Store) {
	parkAll(t, s, many(6)...)
	addRetry(t, s, "j", outbox.Filter{State: outbox.Parked})
	work(t, s, 2, true)
	var stopping sync.WaitGroup
	worked, err := s.WorkOnRetry(t.Context(), 2, func(ctx context.Context, tx outbox.Tx, m outbox.Stored) (bool, error) {
		if m.Code == "code003" { // in the middle of a page
			stopping.Go(func() {
				if err := s.StopRetry(t.Context(), "j"); err != nil {
					t.Error(err)
				}
			})
		}
		return again(ctx, tx, m)
	})
	if !worked || err != nil {
		t.Errorf("got %v, %v", worked, err)
	}
	stopping.Wait()
	addRetry(t, s, "of none", outbox.Filter{State: outbox.Parked, Kind: "none"})
	work(t, s, 2, true)
	work(t, s, 2, false)
	wantJob(t, s, "of none", outbox.JobDone, 0, 0, 0)
	wantJob(t, s, "j", outbox.JobStopped, 6, 4, 0)
	wantBacklog(t, s, 4, 2)
	if err := s.StopRetry(t.Context(), "j"); err != nil {
		t.Errorf("stopped again: %v", err)
	}
	if err := s.StopRetry(t.Context(), "none"); !errors.Is(err, outbox.ErrJobNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
}

// Of several workers each retries other messages, also if two jobs select the same.
func retryWorkers(t *testing.T, s outbox.Store) {
	const n = 40
	parkAll(t, s, many(n)...)
	for _, id := range []string{"j1", "j2"} {
		addRetry(t, s, id, outbox.Filter{State: outbox.Parked})
	}
	var mu sync.Mutex
	retried := map[string]int{}
	work := func() error {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			var mine []string
			_, err := s.WorkOnRetry(t.Context(), 3, func(ctx context.Context, tx outbox.Tx, m outbox.Stored) (bool, error) {
				if len(mine) == 3 {
					mine = nil // the transaction is run again
				}
				done, err := again(ctx, tx, m)
				if done && err == nil {
					mine = append(mine, m.ID)
				}
				return done, err
			})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, id := range mine {
				retried[id]++
			}
			mu.Unlock()
			if jobs, err := s.RetryJobs(t.Context(), 2); err != nil || jobs[0].State != outbox.JobRunning && jobs[1].State != outbox.JobRunning {
				return err
			}
		}
		return errors.New("the jobs do not end within a minute")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := work(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var done int64
	for _, id := range []string{"j1", "j2"} {
		j, err := s.RetryJob(t.Context(), id)
		if err != nil || j.State != outbox.JobDone || j.Done+j.Failed > j.Total {
			t.Errorf("got %+v, %v", j, err)
		}
		done += j.Done
	}
	if done != n || len(retried) != n {
		t.Errorf("%d retried in the jobs, %d messages in all, want %d", done, len(retried), n)
	}
	wantBacklog(t, s, n, 0)
}

func retryList(t *testing.T, s outbox.Store) {
	for i := range 5 {
		addRetry(t, s, fmt.Sprint("j", i), outbox.Filter{State: outbox.Waiting, IDs: nil})
	}
	work(t, s, 1, true)
	jobs, err := s.RetryJobs(t.Context(), 3)
	if err != nil || len(jobs) != 3 || jobs[0].ID != "j4" || jobs[2].ID != "j2" {
		t.Errorf("got %+v, %v", jobs, err)
	}
	wantJob(t, s, "j0", outbox.JobDone, 0, 0, 0) // the oldest first
	if _, err := s.RetryJob(t.Context(), "none"); !errors.Is(err, outbox.ErrJobNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
}
