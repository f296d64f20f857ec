package admin_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/httpapi/admin"
)

const rightToken = "the-right-token-of-32-characters-0001"

// guessed is an operator's listener whose log and counter a test reads.
type guessed struct {
	handler http.Handler
	log     bytes.Buffer
	refused int
}

func newGuessed() *guessed {
	g := &guessed{}
	g.handler = admin.New(admin.Services{Staff: &backroom{}}, admin.Options{
		Common: admin.Common{
			Log: slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelWarn})), InFlight: make(chan struct{}, 1),
			Observe: func(string, string, int, time.Duration) {},
		},
		AdminToken: rightToken, TicketToken: "a-ticket-token-of-32-characters-00001", Refused: func() { g.refused++ },
	}).Handler
	return g
}

// status returns the status of a request to a route that is not there: 404 means
// that the token is right.
func (g *guessed) status(from, token string) int {
	r := httptest.NewRequest(http.MethodGet, "/v1/nope", nil)
	r.RemoteAddr = from
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		return -1
	}
	return w.Code
}

func TestAdmin_SlowsGuessesAndNeverTheRightToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		count := map[int]int{}
		for i := range 500 {
			count[g.status("192.0.2.7:1000", fmt.Sprintf("guess-%d", i))]++
			if got := g.status("192.0.2.7:1001", rightToken); got != http.StatusNotFound {
				t.Fatalf("the right token from the same address: got %d", got)
			}
		}
		if count[401] != 10 || count[429] != 490 {
			t.Errorf("got %v", count)
		}
		if got := g.status("192.0.2.8:1000", "guess"); got != http.StatusUnauthorized {
			t.Errorf("another address: got %d", got)
		}
		if got := g.status("192.0.2.7:1000", ""); got != http.StatusUnauthorized {
			t.Errorf("no token: got %d", got)
		}
		if g.refused != 501 {
			t.Errorf("%d were counted, want 501", g.refused)
		}
		time.Sleep(30 * time.Second)
		clear(count)
		for i := range 100 {
			count[g.status("192.0.2.7:1000", fmt.Sprintf("again-%d", i))]++
		}
		if count[401] != 3 || count[429] != 97 {
			t.Errorf("half a minute later: got %v", count)
		}
	})
}

// An address that pauses has what it has saved up meanwhile, and not a new burst.
func TestAdmin_APauseIsNoNewBurstOfGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		for i := range 20 {
			g.status("192.0.2.7:1000", fmt.Sprintf("guess-%d", i))
		}
		for i := range 4 {
			time.Sleep(10 * time.Second)
			g.status(fmt.Sprintf("192.0.2.%d:1000", i+10), "another")
		}
		answered := 0
		for i := range 20 {
			if g.status("192.0.2.7:1000", fmt.Sprintf("again-%d", i)) == http.StatusUnauthorized {
				answered++
			}
		}
		if answered != 4 {
			t.Errorf("%d guesses are answered after 40 seconds, want 4", answered)
		}
	})
}

// A client with an old token asks the same again and again; it is no guesser.
func TestAdmin_RepeatedTokenIsNoGuess(t *testing.T) {
	t.Parallel()
	g := newGuessed()
	for range 100 {
		if got := g.status("192.0.2.7:1000", "the-token-of-last-year"); got != http.StatusUnauthorized {
			t.Fatalf("got %d", got)
		}
	}
}

func TestAdmin_GuessesOfOneNetworkCountTogether(t *testing.T) {
	t.Parallel()
	g := newGuessed()
	for i := range 20 {
		g.status(fmt.Sprintf("[2001:db8::%x]:1000", i+1), fmt.Sprintf("guess-%d", i))
	}
	for from, want := range map[string]int{"[2001:db8::ffff]:1": 429, "[2001:db8:0:1::1]:1": 401, "[::ffff:192.0.2.1]:1": 401} {
		if got := g.status(from, "another"); got != want {
			t.Errorf("%s: got %d, want %d", from, got, want)
		}
	}
}

// The log names guesses once a minute, with their number and without a token.
func TestAdmin_WarnsOfGuessesOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		for i := range 100 {
			g.status("192.0.2.7:1000", fmt.Sprintf("guess-%d", i))
		}
		time.Sleep(time.Minute)
		g.status("192.0.2.9:1000", "guess-100")
		log := g.log.String()
		if strings.Count(log, "\n") != 2 || !strings.Contains(log, "requests=1 last_from=192.0.2.7/32") ||
			!strings.Contains(log, "requests=100 last_from=192.0.2.9/32") || strings.Contains(log, "guess-") {
			t.Errorf("the log is %s", log)
		}
	})
}
