package ration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

const (
	// maxWaiting bounds the callers that wait for the answers of one kind. WeChat
	// answers in about a tenth of a second, so it is hundreds of calls a second.
	maxWaiting = 64
	// maxAnswers is half of the number of answers that are kept.
	maxAnswers = 4096
	// longestKept is the longest time for which an answer is kept.
	longestKept = time.Hour
)

// Question is what is asked. Two questions are equal if their texts are.
type Question struct {
	Text string
	// Pay is called before the call is made. Its error is returned to this caller
	// alone.
	Pay func() error
	// Waiting is how many callers may wait for the answers of one kind; 0 means 64.
	Waiting int64
}

// Answers has equal questions asked once: concurrent callers share one call, and
// later ones get its answer for as long as it holds. It keeps the hash of a
// question, not its text. The zero value is ready to use.
//
// The call is made by one of its callers and ends with that caller's context. Then
// another of the callers makes it. So a call that has lost all its callers stops.
type Answers[V any] struct {
	waiting Slots

	mu   sync.Mutex
	kept *Recent[hash, answer[V]]
	open map[hash]*call[V]
}

type hash = [sha256.Size]byte

// answer is the result of a call, and the time until which it holds.
type answer[V any] struct {
	value V
	err   error
	until time.Time
}

// call is a call in progress. Its other fields may be read when done is closed.
type call[V any] struct {
	done chan struct{}
	// asked is false if the result is of no use to others: the caller could not
	// pay, or left.
	asked  bool
	result answer[V]
}

// Ask returns the answer to q. If it is not known, it calls ask, which returns for
// how long its result, value or error, holds for later callers.
//
// Ask blocks until the answer is there or ctx ends. If too many callers wait, it
// returns ErrBusy at once.
func (a *Answers[V]) Ask(ctx context.Context, q Question, ask func(context.Context) (V, time.Duration, error)) (V, error) {
	var none V
	key := sha256.Sum256([]byte(q.Text))
	if known, ok := a.known(key); ok {
		return known.value, known.err
	}
	leave, err := a.waiting.Enter(cmp.Or(q.Waiting, maxWaiting))
	if err != nil {
		return none, err
	}
	defer leave()
	for {
		c, own := a.join(key)
		if own {
			return a.make(ctx, key, c, q.Pay, ask)
		}
		select {
		case <-c.done:
			if c.asked {
				return c.result.value, c.result.err
			}
		case <-ctx.Done():
			return none, fmt.Errorf("wait for the answer to an equal question: %w", ctx.Err())
		}
	}
}

func (a *Answers[V]) known(key hash) (answer[V], bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.knownLocked(key)
}

// knownLocked returns the answer that is kept. The caller holds mu.
func (a *Answers[V]) knownLocked(key hash) (answer[V], bool) {
	if a.kept == nil {
		a.kept, a.open = NewRecent[hash, answer[V]](maxAnswers, longestKept), map[hash]*call[V]{}
	}
	known, ok := a.kept.Get(key)
	return known, ok && time.Now().Before(known.until)
}

// join returns the call that is in progress, or a new one that the caller owns. A
// call that has just ended is returned as one in progress.
func (a *Answers[V]) join(key hash) (c *call[V], own bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.knownLocked(key); ok {
		c = &call[V]{done: make(chan struct{}), asked: true, result: known}
		close(c.done)
		return c, false
	}
	if c, ok := a.open[key]; ok {
		return c, false
	}
	c = &call[V]{done: make(chan struct{})}
	a.open[key] = c
	return c, true
}

// make makes the call that the caller owns.
func (a *Answers[V]) make(
	ctx context.Context, key hash, c *call[V], pay func() error, ask func(context.Context) (V, time.Duration, error),
) (V, error) {
	defer func() { // also after a panic of ask
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.open, key)
		if c.asked && time.Now().Before(c.result.until) {
			a.kept.Put(key, c.result)
		}
		close(c.done)
	}()
	if err := pay(); err != nil {
		var none V
		return none, err
	}
	value, holds, err := ask(ctx)
	c.result = answer[V]{value, err, time.Now().Add(holds)}
	c.asked = err == nil || ctx.Err() == nil
	return value, err
}
