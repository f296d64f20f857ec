package ticket

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Source. The zero value suits an api_ticket.
type Options struct {
	// A value is renewed at a random moment between RenewFrom and RenewTo
	// before it expires; zero means 12 and 8 min. Both are shorter for short
	// lifetimes. For a stable_token use 5 and 4 min: WeChat issues a new one
	// only in the last five minutes.
	RenewFrom, RenewTo time.Duration
	// PollInterval is the longest time between two polls of the shared copy,
	// and so the time in which the replicas converge; zero means 5 s.
	PollInterval time.Duration
	// Lease is how long a replica may hold the lease; zero means 15 s. A fetch
	// may take 8/15 of it, a call to the Store 1/15.
	Lease time.Duration
	// MaxWaiters is how many callers may wait for a first value; more are
	// refused with ErrUnavailable. Zero means 4096.
	MaxWaiters int
	// TTLIsLeft says that the TTL of a fetch is the time that the value has
	// left, even for a value that was returned before (stable_token). Without
	// it, a value that is returned unchanged keeps its first expiry: WeChat may
	// report a full lifetime for an old api_ticket.
	TTLIsLeft bool
	// Now is a clock that the lifetimes of the copies pass by, besides the
	// monotonic clock, which stops while the machine is suspended: a copy expires
	// when one of the two says so. Nil means time.Now.
	Now func() time.Time
	// Log receives warnings for the operator; nil discards them. Values are
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
	def(&o.PollInterval, 5*time.Second)
	def(&o.Lease, 15*time.Second)
	if o.MaxWaiters <= 0 {
		o.MaxWaiters = 4096
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Source provides one shared credential. Create it with [New]. All methods
// are safe for concurrent use.
type Source struct {
	key     string
	fetcher Fetcher
	store   Store
	opt     Options
	start   time.Time // instants are durations since start
	clock   clock

	local atomic.Pointer[credential]

	mu          sync.Mutex
	running     bool
	waiters     int
	roundDone   chan struct{} // closed when the current round of the refresh loop ends
	roundEnded  time.Duration // when the last round ended
	failure     *failure      // of the last round; nil when it succeeded
	rejections  map[string]*rejection
	previous    string // the value before the current one
	lastTooSoon tooSoon
	counts      Counts
	lastErr     error
	lastErrAt   time.Duration

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{} // closed when the refresh loop has ended

	loop loopState // used by the refresh loop only
}

// failure is the error of a round. Callers without a value get it until an
// instant, so that they do not wait in vain, but no longer than patience without
// another poll: another replica may have shared a value.
type failure struct {
	cause error
	until time.Duration
}

// New returns a Source of the credential that store keeps under key. It starts
// no goroutine. The first call of Ticket or Invalidate does, and from then on
// the value is renewed, whether it is used or not, until Close.
func New(key string, fetcher Fetcher, store Store, opt Options) *Source {
	opt = opt.withDefaults()
	return &Source{
		key:        key,
		fetcher:    fetcher,
		store:      store,
		opt:        opt,
		start:      time.Now(),
		clock:      clock{now: opt.Now, start: opt.Now().UnixNano()},
		roundDone:  make(chan struct{}),
		rejections: map[string]*rejection{},
		wake:       make(chan struct{}, 1),
		closing:    make(chan struct{}),
		done:       make(chan struct{}),
	}
}

// Ticket returns the value, from memory while the local copy is usable.
// Otherwise it blocks until a replica has fetched a value. It does not block
// longer than ctx allows or through a back-off of more than a second. Errors:
// ErrUnavailable.
func (s *Source) Ticket(ctx context.Context) (string, error) {
	if c := s.valid(); c != nil {
		return c.value, nil
	}
	c, err := s.await(ctx)
	if err != nil {
		return "", err
	}
	return c.value, nil
}

// TicketLeft is like Ticket and also returns how long this value may still be
// used.
func (s *Source) TicketLeft(ctx context.Context) (value string, left time.Duration, err error) {
	c := s.valid()
	if c == nil {
		if c, err = s.await(ctx); err != nil {
			return "", 0, err
		}
	}
	return c.value, c.serveUntil - s.now() - s.lag(c), nil
}

// await waits for rounds of the refresh loop to end until there is a value.
func (s *Source) await(ctx context.Context) (*credential, error) {
	if err := s.addWaiter(); err != nil {
		return nil, err
	}
	defer s.removeWaiter()
	waitUntil := time.Duration(0) // set when the first back-off is met
	for {
		roundDone, failed, err := s.nextRound()
		if c := s.valid(); c != nil {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if failed != nil {
			if waitUntil == 0 {
				waitUntil = s.now() + patience
			}
			if failed.until > waitUntil {
				return nil, unavailable(failed.cause, failed.until-s.now())
			}
		}
		select {
		case <-roundDone:
		case <-ctx.Done():
			return nil, unavailable(context.Cause(ctx), time.Second)
		}
	}
}

func (s *Source) addWaiter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiters >= s.opt.MaxWaiters {
		s.counts.TurnedAway++
		return unavailable(errTooManyWaiters, time.Second)
	}
	s.waiters++
	return nil
}

func (s *Source) removeWaiter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters--
}

// nextRound returns the channel that is closed when the next round of the
// refresh loop has ended, and the failure that the loop waits out first.
// Without such a failure and without a value it wakes the loop.
func (s *Source) nextRound() (<-chan struct{}, *failure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return nil, nil, unavailable(errClosed, time.Second)
	}
	if f, now := s.failure, s.now(); f != nil && now < min(f.until, s.roundEnded+patience) {
		return s.roundDone, f, nil
	}
	if s.valid() == nil {
		s.wakeLoop()
	}
	return s.roundDone, nil, nil
}

// wakeLoop makes the refresh loop run a round now, and starts it if it is not
// running. s.mu must be held.
func (s *Source) wakeLoop() {
	if !s.running {
		s.running = true
		go s.run()
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close stops the renewal. It returns when the goroutine of the Source has
// ended and its lease is released. A fetch in progress is waited for, at most
// 8/15 of the lease: its value may be the only one that WeChat still accepts.
// After Close, Ticket serves the local copy until it expires. Closing twice is
// harmless.
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

// now returns the current instant.
func (s *Source) now() time.Duration { return time.Since(s.start) }

// valid returns the local copy if it may be served, or nil.
func (s *Source) valid() *credential {
	if c := s.local.Load(); c != nil && s.isBefore(c, c.serveUntil) {
		return c
	}
	return nil
}
