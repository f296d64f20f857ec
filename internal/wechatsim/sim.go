package wechatsim

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Sim is one simulated WeChat. It keeps all state in memory. Its methods are safe
// for concurrent use.
type Sim struct {
	log         *slog.Logger
	handler     http.Handler
	calls       *callLog
	faults      *faultQueue
	events      *push.Sender // has a lock of its own, acquired after mu
	closed      chan struct{}
	once        sync.Once
	clockOffset atomic.Int64 // of WeChat's clock from real time, in nanoseconds

	mu             sync.Mutex // guards all fields below
	rng            *rand.Rand
	assumptions    Assumptions
	bound          bool
	mini           *account
	official       *account // the same as mini for a test account
	ipWhitelist    []string
	quotas         map[string]quota
	tokens         boundedMap[*accessToken]
	logins         boundedMap[*login]
	phoneCodes     boundedMap[*phoneCode]
	domains        webDomains
	people         map[string]*person
	firstPerson    *person            // but the merchant
	openIDs        map[string]*person // by the Official Account's openid
	cards          map[string]*card
	cardOrder      []*card
	nextCardID     string                 // of NameNextCard
	testers        map[string]bool        // openids and user names of testwhitelist/set
	systemCodes    map[string]*walletCard // codes that WeChat made
	sealKey        []byte
	qrCodes        map[string]*qrCode // by their URL
	lastShelfID    int64
	bizID          string
	submittedForms map[string]*submittedForm // by activate_ticket
}

// New returns a running Sim; Close ends it. It panics if Options.Assumptions has
// an unknown value or Options.Callback is wrong.
func New(o Options) *Sim {
	if err := o.Assumptions.complete(); err != nil {
		panic("wechatsim: " + err.Error())
	}
	s := &Sim{
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), rng: newRand(o.Seed), assumptions: o.Assumptions, bound: !o.Unbound,
		ipWhitelist: o.IPWhitelist,
		calls:       newCallLog(), events: push.NewSender(o.PushTimeout), closed: make(chan struct{}),
		tokens: newBoundedMap[*accessToken](4000), logins: newBoundedMap[*login](200_000),
		phoneCodes: newBoundedMap[*phoneCode](200_000),
		people:     map[string]*person{}, openIDs: map[string]*person{},
		cards: map[string]*card{}, testers: map[string]bool{}, systemCodes: map[string]*walletCard{},
		qrCodes: map[string]*qrCode{}, submittedForms: map[string]*submittedForm{},
	}
	s.faults = newFaultQueue(rand.New(rand.NewPCG(s.rng.Uint64(), 0)))
	s.sealKey = []byte(s.randomString(urlSafe, 32))
	s.quotas = defaultQuotas(s.assumptions)
	s.events.SetStyle(s.assumptions.eventStyle())
	s.openAccounts(o.Accounts)
	if o.Callback.URL != "" {
		if err := s.SetCallback(o.Callback); err != nil {
			panic("wechatsim: " + err.Error())
		}
	}
	local := []string{"127.0.0.1", "localhost"}
	s.domains = webDomains{local, local}
	s.handler = AllowLinks(Guard(s.routes()), PathAuthorize)
	return s
}

// Handler serves WeChat's paths and the control API under /_sim/, as [Guard] allows.
func (s *Sim) Handler() http.Handler { return s.handler }

// Close ends every delay, gives up the pushes under way and blocks until they have
// ended. A server in front of s must be closed after it, because such a server
// waits for its answers. Later calls do nothing.
func (s *Sim) Close() {
	s.once.Do(func() { close(s.closed) })
	s.events.Close()
}

// Now returns the time by WeChat's clock.
func (s *Sim) Now() time.Time { return time.Now().Add(time.Duration(s.clockOffset.Load())) }

// Advance moves WeChat's clock by d, which may be negative: tokens, tickets and
// login codes age at once.
func (s *Sim) Advance(d time.Duration) { s.clockOffset.Add(int64(d)) }

// Secrets returns every secret that was given out and is still in memory:
// AppSecrets, access_tokens, tickets, session_keys, codes of the phone. It is for tests
// that search for leaks.
func (s *Sim) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{s.mini.Secret, s.official.Secret}
	for value := range s.tokens.items {
		out = append(out, value)
	}
	for code, l := range s.logins.items {
		out = append(out, code)
		if l.sessionKey != "" {
			out = append(out, l.sessionKey)
		}
	}
	for code := range s.phoneCodes.items {
		out = append(out, code)
	}
	for _, a := range []*account{s.mini, s.official} {
		for _, kind := range a.tickets {
			for _, t := range kind {
				out = append(out, t.value)
			}
		}
	}
	return out
}

// boundedMap is a map that drops its oldest half when it is full.
type boundedMap[T any] struct {
	items map[string]T
	order []string
	max   int
}

func newBoundedMap[T any](max int) boundedMap[T] {
	return boundedMap[T]{items: map[string]T{}, max: max}
}

// put adds an item under a new key.
func (m *boundedMap[T]) put(key string, item T) {
	if len(m.order) == m.max {
		half := m.max / 2
		for _, old := range m.order[:half] {
			delete(m.items, old)
		}
		m.order = append(m.order[:0], m.order[half:]...)
	}
	m.items[key] = item
	m.order = append(m.order, key)
}
