package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// leaseTime is longer than a call to WeChat may take, its one repetition
	// with a new token and the time to write the outcome included.
	leaseTime = 30 * time.Second
	// sendTime bounds the work on one message, well within its lease.
	sendTime = 20 * time.Second
	// senders is how many messages are under way at once, of different cards.
	senders = 8
	// pollEvery is how long a message may wait that another replica enqueued,
	// or whose time has come.
	pollEvery = 500 * time.Millisecond
	// maxAttempts parks a message that WeChat refuses in a way that may pass:
	// with the back-off below that is after about eight hours.
	maxAttempts = 100
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	// accountWait is for refusals that are not about this card: a secret, an
	// address, a permission. They last until somebody changes something.
	accountWait = 10 * time.Minute
)

// Face is what WeChat says of a member's card.
type Face struct {
	Active           bool
	MembershipNumber string
	Status           string // user_card_status: NORMAL, DELETE, …
}

// WeChat is what the Sender calls. An error tells by its methods what it means:
//
//	Temporary() bool                    // the same call may succeed later
//	Permanent() bool                    // not before somebody changes the account
//	RetryAfter() (time.Duration, bool)  // a quota is spent for that long
//	NotDelivered() bool                 // the code is not in a wallet, or not yet
//
// An error without them is treated as one that passes.
type WeChat interface {
	// Activate makes the card active with this membership_number.
	Activate(ctx context.Context, cardID, code, membershipNumber string) error
	// Face reads what the holder of the card sees.
	Face(ctx context.Context, cardID, code string) (Face, error)
}

// Sender carries the outbox to WeChat. Any number of replicas may run one.
type Sender struct {
	service *Service
	wechat  WeChat
	log     *slog.Logger
	sent    func(kind, outcome string)
}

// NewSender returns a Sender; sent counts outcomes: done, postponed, dead, lost.
func (s *Service) NewSender(wechat WeChat, log *slog.Logger, sent func(kind, outcome string)) *Sender {
	return &Sender{service: s, wechat: wechat, log: log, sent: sent}
}

// Run sends until ctx ends; messages under way are finished first. It blocks.
func (s *Sender) Run(ctx context.Context) {
	slots := make(chan struct{}, senders)
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		free := senders - len(slots)
		taken := 0
		if free > 0 {
			taken = s.round(ctx, free, slots, &running)
		}
		if taken == free && free > 0 {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-s.service.enqueue:
		case <-time.After(pollEvery/2 + rand.N(pollEvery/2)):
		}
	}
}

func (s *Sender) round(ctx context.Context, free int, slots chan struct{}, running *sync.WaitGroup) int {
	messages, err := s.service.store.Take(ctx, uuid.NewString(), leaseTime, free)
	if err != nil {
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "the outbox cannot be read", "error", err)
		}
		return 0
	}
	for _, m := range messages {
		slots <- struct{}{}
		running.Go(func() {
			defer s.service.wake() // the next of this card may go now
			defer func() { <-slots }()
			s.deliver(context.WithoutCancel(ctx), m)
		})
	}
	return len(messages)
}

// deliver handles one message and writes down how it went.
func (s *Sender) deliver(ctx context.Context, m Message) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	err := s.send(ctx, m)
	outcome := "done"
	switch {
	case errors.Is(err, errLeaseLost):
		outcome = "lost"
	case err != nil:
		outcome = s.setBack(ctx, m, err)
	}
	s.sent(m.Kind, outcome)
}

// errLeaseLost ends the work on a message that somebody else has taken over.
var errLeaseLost = errors.New("member: the message is in other hands")

// setBack postpones a message that failed, or parks it.
func (s *Sender) setBack(ctx context.Context, m Message, cause error) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	wait, dead := backOff(m.Attempts, cause)
	outcome := "postponed"
	if dead {
		outcome = "dead"
	}
	err := s.service.write(ctx, func(ctx context.Context, tx Tx) (err error) {
		if dead {
			_, err = tx.Bury(ctx, m, cause.Error())
		} else {
			_, err = tx.Postpone(ctx, m, wait, cause.Error())
		}
		return err
	})
	switch {
	case err != nil: // its lease will end
		s.log.WarnContext(ctx, "an outcome was not written", "kind", m.Kind, "card_id", m.CardID, "error", err)
	case dead:
		s.log.ErrorContext(ctx, "WeChat refused for good", "kind", m.Kind, "card_id", m.CardID, "error", cause)
	default:
		s.log.InfoContext(ctx, "will try again", "kind", m.Kind, "card_id", m.CardID, "in", wait, "error", cause)
	}
	return outcome
}

