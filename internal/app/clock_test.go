package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// addCard makes the user sign in and take the card, and returns what the phone
// says.
func addCard(w *apptest.World, s *apptest.Server, user, cardID string) error {
	token, _ := w.Login(s, user)
	_, err := w.Sim.AddCard(user, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Body)
	return err
}

// Symptom: two hours forward at WeChat, no ticket was fetched again, and the phone
// said that it had expired.
func TestClock_MovedAtWeChat(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["JSSDK_HOSTS"] = "shop.example"
	cardID, ahead := w.Card(), int64(0)
	s, other := w.Serve(), w.Serve()
	for _, user := range []string{"ming", "hong"} {
		if err := addCard(w, s, user, cardID); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"fang", "lei", "na"} {
		seconds := []int{7200, 100 * 60, 30 * 3600}[i]
		w.Control("clock/advance", apptest.Object{"seconds": seconds})
		ahead += int64(seconds)
		for _, s := range []*apptest.Server{s, other} {
			var err error
			apptest.Eventually(t, fmt.Sprintf("the replica follows by %d s", seconds), func() bool {
				user += "2"
				err = addCard(w, s, user, cardID)
				return err == nil
			})
			apptest.Eventually(t, "pages are signed by WeChat's clock", func() bool {
				user += "3"
				_ = addCard(w, s, user, cardID) // the replica learns the time from WeChat's answers
				var page struct{ Timestamp int64 }
				s.Get("/v1/jssdk-config?url=https%3A%2F%2Fshop.example%2F", "").JSON(t, &page)
				off := page.Timestamp - time.Now().Unix() - ahead
				return -60 < off && off < 60
			})
		}
	}
	if n := w.Sim.Calls()["/cgi-bin/ticket/getticket"].Total; n > 8 { // wx_card and jsapi
		t.Errorf("%d tickets were fetched, want 8 at most", n)
	}
}

// Symptom: after a restart with the right AppSecret the server had no ticket for
// another 230 s.
func TestSecret_CorrectedIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	right := w.Env["OFFICIAL_APP_SECRET"]
	w.Env["OFFICIAL_APP_SECRET"] = "0123456789abcdef0123456789abcdef"
	wrong := w.Serve()
	token, _ := w.Login(wrong, "ming")
	apptest.Eventually(t, "WeChat refuses the secret", func() bool {
		return wrong.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Status == http.StatusServiceUnavailable
	})
	if right == "" {
		delete(w.Env, "OFFICIAL_APP_SECRET")
	} else {
		w.Env["OFFICIAL_APP_SECRET"] = right
	}
	start := time.Now()
	if err := addCard(w, w.Serve(), "ming", cardID); err != nil {
		t.Errorf("with the right secret: %v", err)
	}
	t.Logf("served after %v", time.Since(start))
}

// sessions is a replica without listeners, with the tokens that the replicas before
// it have issued.
type sessions struct {
	t          *rapid.T
	world      *apptest.World
	db         *sqldb.DB
	core       *app.Core
	stop       func()
	live, dead []string
	users      int
}

// start opens the replica and waits until it has purged logouts.
func (s *sessions) start() {
	cfg, err := config.Load(s.world.Environ())
	s.must(err)
	s.core, err = app.Open(s.world.T.Context(), cfg, slog.New(slog.DiscardHandler))
	s.must(err)
	s.exec("insert into revoked_session (seq, jti, expires_at) values (-1, 'expired in 1970', 1) on conflict do nothing")
	ctx, cancel := context.WithCancel(s.world.T.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.core.Sessions.Run(ctx) })
	s.stop = func() {
		cancel()
		wg.Wait()
		s.must(s.core.Close())
	}
}

func (s *sessions) purged() {
	apptest.Eventually(s.world.T, "old logouts are purged", func() bool {
		var n int
		s.must(s.db.Read().QueryRow(s.world.T.Context(), "select count(*) from revoked_session where seq = -1").Scan(&n))
		return n == 0
	})
}

func (s *sessions) exec(query string) {
	s.must(s.db.Write(s.world.T.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, query)
		return err
	}))
}

func (s *sessions) must(err error) {
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sessions) login() {
	s.users++
	code, err := s.world.Sim.Login(fmt.Sprint("user", s.users%20))
	s.must(err)
	token, _, err := s.core.Sessions.Login(s.world.T.Context(), code)
	s.must(err)
	s.live = append(s.live, token)
}

func (s *sessions) logout() {
	if len(s.live) == 0 {
		return
	}
	session, err := s.core.Sessions.Verify(s.live[0])
	s.must(err)
	s.must(s.core.Sessions.Logout(s.world.T.Context(), session))
	s.dead, s.live = append(s.dead, s.live[0]), s.live[1:]
}

// date has WeChat answer for longer than the clock needs to follow, or once. Then the
// logouts are purged by a replica that starts.
func (s *sessions) date(off time.Duration, answers int) {
	for i := range answers {
		at := time.Now().Add(time.Duration(i) * time.Hour)
		app.Clock(s.core).Observe(at.Add(off).UTC().Format(http.TimeFormat), at)
	}
}

func (s *sessions) check(*rapid.T) {
	for _, token := range s.live {
		_, err := s.core.Sessions.Verify(token)
		s.must(err)
	}
	for _, token := range s.dead {
		if _, err := s.core.Sessions.Verify(token); !errors.Is(err, auth.ErrSession) {
			s.t.Fatalf("a token that was logged out: got %v, want ErrSession", err)
		}
	}
}

// Symptom: WeChat's Date was three hours ahead for a minute. All sessions were over,
// the logouts of the fleet were purged, and later a token that was logged out was
// valid again.
func TestSessions_NoDateOfWeChatEndsOrRevivesOne(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	db := sqldbtest.Open(t, "sqlite:"+w.DB)
	rapid.Check(t, func(rt *rapid.T) {
		s := &sessions{t: rt, world: w, db: db}
		s.start()
		defer func() { s.stop() }()
		rt.Repeat(map[string]func(*rapid.T){
			"":        s.check,
			"log in":  func(*rapid.T) { s.login() },
			"log out": func(*rapid.T) { s.logout() },
			"a Date is odd": func(rt *rapid.T) {
				s.date(time.Duration(rapid.IntRange(-1e6, 1e6).Draw(rt, "seconds"))*time.Second, rapid.SampledFrom([]int{1, 3}).Draw(rt, "answers"))
			},
			"a Date is right": func(*rapid.T) { s.date(0, 3) },
			"purge":           func(*rapid.T) { s.purged() },
			"restart":         func(*rapid.T) { s.stop(); s.start() },
		})
	})
}
