package ration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

// asked is a WeChat that answers after a second.
type asked struct {
	calls atomic.Int32
	holds time.Duration
	err   error
}

func (a *asked) ask(ctx context.Context) (string, time.Duration, error) {
	n := a.calls.Add(1)
	select {
	case <-time.After(time.Second):
		return fmt.Sprint("answer ", n), a.holds, a.err
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
}

func free(text string) ration.Question {
	return ration.Question{Text: text, Pay: func() error { return nil }}
}

func TestAnswers_EqualQuestionsAreOneCallForAsLongAsItHolds(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("refused")} {
		synctest.Test(t, func(t *testing.T) {
			var answers ration.Answers[string]
			w := asked{holds: time.Minute, err: err}
			ask := func(want string) {
				t.Helper()
				if got, e := answers.Ask(t.Context(), free("q"), w.ask); got != want || !errors.Is(e, err) {
					t.Errorf("got %q, %v", got, e)
				}
			}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() { ask("answer 1") })
			}
			wg.Wait()
			time.Sleep(time.Minute - time.Second)
			ask("answer 1")
			time.Sleep(2 * time.Second)
			ask("answer 2")
			if _, e := answers.Ask(t.Context(), free("another"), w.ask); !errors.Is(e, err) || w.calls.Load() != 3 {
				t.Errorf("another question: %v, %d calls", e, w.calls.Load())
			}
		})
	}
}

// What says nothing about the question is shared by those who wait, and not kept.
func TestAnswers_AFailureIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		w := asked{err: errors.New("no answer")}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := answers.Ask(t.Context(), free("q"), w.ask); !errors.Is(err, w.err) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.calls.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
		w.err = nil
		if got, err := answers.Ask(t.Context(), free("q"), w.ask); got != "answer 2" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestAnswers_ACallWithoutCallersStopsAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		w := asked{holds: time.Minute}
		first, leave := context.WithCancel(t.Context())
		go func() { _, _ = answers.Ask(first, free("q"), w.ask) }()
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := answers.Ask(t.Context(), free("q"), w.ask); got != "answer 2" || err != nil {
				t.Errorf("the caller that stays: %q, %v", got, err)
			}
		})
		synctest.Wait()
		start := time.Now()
		leave()
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnswers_ACallerThatLeavesDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		w := asked{}
		go func() { _, _ = answers.Ask(t.Context(), free("q"), w.ask) }()
		synctest.Wait()
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := answers.Ask(ctx, free("q"), w.ask); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// A caller that may not ask does not keep the others from asking.
func TestAnswers_NoCallerIsRefusedForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		w := asked{holds: time.Minute}
		broke := errors.New("nothing left")
		var wg sync.WaitGroup
		for i := range 40 {
			q := free("q")
			if i%2 == 0 {
				q.Pay = func() error {
					time.Sleep(time.Millisecond) // meanwhile the others wait for this one
					return broke
				}
			}
			wg.Go(func() {
				got, err := answers.Ask(t.Context(), q, w.ask)
				if i%2 == 1 && (got != "answer 1" || err != nil) {
					t.Errorf("got %q, %v", got, err)
				}
			})
			if i == 0 {
				synctest.Wait() // the first cannot pay
			}
		}
		wg.Wait()
		another := ration.Question{Text: "another", Pay: func() error { return broke }}
		if _, err := answers.Ask(t.Context(), another, w.ask); !errors.Is(err, broke) {
			t.Errorf("got %v", err)
		}
		if n := w.calls.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// What one of those who wait has asked meanwhile is not asked by the others again.
func TestAnswers_OfACallThatHasJustEndedAreKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		var calls atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			q := free("q")
			if i == 0 {
				q.Pay = func() error {
					time.Sleep(time.Second) // meanwhile the others wait for this one
					return errors.New("nothing left")
				}
			}
			q.Waiting = 100
			wg.Go(func() {
				got, err := answers.Ask(t.Context(), q, func(context.Context) (string, time.Duration, error) {
					return fmt.Sprint("answer ", calls.Add(1)), time.Minute, nil
				})
				if i > 0 && (got != "answer 1" || err != nil) {
					t.Errorf("got %q, %v", got, err)
				}
			})
			if i == 0 {
				synctest.Wait() // the first has the call
			}
		}
		wg.Wait()
	})
}

func TestAnswers_BoundTheCallersThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answers ration.Answers[string]
		w := asked{holds: time.Minute}
		if _, err := answers.Ask(t.Context(), free("known"), w.ask); err != nil {
			t.Fatal(err)
		}
		for i := range 64 {
			go func() { _, _ = answers.Ask(t.Context(), free(fmt.Sprint(i/2)), w.ask) }()
		}
		synctest.Wait()
		for _, text := range []string{"0", "more"} {
			if _, err := answers.Ask(t.Context(), free(text), w.ask); !errors.Is(err, ration.ErrBusy) {
				t.Errorf("%s: got %v", text, err)
			}
		}
		if got, err := answers.Ask(t.Context(), free("known"), w.ask); got != "answer 1" || err != nil {
			t.Errorf("a known answer: %q, %v", got, err)
		}
		more := free("more")
		more.Waiting = 65
		if _, err := answers.Ask(t.Context(), more, w.ask); err != nil {
			t.Errorf("with a larger limit: %v", err)
		}
		synctest.Wait() // the others, who got their answers at the same moment, have left
		if _, err := answers.Ask(t.Context(), free("later"), w.ask); err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

func TestAnswers_SurviveAPanic(t *testing.T) {
	t.Parallel()
	var answers ration.Answers[string]
	func() {
		defer func() { _ = recover() }()
		_, _ = answers.Ask(t.Context(), free("q"), func(context.Context) (string, time.Duration, error) { panic("boom") })
	}()
	got, err := answers.Ask(t.Context(), free("q"), func(context.Context) (string, time.Duration, error) { return "a", 0, nil })
	if got != "a" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBudget_IsOfOneClientAndOneMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b ration.Budget
		for minute := range 3 {
			for i := range 10 {
				for _, key := range []string{"ming", "hong"} {
					if got := b.Allow(key, 6); got != (i < 6) {
						t.Errorf("minute %d, %s, use %d: %v", minute, key, i, got)
					}
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

// Clients without number do not use up the memory.
func TestBudget_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b ration.Budget
		if !b.Allow("known", 2) {
			t.Error("refused")
		}
		for i := range 65535 {
			b.Allow(fmt.Sprint(i), 1)
		}
		for i := range 10 {
			if got := b.Allow(fmt.Sprint("new", i), 3); got != (i < 3) {
				t.Errorf("new client %d: %v", i, got)
			}
		}
		if !b.Allow("known", 2) || b.Allow("known", 2) {
			t.Error("a known client shares with the new ones")
		}
	})
}

func TestClientOf(t *testing.T) {
	t.Parallel()
	want := ration.Client{Kind: ration.Member, Key: "ming"}
	if got := ration.ClientOf(ration.WithClient(t.Context(), want)); got != want {
		t.Errorf("got %v", got)
	}
	if got := ration.ClientOf(t.Context()); got != (ration.Client{}) {
		t.Errorf("got %v", got)
	}
}
