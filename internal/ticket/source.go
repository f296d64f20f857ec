package ticket

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the knobs of a Source. The zero value suits an api_ticket.
type Options struct {
	// A value is renewed at a moment drawn between RenewFrom and RenewTo before
	// its end; zero means 12 and 8 min. Both shrink with short lives. For a
	// stable_token use 5 and 4 min: WeChat hands out a new one only then.
	RenewFrom, RenewTo time.Duration
	// Look is the longest time between two looks at the shared copy, and so the
	// time in which replicas agree; zero means 5 s.
	Look time.Duration
	// Lease is how long a replica may hold the right to ask; zero means 15 s.
	// 8/15 of it bound the call to the issuer, 1/15 each call to the store.
	Lease time.Duration
	// MaxWaiters is how many callers may wait for a first value before the next
	// are turned away; zero means 4096.
	MaxWaiters int
	// TTLIsLeft says that the issuer's ttl is what is left of the value, also of
	// one that it handed out before (stable_token). Without it a value that
	// comes back unchanged keeps the end it was first given: WeChat may print a
	// full life on an old ticket.
	TTLIsLeft bool
	// Log hears what an operator should know; nil means nobody. Values are
	// never logged.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.RenewFrom, 12*time.Minute)
	def(&o.RenewTo, min(o.RenewFrom, 8*time.Minute))
	def(&o.Look, 5*time.Second)
	def(&o.Lease, 15*time.Second)
	if o.MaxWaiters <= 0 {
		o.MaxWaiters = 4096
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Source hands out one shared credential. Make it with [New]; all methods are
// safe for concurrent use.
type Source struct {
	key   string
	issue Issuer
	store Store
	opt   Options
	start time.Time // every instant of a Source is counted from here

	cur atomic.Pointer[held]

	mu      sync.Mutex
	running bool
	waiters int
	round   chan struct{} // closed when the keeper's current round ends
	trouble *trouble      // why there is nothing to serve; nil while all is well
	pending map[string]*rejection
	former  string // the value before the present one
	tooSoon refusal
	counts  Counts
	lastErr error

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{} // closed when the keeper has ended

	keeper keeper // touched by the keeper's goroutine only
}

// trouble is an answer that stands until an instant, so that callers are not
// kept waiting for nothing and the store is left in peace.
type trouble struct {
	cause error
	until time.Duration
}

// New returns a Source of the credential that store keeps under key. It starts
// nothing: work begins with the first call of Ticket or Invalidate, and from
// then on the value is kept fresh, asked for or not, until Close.
func New(key string, issue Issuer, store Store, opt Options) *Source {
	return &Source{
		key:     key,
		issue:   issue,
		store:   store,
		opt:     opt.withDefaults(),
		start:   time.Now(),
		round:   make(chan struct{}),
		pending: map[string]*rejection{},
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
}

// Ticket returns the value, from memory while there is a living one. Otherwise
// it waits until a replica has got one, but no longer than ctx allows and not
// through a back-off of more than a second. Errors: ErrUnavailable.
func (s *Source) Ticket(ctx context.Context) (string, error) {
	if c := s.cur.Load(); c != nil && time.Since(s.start) < c.until {
		return c.value, nil
	}
	c, err := s.await(ctx)
	if err != nil {
		return "", err
	}
	return c.value, nil
}

// TicketLeft is Ticket, and what is left of that very value's life.
func (s *Source) TicketLeft(ctx context.Context) (value string, left time.Duration, err error) {
	c := s.living()
	if c == nil {
		if c, err = s.await(ctx); err != nil {
			return "", 0, err
		}
	}
	return c.value, c.until - s.now(), nil
}

// await waits for rounds of the keeper to end until one has brought a value.
func (s *Source) await(ctx context.Context) (*held, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	patient := time.Duration(0) // through back-offs up to this instant
	for {
		round, trouble, err := s.nextRound()
		if c := s.living(); c != nil {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if trouble != nil {
			if patient == 0 {
				patient = s.now() + patience
			}
			if trouble.until > patient {
				return nil, unavailable(trouble.cause, trouble.until-s.now())
			}
		}
		select {
		case <-round:
		case <-ctx.Done():
			return nil, unavailable(context.Cause(ctx), time.Second)
		}
	}
}

func (s *Source) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiters >= s.opt.MaxWaiters {
		s.counts.TurnedAway++
		return unavailable(errCrowded, time.Second)
	}
	s.waiters++
	return nil
}

func (s *Source) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters--
}

// nextRound returns what the keeper will close when it has done its next round,
// and the trouble that it waits out before that; without any it is set to work.
func (s *Source) nextRound() (<-chan struct{}, *trouble, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return nil, nil, unavailable(errClosed, time.Second)
	}
	if t := s.trouble; t != nil && t.until > s.now() {
		return s.round, t, nil
	}
	s.rouse()
	return s.round, nil, nil
}

// rouse has the keeper do a round now, starting it if need be. mu is held.
func (s *Source) rouse() {
	if !s.running {
		s.running = true
		go s.keep()
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close stops the renewal and returns when the Source's goroutine has ended and
// its lease is given back. A call to the issuer that is under way is waited
// for, 8/15 of the lease at most: its answer may be the only value that lives.
// Afterwards Ticket serves what is in memory to its end. Closing twice is harmless.
func (s *Source) Close() {
	s.mu.Lock()
	if !s.isClosing() {
		close(s.closing)
	}
	running := s.running
	s.mu.Unlock()
	if running {
		<-s.done
	}
}

func (s *Source) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// now is the present instant.
func (s *Source) now() time.Duration { return time.Since(s.start) }

// living is the copy that may be handed out, or nil.
func (s *Source) living() *held {
	if c := s.cur.Load(); c != nil && s.now() < c.until {
		return c
	}
	return nil
}
