// Package recovery makes a database safe to use that was restored from a copy. Such a
// database is older than what its members see: since the copy, points were added, cards
// were taken, sessions were ended and tickets were renewed.
//
// A recovery begins with the first server that is started on the copy, and the operator
// ends it. When it begins, the sessions and the tickets of the copy are dropped. From
// then on the member cards of the copy are held: nothing is sent to WeChat about them,
// because it could set a face back, and nothing is booked on them. In the background,
// and at once when something is to be booked, the face of each is read. If the ledger
// explains it, the card is released. If not, the face has entries that the copy does not
// have: the card is held until the operator has the figures of the face adopted. Cards
// that came since the copy are looked for in the wallets of the members of the copy, and
// behind its codes that nobody had taken; WeChat's events and the claims of phones bring
// others.
//
// The package decides what is looked at and when; package cardsync looks, and changes
// cards and ledgers.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

var (
	// ErrHeld is returned for a change of a member card that waits for the operator.
	ErrHeld = errors.New("recovery: the card waits for the operator, who runs server recover adopt")
	// ErrNoRecovery is returned by Adopt and Finish while there is no recovery.
	ErrNoRecovery = errors.New("recovery: there is no recovery to end")
	// ErrUnfinished is returned by Finish while cards have not been looked at.
	ErrUnfinished = errors.New("recovery: not everything has been looked at")
	// ErrDiffering is returned by Finish while cards differ from their faces.
	ErrDiffering = errors.New("recovery: cards differ from their faces")
)

// The phases of the search at WeChat.
const (
	PhaseCards   = iota // the faces of the cards of the copy
	PhaseWallets        // the wallets of the members of the copy
	PhaseCodes          // the codes of the copy that nobody had taken
	PhaseDone
)

// State is how far a recovery is. The zero State is that of a database that was never
// restored.
type State struct {
	Marked   bool      // the database is, or was, a copy
	CopiedAt time.Time // zero: unknown
	BeganAt  time.Time // zero: no server has begun it
	EndedAt  time.Time // zero: it lasts
	Phase    int
	After    Key   // up to where the phase has come
	Found    int64 // cards that came since the copy and were found
}

// Active reports whether the recovery lasts, or has yet to begin.
func (s State) Active() bool { return s.Marked && s.EndedAt.IsZero() }

// Key names a member card, or in its first part a wallet.
type Key struct{ First, Second string }

// Difference is a member card whose ledger was not equal to its face.
type Difference struct {
	CardID, Code           string
	State                  string // Differs, Adopted, Unsent or Left; Look returns any but Unread and Left
	Bonus, Balance         int64  // of the ledger; balance is in fen
	FaceBonus, FaceBalance int64
	LookedAt               time.Time
}

// The states of a member card of the copy. One that is unread or differs is held.
const (
	Unread  = "unread"
	Equal   = "equal"   // the face shows the totals of the ledger
	Unsent  = "unsent"  // the face lacks entries that the copy had not sent; they are sent
	Differs = "differs" // the face shows what the ledger does not explain
	Adopted = "adopted" // it differed, and an entry has made the ledger equal to the face
	Absent  = "absent"  // the card is in no wallet any more
	Left    = "left"    // the operator has ended the recovery without adopting the figures
)

// Store keeps the state of the recovery. It is safe for concurrent use.
type Store interface {
	State(ctx context.Context) (State, error)
	// Mark marks the database as a copy that was made at an unknown time, unless it is
	// marked.
	Mark(ctx context.Context) error
	// AddCards adds up to n member cards of the copy that were not added, and reports
	// whether there may be more.
	AddCards(ctx context.Context, n int) (more bool, err error)
	// Begin drops the sessions and tickets of the copy and records that the recovery
	// has begun, in one transaction. It does nothing if it has.
	Begin(ctx context.Context) error
	// Cards lists up to n unread member cards behind the key, Wallets openids of the
	// Official Account, Codes issued codes.
	Cards(ctx context.Context, after Key, n int) ([]Key, error)
	Wallets(ctx context.Context, after Key, n int) ([]Key, error)
	Codes(ctx context.Context, after Key, n int) ([]Key, error)
	// Advance records that a phase has come up to a key, and that cards were found.
	Advance(ctx context.Context, phase int, after Key, found int64) error
	// CardState returns the state of a member card, or "" for one that the copy does
	// not have.
	CardState(ctx context.Context, k Key) (string, error)
	// Settle records what was seen of a member card.
	Settle(ctx context.Context, d Difference) error
	// Counts returns the number of member cards in each state. It reads all of them.
	Counts(ctx context.Context) (map[string]int64, error)
	// Differences lists up to n differences behind the key, in the order of their keys.
	Differences(ctx context.Context, after Key, n int) ([]Difference, error)
	// End ends the recovery. Cards that differ are left as they are, and their
	// differences become drifts.
	End(ctx context.Context) error
	// StartJob reports whether the caller must do the job in this period.
	StartJob(ctx context.Context, job string, every time.Duration) (bool, error)
}

