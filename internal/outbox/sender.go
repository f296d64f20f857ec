package outbox

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

// Handling a message and recording the outcome fit into its lease, so that no
// other replica sends it meanwhile. After a crash the message waits for the lease
// to end, so the lease is no longer than one slow call to WeChat, 8 s, needs.
const (
	leaseTime = 15 * time.Second
	workTime  = 10 * time.Second
)

const (
	// concurrency is how many messages, of different cards, are sent at once.
	concurrency = 8
	// pollInterval is how long a due message may wait that another replica
	// stored or that was postponed.
	pollInterval = 500 * time.Millisecond
	// errorPause is how long a failing database is left alone.
	errorPause = 5 * time.Second
	// drainTime is how long calls under way may go on after the end of Run's
	// ctx. A message that is cut off is checked before it is sent again.
	drainTime = 3 * time.Second
	// maxTries bounds how often a handler that returns ErrStale is called again.
	maxTries = 3
)

// The outcomes of handling a message, as NewSender's observe gets them.
const (
	outcomeDone      = "done"
	outcomePostponed = "postponed"
	outcomeParked    = "dead"
	outcomeLost      = "lost"     // another replica has leased it, or will
	outcomeReleased  = "released" // given back at the end of Run
)

// Handler handles the messages of one kind.
type Handler struct {
	// Send does what the message asks for, and must remove the message with Finish
	// in the transaction that records the outcome. ctx ends before the lease does.
	// If Send returns an error, the message is postponed. It is parked only if the
	// error is an Answer of WeChat's that refuses the call for good, or has refused
	// it often enough. A WaitError says how long the message is to wait.
	Send func(ctx context.Context, m Message) error
	// Lost, unless nil, is called if the lease ended before Send had finished the
	// message. It must repair what the late Send may have overwritten.
	Lost func(ctx context.Context, m Message) error
}

// Sender sends the messages of the outbox. Any number of replicas may run one.
type Sender struct {
	service  *Service
	handlers map[string]Handler
	log      *slog.Logger
	observe  func(kind, outcome string)
}

// NewSender returns a Sender with a handler for each kind of message. It calls
// observe with the outcome of each message: done, postponed, dead (parked), lost
// (the lease ended too early) or released (given back at the end of Run). observe
// must be safe for concurrent use.
func (s *Service) NewSender(handlers map[string]Handler, log *slog.Logger, observe func(kind, outcome string)) *Sender {
	return &Sender{service: s, handlers: handlers, log: log, observe: observe}
}

// Run sends messages and blocks until ctx ends. Then it waits for the calls in
// progress, for at most 3 s and the time to record their outcomes.
func (s *Sender) Run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	slots := make(chan struct{}, concurrency)
	var running sync.WaitGroup
	defer func() {
		defer time.AfterFunc(drainTime, stop).Stop()
		running.Wait()
	}()
	for ctx.Err() == nil {
		free := concurrency - len(slots)
		// Counted from before the lease: a process that was stopped in between
		// must not send when another replica has leased the message.
		deadline := time.Now().Add(workTime)
		messages, err := s.lease(ctx, free)
		for _, m := range messages {
			slots <- struct{}{}
			running.Go(func() {
				defer s.service.Wake() // the next message of this card is due
				defer func() { <-slots }()
				s.observe(m.Kind, s.handle(work, m, deadline))
			})
		}
		switch {
		case err != nil:
			pause(ctx, nil, errorPause)
		case free == 0 || len(messages) < free:
			pause(ctx, s.service.wake, pollInterval)
		} // else more may be due
	}
}

// pause blocks until ctx ends, a signal comes, or at most longest has passed.
func pause(ctx context.Context, signal <-chan struct{}, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-signal:
	case <-time.After(longest/2 + rand.N(longest/2)):
	}
}

func (s *Sender) lease(ctx context.Context, n int) ([]Message, error) {
	if n == 0 {
		return nil, nil
	}
	messages, err := s.service.store.Lease(ctx, uuid.NewString(), leaseTime, n)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "outbox: read failed; will retry", "error", err)
	}
	return messages, err
}

// handle sends one message, ends its lease and returns the outcome. The end of ctx
// cuts the work off.
func (s *Sender) handle(ctx context.Context, m Message, deadline time.Time) (outcome string) {
	work, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := s.send(work, m)
	switch {
	case err == nil:
		return outcomeDone
	case errors.Is(err, ErrLeaseLost):
		outcome = outcomeLost
	case ctx.Err() != nil:
		outcome = s.record(ctx, m, outcomeReleased, func(tx Tx) endFunc { return tx.Release })
	default:
		outcome = s.fail(ctx, m, err)
	}
	if lost := s.handlers[m.Kind].Lost; outcome == outcomeLost && lost != nil {
		if err := lost(ctx, m); err != nil {
			s.log.WarnContext(ctx, "outbox: a message was sent after its lease ended, and its effect was not repaired; the reconciler will",
				"kind", m.Kind, "card_id", m.CardID, "error", err)
		}
	}
	return outcome
}

// send calls the handler, again while the card changes under it. A panic is an
// error like others, so that the process goes on.
func (s *Sender) send(ctx context.Context, m Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "panic", "kind", m.Kind, "card_id", m.CardID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	handler, ok := s.handlers[m.Kind]
	if !ok {
		return fmt.Errorf("outbox: no handler for messages of kind %q", m.Kind)
	}
	for range maxTries {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = handler.Send(ctx, m); !errors.Is(err, ErrStale) {
			return err
		}
	}
	return err
}

// fail postpones a message that was not sent, or parks it.
func (s *Sender) fail(ctx context.Context, m Message, cause error) (outcome string) {
	log := s.log.With("kind", m.Kind, "card_id", m.CardID, "error", cause)
	wait, park := BackOff(m.Attempts, cause)
	if park {
		log.ErrorContext(ctx, "outbox: message refused for good; parked until it is retried by hand")
		return s.record(ctx, m, outcomeParked, func(tx Tx) endFunc {
			return func(ctx context.Context, m Message) (bool, error) { return tx.Park(ctx, m, brief(cause)) }
		})
	}
	log.InfoContext(ctx, "outbox: message not sent; will retry", "in", wait)
	m.Attempts = counted(m.Attempts, cause)
	return s.record(ctx, m, outcomePostponed, func(tx Tx) endFunc {
		return func(ctx context.Context, m Message) (bool, error) { return tx.Postpone(ctx, m, wait, brief(cause)) }
	})
}

type endFunc = func(context.Context, Message) (bool, error)

// record ends the lease of a message and returns the outcome. If that fails, the
// lease ends by itself.
func (s *Sender) record(ctx context.Context, m Message, outcome string, how func(Tx) endFunc) string {
	ctx, cancel := RecordContext(ctx)
	defer cancel()
	err := s.service.store.Write(ctx, func(ctx context.Context, tx Tx) error { return end(ctx, tx, m, how(tx)) })
	if err == nil {
		return outcome
	}
	if !errors.Is(err, ErrLeaseLost) {
		s.log.WarnContext(ctx, "outbox: outcome not recorded; the message will be sent again",
			"kind", m.Kind, "card_id", m.CardID, "outcome", outcome, "error", err)
	}
	return outcomeLost
}

// brief returns err's text, cut to what is kept with a message.
func brief(err error) string {
	const most = 500
	text := err.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
