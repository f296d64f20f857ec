package wechatsim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Sim is one simulated WeChat. It keeps everything in memory and forgets it when
// it is dropped. All its methods are safe for concurrent use.
type Sim struct {
	log     *slog.Logger
	clock   clock
	handler http.Handler
	calls   *callLog
	faults  *faultQueue
	events  *push.Sender
	closed  chan struct{}
	once    sync.Once

	mu             sync.Mutex // guards all that follows
	rng            *rand.Rand
	assumptions    Assumptions
	bound          bool
	mini           *account
	official       *account // the same as mini for a test account
	ipWhitelist    []string
	quotas         map[string]quota
	tokens         boundedMap[*accessToken]
	logins         boundedMap[*login]
	people         map[string]*person
	openIDs        map[string]*person // by the Official Account's openid
	cards          map[string]*card
	cardOrder      []*card
	testers        map[string]bool // openids and user names of testwhitelist/set
	systemCodes    map[string]*walletCard
	sealKey        []byte
	qrCodes        map[string]*qrCode // QR codes by what they say
	lastShelfID    int64
	bizID          string
	submittedForms map[string]*submittedForm // by activate_ticket
}

// account is one app and what WeChat keeps for it.
type account struct {
	Account
	kind       string // "official" or "miniprogram"
	stable     *accessToken
	legacy     *accessToken
	lastForced int64
	tickets    map[string][]*ticket
	meters     map[string]*meter
}

// New returns a running Sim; Close ends it. It panics if Options.Guesses holds an
// unknown value or Options.Callback is wrong.
func New(o Options) *Sim {
	if err := o.Assumptions.complete(); err != nil {
		panic("wechatsim: " + err.Error())
	}
	s := &Sim{
		log: o.Logger, rng: newRand(o.Seed), assumptions: o.Assumptions, bound: !o.Unbound,
		ipWhitelist: o.IPWhitelist,
		calls:       newCallLog(), closed: make(chan struct{}),
		tokens: newBoundedMap[*accessToken](4000), logins: newBoundedMap[*login](200_000),
		people: map[string]*person{}, openIDs: map[string]*person{},
		cards: map[string]*card{}, testers: map[string]bool{}, systemCodes: map[string]*walletCard{},
		qrCodes: map[string]*qrCode{}, submittedForms: map[string]*submittedForm{},
	}
	s.events = push.NewSender(o.PushTimeout)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
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
	s.handler = s.routes()
	return s
}

func (s *Sim) openAccounts(a Accounts) {
	s.mini = s.newAccount("miniprogram", a.MiniProgram)
	if a.Official.AppID != "" && a.Official.AppID == s.mini.AppID {
		s.mini.kind, s.mini.OriginalID = "official", a.Official.OriginalID
		s.official = s.mini
	} else {
		s.official = s.newAccount("official", a.Official)
	}
	if s.official.OriginalID == "" {
		s.official.OriginalID = "gh_" + s.randomString(hexDigits, 12)
	}
}

func (s *Sim) newAccount(kind string, a Account) *account {
	if a.AppID == "" {
		a.AppID = "wx" + s.randomString(hexDigits, 16)
	}
	if a.Secret == "" {
		a.Secret = MarkSecret + s.randomString(hexDigits, 20)
	}
	return &account{Account: a, kind: kind, tickets: map[string][]*ticket{}, meters: map[string]*meter{}}
}

// Handler serves WeChat's paths and the control API under /_sim/.
func (s *Sim) Handler() http.Handler { return s.handler }

// Close wakes every delayed answer, gives up the pushes under way and waits for
// them to end; a server in front of it is closed after it, because such a server
// waits for its answers. Later calls do nothing.
func (s *Sim) Close() {
	s.once.Do(func() { close(s.closed) })
	s.events.Close()
}

// Accounts returns the two apps with their secrets.
func (s *Sim) Accounts() Accounts {
	return Accounts{MiniProgram: s.mini.Account, Official: s.official.Account}
}

// Assumptions returns every uncertain point with its present switch position.
func (s *Sim) Assumptions() []Assumption {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumptions.List()
}

// Secrets returns every secret that was given out and is still remembered:
// AppSecrets, access_tokens, tickets, session_keys, login codes. For tests that
// search for leaks.
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
	for _, a := range []*account{s.mini, s.official} {
		for _, kind := range a.tickets {
			for _, t := range kind {
				out = append(out, t.value)
			}
		}
	}
	return out
}

func (s *Sim) accountByID(appID string) *account {
	switch appID {
	case s.official.AppID:
		return s.official
	case s.mini.AppID:
		return s.mini
	}
	return nil
}

// boundedMap is a map that forgets its oldest items.
type boundedMap[T any] struct {
	items map[string]T
	order []string
	max   int
}

func newBoundedMap[T any](max int) boundedMap[T] {
	return boundedMap[T]{items: map[string]T{}, max: max}
}

// put adds an item under a key that is new.
func (s *boundedMap[T]) put(key string, item T) {
	if len(s.order) == s.max {
		half := s.max / 2
		for _, old := range s.order[:half] {
			delete(s.items, old)
		}
		s.order = append(s.order[:0], s.order[half:]...)
	}
	s.items[key] = item
	s.order = append(s.order, key)
}

func (a *account) String() string { return fmt.Sprintf("%s %s", a.kind, a.AppID) }