// WeChat looks at WeChat and records what it sees. It is safe for concurrent use.
type WeChat interface {
	// Look compares a member card with its face; with adopt, a ledger that differs is
	// made equal.
	Look(ctx context.Context, k Key, adopt bool) (Difference, error)
	// Wallet records the cards in a wallet that addcard does not know, and returns
	// their number.
	Wallet(ctx context.Context, openID string) (found int64, err error)
	// Holder records that an issued code was taken, and returns 1 if it was.
	Holder(ctx context.Context, k Key) (found int64, err error)
}

// Service runs the recovery. It is safe for concurrent use.
type Service struct {
	store  Store
	wechat WeChat
	log    *slog.Logger
	rate   *rate.Limiter
	state  atomic.Pointer[State]
}

const (
	// pollInterval is how often a server reads whether a recovery lasts.
	pollInterval = time.Second
	// turn is for how long one of the replicas looks, and page how much it takes at a
	// time. lookers are the calls to WeChat at once, and looksPerSecond is a quarter of
	// what the outbox may use.
	turn           = 10 * time.Second
	page           = 100
	lookers        = 8
	looksPerSecond = 50
	addPage        = 5000
)

// Open returns a Service that has read the state of the database.
func Open(ctx context.Context, store Store, wechat WeChat, log *slog.Logger) (*Service, error) {
	s := &Service{store: store, wechat: wechat, log: log, rate: rate.NewLimiter(looksPerSecond, lookers)}
	return s, s.read(ctx)
}

func (s *Service) read(ctx context.Context) error {
	state, err := s.store.State(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the recovery: %w", err)
	}
	s.state.Store(&state)
	return nil
}

// Active reports whether the database is a copy whose recovery has not ended. It is as
// old as the last poll, at most about a second, and calls nothing.
func (s *Service) Active() bool { return s.state.Load().Active() }

