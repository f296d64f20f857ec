package admin

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ration"
)

const (
	// guessBurst and guessEvery bound the different wrong tokens of an address that
	// are answered as such: a person who mistypes needs a few, a program thousands.
	guessBurst = 10
	guessEvery = 10 * time.Second
	// maxGuessers bounds the addresses that are remembered to twice as many: an attack
	// from more is not slowed down anyway. One that has not guessed for guessMemory has
	// its burst again.
	maxGuessers = 2048
	guessMemory = guessBurst * guessEvery
	// warnEvery is the time between two warnings of the log.
	warnEvery = time.Minute
)

// guesses refuses the requests whose token opens nothing, and slows addresses down
// that try many. The right token is never refused, not even to such an address: it
// may be that of a proxy, before the operator too. It is safe for concurrent use.
type guesses struct {
	log     *slog.Logger
	observe func()

	mu      sync.Mutex
	from    *ration.Recent[netip.Prefix, *guesser]
	refused int // since the last warning
	warned  time.Time
}

// guesser is an address that sent wrong tokens.
type guesser struct {
	limit *rate.Limiter
	token [sha256.Size]byte // the last one, hashed
}

func newGuesses(log *slog.Logger, observe func()) *guesses {
	return &guesses{log: log, observe: observe, from: ration.NewRecent[netip.Prefix, *guesser](maxGuessers, guessMemory)}
}

// refuse returns the error of a request whose token opens nothing. A token that is
// missing, or the same as the time before, is no guess: it is a client that is not
// configured well.
func (g *guesses) refuse(r *http.Request, client netip.Addr, token string) error {
	if token == "" {
		return web.AdminTokenInvalid.Err()
	}
	if g.observe != nil {
		g.observe()
	}
	from := conns.Network(client)
	allowed, warn := g.count(from, sha256.Sum256([]byte(token)))
	if warn > 0 {
		g.log.WarnContext(r.Context(), "operator's listener: wrong tokens were refused", "requests", warn, "last_from", from.String())
	}
	if !allowed {
		return web.RateLimited.Err()
	}
	return web.AdminTokenInvalid.Err()
}

// count records a wrong token. It reports whether the address may have it answered,
// and how many requests a warning is due about.
func (g *guesses) count(from netip.Prefix, token [sha256.Size]byte) (allowed bool, warn int) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	if now.Sub(g.warned) >= warnEvery {
		warn, g.refused, g.warned = g.refused, 0, now
	}
	who := g.of(from)
	same := who.token == token
	who.token = token
	return same || who.limit.AllowN(now, 1), warn
}

func (g *guesses) of(from netip.Prefix) *guesser {
	who, ok := g.from.Get(from)
	if !ok {
		who = &guesser{limit: rate.NewLimiter(rate.Every(guessEvery), guessBurst)}
		g.from.Put(from, who)
	}
	return who
}