// backOff tells how long to wait after a failure, with full jitter, and
// whether there is no point in waiting.
func backOff(attempts int64, cause error) (wait time.Duration, dead bool) {
	var quota interface{ RetryAfter() (time.Duration, bool) }
	if errors.As(cause, &quota) {
		if d, ok := quota.RetryAfter(); ok {
			return d + rand.N(time.Second), false
		}
	}
	var permanent interface{ Permanent() bool }
	if errors.As(cause, &permanent) && permanent.Permanent() {
		return accountWait/2 + rand.N(accountWait/2), false
	}
	wait = min(firstWait<<min(attempts, 10), longestWait)
	wait = wait/2 + rand.N(wait/2+1)
	if attempts+1 >= maxAttempts {
		return wait, true
	}
	var temporary interface{ Temporary() bool }
	if !errors.As(cause, &temporary) || temporary.Temporary() {
		return wait, false
	}
	// Not delivered may mean not yet, or that it is being given away.
	var missing interface{ NotDelivered() bool }
	const patience = 12 // half an hour
	if errors.As(cause, &missing) && missing.NotDelivered() {
		return wait, attempts+1 >= patience
	}
	return wait, true
}

func (s *Sender) send(ctx context.Context, m Message) error {
	switch m.Kind {
	case activateCard:
		return s.activate(ctx, m)
	case lookAtCard:
		return s.look(ctx, m)
	case applyEvent:
		return s.applyLate(ctx, m)
	}
	return fmt.Errorf("member: unknown kind of message %q", m.Kind)
}

// activate makes a claimed card active. A message that was taken before may
// have had its effect: then WeChat is asked first, because a second activation
// would set the card's figures again.
func (s *Sender) activate(ctx context.Context, m Message) error {
	if m.Started {
		return s.look(ctx, m)
	}
	c, err := s.service.store.Card(ctx, m.CardID, m.Code)
	if err != nil || c.Status != Claimed {
		return s.finish(ctx, m, err, nil)
	}
	if err := s.wechat.Activate(ctx, m.CardID, m.Code, m.Code); err != nil {
		return err
	}
	return s.finish(ctx, m, nil, func(c *Card) { c.MembershipNumber = m.Code; c.activate(time.Now()) })
}

// look reads the card at WeChat and makes ours equal to it.
func (s *Sender) look(ctx context.Context, m Message) error {
	c, err := s.service.store.Card(ctx, m.CardID, m.Code)
	if err != nil || c.Status == Gifted || c.Status == Unavailable {
		return s.finish(ctx, m, err, nil)
	}
	face, err := s.wechat.Face(ctx, m.CardID, m.Code)
	if err != nil {
		return err
	}
	if face.Status == "DELETE" {
		return s.finishUnchanged(ctx, m, c, func(c *Card) { c.drop(max(c.Life.Held, momentOf(time.Now(), deletedThen))) })
	}
	back := func(c *Card) { c.take(c.Life.Deleted, time.Now()) }
	if face.Active {
		return s.finishUnchanged(ctx, m, c, func(c *Card) {
			back(c)
			c.MembershipNumber = face.MembershipNumber
			c.activate(time.Now())
		})
	}
	plan, err := s.service.cards.Plan(ctx, m.CardID)
	if err != nil {
		return err
	}
	if plan != PlanPush && !(plan == PlanForm && c.Life.Submitted) {
		return s.finishUnchanged(ctx, m, c, back)
	}
	if err := s.wechat.Activate(ctx, m.CardID, m.Code, m.Code); err != nil {
		return err
	}
	return s.finish(ctx, m, nil, func(c *Card) { back(c); c.MembershipNumber = m.Code; c.activate(time.Now()) })
}

// applyLate applies an event whose card was not known when it came.
func (s *Sender) applyLate(ctx context.Context, m Message) error {
	plan, err := s.service.cards.Learn(ctx, m.CardID)
	foreign := errors.Is(err, ErrCardUnknown)
	if err != nil && !foreign {
		return err
	}
	return s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if mine, err := tx.Finish(ctx, m); err != nil || !mine {
			return errors.Join(err, lost(mine))
		}
		if foreign {
			return nil // another account's card: kept as a record only
		}
		e, err := tx.Event(ctx, m.Payload)
		if err != nil {
			return err
		}
		return s.service.apply(ctx, tx, e, plan)
	})
}

// finish removes the message and changes its card in one transaction. A card
// that is not there (any more) needs nothing.
func (s *Sender) finish(ctx context.Context, m Message, err error, change func(*Card)) error {
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if mine, err := tx.Finish(ctx, m); err != nil || !mine {
			return errors.Join(err, lost(mine))
		}
		if change == nil {
			return nil
		}
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		change(&c)
		return s.service.put(ctx, tx, c)
	})
}

// errStale makes a look start over: the card changed while WeChat was asked.
var errStale = errors.New("member: the card changed meanwhile")

// finishUnchanged is finish for what was read at WeChat: it must not overwrite
// what has become known in between.
func (s *Sender) finishUnchanged(ctx context.Context, m Message, seen Card, change func(*Card)) error {
	return s.service.write(ctx, func(ctx context.Context, tx Tx) error {
		if mine, err := tx.Finish(ctx, m); err != nil || !mine {
			return errors.Join(err, lost(mine))
		}
		c, err := tx.Card(ctx, m.CardID, m.Code)
		if err != nil {
			return err
		}
		if c.Life.Version != seen.Life.Version {
			return errStale
		}
		change(&c)
		return s.service.put(ctx, tx, c)
	})
}

func lost(mine bool) error {
	if mine {
		return nil
	}
	return errLeaseLost
}