// Begin begins the recovery of a database that is marked as a copy, and does nothing for
// any other. It blocks until all cards of the copy are held. It may be repeated.
func (s *Service) Begin(ctx context.Context) error {
	if state := s.state.Load(); !state.Active() || !state.BeganAt.IsZero() {
		return nil
	}
	for more := true; more; {
		var err error
		if more, err = s.store.AddCards(ctx, addPage); err != nil {
			return fmt.Errorf("begin the recovery: %w", err)
		}
	}
	if err := s.store.Begin(ctx); err != nil {
		return fmt.Errorf("begin the recovery: %w", err)
	}
	select { // tokens have the second at which they were issued; those of this one are over
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.read(ctx)
}

// Restart marks the database as a copy and begins its recovery. No server must be
// running: it would go on for a moment. It does nothing while a recovery lasts.
func (s *Service) Restart(ctx context.Context) error {
	if err := s.store.Mark(ctx); err != nil {
		return fmt.Errorf("mark the database as a copy: %w", err)
	}
	if err := s.read(ctx); err != nil {
		return err
	}
	return s.Begin(ctx)
}

// Holds reports whether nothing may be sent to WeChat about a member card. Without a
// recovery it calls nothing.
func (s *Service) Holds(ctx context.Context, cardID, code string) (bool, error) {
	state := s.state.Load()
	switch {
	case !state.Active():
		return false, nil
	case state.BeganAt.IsZero():
		return true, nil
	}
	card, err := s.store.CardState(ctx, Key{cardID, code})
	if err != nil {
		return false, fmt.Errorf("read whether the card is held: %w", err)
	}
	return card == Unread || card == Differs, nil
}

// Release returns nil if something may be booked on a member card. The face of a card
// that is held is read now, which may release it. It returns ErrHeld, wrapped, for a
// card that differs from its face, and the error of a face that cannot be read. Without
// a recovery it calls nothing.
func (s *Service) Release(ctx context.Context, cardID, code string) error {
	held, err := s.Holds(ctx, cardID, code)
	if err != nil || !held {
		return err
	}
	if s.state.Load().BeganAt.IsZero() {
		return ErrHeld
	}
	d, err := s.look(ctx, Key{cardID, code}, false)
	if err == nil && d.State == Differs {
		err = ErrHeld
	}
	return err
}

func (s *Service) look(ctx context.Context, k Key, adopt bool) (Difference, error) {
	d, err := s.wechat.Look(ctx, k, adopt)
	if err != nil {
		return d, fmt.Errorf("compare a card with its face: %w", err)
	}
	return d, s.store.Settle(ctx, d)
}

// FindCards looks in a wallet for cards that came since the copy, unless that was done.
// openID is the holder's in the Official Account. Without a recovery it calls nothing.
func (s *Service) FindCards(ctx context.Context, openID string) error {
	state := s.state.Load()
	if !state.Active() || state.Phase > PhaseWallets || state.Phase == PhaseWallets && openID <= state.After.First {
		return nil
	}
	if _, err := s.wechat.Wallet(ctx, openID); err != nil {
		return fmt.Errorf("look for the member's cards: %w", err)
	}
	return nil
}

// Run polls whether a recovery lasts, and looks at WeChat as long as it does. It blocks
// until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := pollInterval
		err := s.read(ctx)
		if err == nil && s.Active() {
			err = s.work(ctx)
		}
		if err != nil && ctx.Err() == nil {
			wait = turn
			s.log.WarnContext(ctx, "recovery: failed; will continue", "in", wait, "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// work looks for a turn, if no other replica does.
func (s *Service) work(ctx context.Context) error {
	if err := s.Begin(ctx); err != nil || s.state.Load().Phase == PhaseDone {
		return err
	}
	mine, err := s.store.StartJob(ctx, "recovery", turn)
	if err != nil || !mine {
		return err
	}
	for end := time.Now().Add(turn); err == nil && time.Now().Before(end) && s.state.Load().Phase < PhaseDone; {
		err = s.step(ctx)
	}
	return err
}

// step looks at one page of the present phase.
func (s *Service) step(ctx context.Context) error {
	state := *s.state.Load()
	list, look := s.store.Cards, func(ctx context.Context, k Key) (int64, error) {
		_, err := s.look(ctx, k, false)
		return 0, err
	}
	switch state.Phase {
	case PhaseWallets:
		list, look = s.store.Wallets, func(ctx context.Context, k Key) (int64, error) { return s.wechat.Wallet(ctx, k.First) }
	case PhaseCodes:
		list, look = s.store.Codes, s.wechat.Holder
	}
	keys, err := list(ctx, state.After, page)
	if err != nil {
		return err
	}
	found, err := s.each(ctx, keys, look)
	if err != nil {
		return err
	}
	phase, after := state.Phase, state.After
	if len(keys) > 0 {
		after = keys[len(keys)-1]
	}
	if len(keys) < page {
		phase, after = phase+1, Key{}
	}
	if err := s.store.Advance(ctx, phase, after, found); err != nil {
		return err
	}
	if phase == PhaseDone {
		s.log.InfoContext(ctx, "recovery: everything was looked at; run server recover status")
	}
	return s.read(ctx)
}

// each looks at the keys, a few at a time, and adds up what was found.
func (s *Service) each(ctx context.Context, keys []Key, look func(context.Context, Key) (int64, error)) (int64, error) {
	var found atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookers)
	for _, k := range keys {
		group.Go(func() error {
			if err := s.rate.Wait(ctx); err != nil {
				return err
			}
			n, err := look(ctx, k)
			found.Add(n)
			return err
		})
	}
	err := group.Wait()
	return found.Load(), err
}

// Status is the state of the recovery and the number of member cards in each state.
type Status struct {
	State
	Cards map[string]int64
}

// Status returns how far the recovery is. It reads one row for each card of the copy.
func (s *Service) Status(ctx context.Context) (st Status, err error) {
	if err := s.read(ctx); err != nil {
		return st, err
	}
	st.State = *s.state.Load()
	st.Cards, err = s.store.Counts(ctx)
	return st, err
}

// Differences lists up to n differences behind the key, in the order of their keys.
func (s *Service) Differences(ctx context.Context, after Key, n int) ([]Difference, error) {
	return s.store.Differences(ctx, after, n)
}

// Adopt makes the ledgers of the cards that differ equal to their faces, and calls
// adopted after each. It may be repeated. It returns ErrNoRecovery if there is none.
func (s *Service) Adopt(ctx context.Context, adopted func(Difference)) error {
	if !s.state.Load().Active() {
		return ErrNoRecovery
	}
	for after := (Key{}); ; {
		list, err := s.store.Differences(ctx, after, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, d := range list {
			after = Key{d.CardID, d.Code}
			if d.State != Differs {
				continue
			}
			if err := s.rate.Wait(ctx); err != nil {
				return err
			}
			if d, err = s.look(ctx, after, true); err != nil {
				return err
			}
			adopted(d)
		}
	}
}

// Finish ends the recovery. It returns ErrUnfinished if not everything was looked at,
// and ErrDiffering if cards wait for Adopt. With leave it ends all the same: cards that
// differ keep their ledgers, and their next push sets their faces.
func (s *Service) Finish(ctx context.Context, leave bool) error {
	st, err := s.Status(ctx)
	switch {
	case err != nil:
		return err
	case !st.Active():
		return ErrNoRecovery
	case leave:
	case st.Phase < PhaseDone || st.Cards[Unread] > 0:
		return ErrUnfinished
	case st.Cards[Differs] > 0:
		return ErrDiffering
	}
	if err := s.store.End(ctx); err != nil {
		return fmt.Errorf("end the recovery: %w", err)
	}
	return s.read(ctx)
}
