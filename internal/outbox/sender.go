package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The work on a message and the note of how it went fit into its lease, so
// nobody else sends it meanwhile. After a crash it waits for the lease to end,
// so that is not longer than one slow call to WeChat, 8 s, needs.
const (
	leaseTime = 15 * time.Second
	workTime  = 10 * time.Second
	noteTime  = 4 * time.Second
)

const (
	// senders is how many messages are under way at once, of different cards.
	senders = 8
	// pollEvery is how long a message may wait that another replica enqueued,
	// or whose time has come.
	pollEvery = 500 * time.Millisecond
	// pauseAfterError leaves a database alone that is down.
	pauseAfterError = 5 * time.Second
	// drainTime is how long the calls under way may go on after the end of
	// Run's ctx. One that is cut off is looked at before it is repeated.
	drainTime = 3 * time.Second
)

// Sender carries the outbox to WeChat. Any number of replicas may run one.
type Sender struct {
	service *Service
	wechat  WeChat
	log     *slog.Logger
	sent    func(kind, outcome string)
}

// NewSender returns a Sender. sent is told what became of each message: done;
// postponed; dead, which waits for the operator; lost, which somebody else has
// or will have; released, at the end of Run. It must be safe for concurrent use.
func (s *Service) NewSender(wechat WeChat, log *slog.Logger, sent func(kind, outcome string)) *Sender {
	return &Sender{service: s, wechat: pace(wechat), log: log, sent: sent}
}

// Run sends until ctx ends. It blocks, at the end for the calls under way: for
// 3 s and the time to write down how they went.
func (s *Sender) Run(ctx context.Context) {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	slots := make(chan struct{}, senders)
	var running sync.WaitGroup
	defer func() {
		defer time.AfterFunc(drainTime, cut).Stop()
		running.Wait()
	}()
	for ctx.Err() == nil {
		free := senders - len(slots)
		// From before the lease: a process that was stopped in between must
		// not send when somebody else has taken over.
		until := time.Now().Add(workTime)
		messages, err := s.take(ctx, free)
		for _, m := range messages {
			slots <- struct{}{}
			running.Go(func() {
				defer s.service.wake() // the next of this card may go now
				defer func() { <-slots }()
				outcome := s.deliver(work, m, until)
				if outcome == "lost" && pushes(m.Kind) {
					s.overtaken(work, m)
				}
				s.sent(m.Kind, outcome)
			})
		}
		switch {
		case err != nil:
			s.wait(ctx, nil, pauseAfterError)
		case free == 0 || len(messages) < free:
			s.wait(ctx, s.service.due, pollEvery)
		} // else there may be more
	}
}

// wait ends with ctx, with a signal, or by itself.
func (s *Sender) wait(ctx context.Context, signal <-chan struct{}, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-signal:
	case <-time.After(longest/2 + rand.N(longest/2)):
	}
}

// take leases up to n messages.
func (s *Sender) take(ctx context.Context, n int) ([]Message, error) {
	if n == 0 {
		return nil, nil
	}
	messages, err := s.service.store.Take(ctx, uuid.NewString(), leaseTime, n)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "the outbox cannot be read", "error", err)
	}
	return messages, err
}

// deliver handles one message and returns the outcome. The end of ctx cuts it off.
func (s *Sender) deliver(ctx context.Context, m Message, until time.Time) (outcome string) {
	work, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := s.try(work, m)
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, errLeaseLost):
		return "lost"
	case ctx.Err() != nil:
		return s.note(ctx, m, "released", func(ctx context.Context, tx Tx) (bool, error) { return tx.Release(ctx, m) })
	}
	return s.setBack(ctx, m, err)
}

// try sends the message. A panic is an error like others: the process goes on.
func (s *Sender) try(ctx context.Context, m Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "panic", "kind", m.Kind, "card_id", m.CardID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	const tries = 3 // at a card that keeps changing
	for range tries {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = s.send(ctx, m); !errors.Is(err, errStale) {
			return err
		}
	}
	return err
}

// setBack postpones a message that failed, or parks it.
func (s *Sender) setBack(ctx context.Context, m Message, cause error) (outcome string) {
	log := s.log.With("kind", m.Kind, "card_id", m.CardID, "error", cause)
	why := brief(cause)
	wait, dead := backOff(m.Attempts, cause)
	if !dead {
		log.InfoContext(ctx, "will try again", "in", wait)
		return s.note(ctx, m, "postponed", func(ctx context.Context, tx Tx) (bool, error) { return tx.Postpone(ctx, m, wait, why) })
	}
	log.ErrorContext(ctx, "refused for good")
	return s.note(ctx, m, "dead", func(ctx context.Context, tx Tx) (bool, error) { return tx.Bury(ctx, m, why) })
}

// note writes down how it went. If it cannot, the lease will end by itself.
func (s *Sender) note(ctx context.Context, m Message, outcome string, write func(context.Context, Tx) (bool, error)) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	err := s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, m.CardID, m.Code); err != nil {
			return err
		}
		mine, err := write(ctx, tx)
		return errors.Join(err, lost(mine || err != nil))
	})
	if err == nil {
		return outcome
	}
	if !errors.Is(err, errLeaseLost) {
		s.log.WarnContext(ctx, "an outcome was not written", "kind", m.Kind, "card_id", m.CardID, "outcome", outcome, "error", err)
	}
	return "lost"
}

// overtaken sets right what a push may have overwritten that was not ours any
// more.
func (s *Sender) overtaken(ctx context.Context, m Message) {
	if err := s.realign(ctx, m, m.overwritten()); err != nil {
		s.log.WarnContext(ctx, "a face may be wrong: a push went out late", "card_id", m.CardID, "error", err)
	}
}

// errLeaseLost ends the work on a message that somebody else has taken over.
var errLeaseLost = errors.New("member: the message is in other hands")

func lost(mine bool) error {
	if mine {
		return nil
	}
	return errLeaseLost
}

// brief is err's text, short enough to be kept with a message.
func brief(err error) string {
	const most = 500
	text := err.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
