package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

// runRetries runs a replica's RunRetries until stop is called.
func runRetries(w *world.World, s *outbox.Service) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { s.RunRetries(ctx, slog.New(slog.DiscardHandler)) })
	return func() { cancel(); running.Wait() }
}

// park parks an entry of each of n cards.
func park(w *world.World, n int) {
	w.Helper()
	refuse := true
	w.WeChat.Before = func(_ context.Context, c world.Call) error {
		if refuse && c.Name == "update" {
			return world.RefusalError{}
		}
		return nil
	}
	for range n {
		w.MustAddEntry("push", w.ActivateCard("push"), world.Points(3))
	}
	w.SendAll()
	refuse = false
	if b, err := w.Backlog(w.Context()); b.Parked != int64(n) || b.Waiting != 0 || err != nil {
		w.Fatalf("backlog: %+v, %v, want %d parked", b, err, n)
	}
}

func ended(w *world.World, id, state string) outbox.RetryJob {
	w.Helper()
	for range 100 {
		j, err := w.RetryJob(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		if j.State == state {
			return j
		}
		time.Sleep(time.Second)
	}
	w.Fatalf("the job is not %s within 100 s", state)
	return outbox.RetryJob{}
}

// A replica ends in the middle of a job; another goes on with it, and what it retries
// is sent.
func TestRetryAll_AnotherReplicaGoesOn(t *testing.T) {
	world.Run(t, func(w *world.World) {
		park(w, 5)
		j, err := w.RetryAll(w.Context(), "小明", outbox.Filter{})
		if err != nil || j.Total != 5 || j.Filter.State != outbox.Parked {
			w.Fatalf("got %+v, %v", j, err)
		}
		runRetries(w, w.Outbox)() // a replica that ends at once
		other := w.Fork()
		defer runRetries(other, other.Outbox)()
		if j := ended(w, j.ID, outbox.JobDone); j.Done != 5 || j.Failed != 0 || j.Actor != "小明" {
			w.Errorf("got %+v", j)
		}
		w.SendAll()
		if b, err := w.Backlog(w.Context()); b.Waiting+b.Parked != 0 || err != nil {
			w.Errorf("left: %+v, %v", b, err)
		}
		if got := w.Outcomes()["entry_again done"]; got != 5 {
			w.Errorf("outcomes: %v", w.Outcomes())
		}
	})
}

// The sender is told at once that there is something to send.
func TestRetryAll_WakesTheSender(t *testing.T) {
	world.Run(t, func(w *world.World) {
		park(w, 1)
		defer runRetries(w, w.Outbox)()
		time.Sleep(time.Minute)
		if _, err := w.RetryAll(w.Context(), "owner", outbox.Filter{Kind: "entry"}); err != nil {
			w.Fatal(err)
		}
		began := time.Now()
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		w.WaitSent()
		if d := time.Since(began); d > 5*time.Second {
			w.Errorf("took %v", d)
		}
	})
}

func TestRetryAll_StoppedBeforeItBegan(t *testing.T) {
	world.Run(t, func(w *world.World) {
		park(w, 2)
		j, err := w.RetryAll(w.Context(), "owner", outbox.Filter{})
		if err != nil {
			w.Fatal(err)
		}
		if err := w.StopRetry(w.Context(), j.ID); err != nil {
			w.Fatal(err)
		}
		stop := runRetries(w, w.Outbox)
		time.Sleep(time.Minute)
		stop()
		if j := ended(w, j.ID, outbox.JobStopped); j.Done != 0 {
			w.Errorf("got %+v", j)
		}
		if jobs, err := w.RetryJobs(w.Context(), 9); len(jobs) != 1 || jobs[0].ID != j.ID || err != nil {
			w.Errorf("got %+v, %v", jobs, err)
		}
		if err := w.StopRetry(w.Context(), "none"); !errors.Is(err, outbox.ErrJobNotFound) {
			w.Errorf("an unknown one: %v", err)
		}
	})
}
