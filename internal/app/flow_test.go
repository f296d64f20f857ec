package app_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// wx.addCard accepts the server's answer unchanged.
func TestFlow_LoginToWallet(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, memberID := w.Login(s, "ming")

	got := s.Post("/v1/card-ext", token, map[string]any{"cards": []any{map[string]string{"card_id": cardID, "outer_str": "门店 1&2"}}})
	if cc := got.Header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control: got %q", cc)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Fatalf("the phone: %v (%s)", err, got.Body)
	}
	wallet, err := w.Sim.Cards("ming")
	if err != nil || len(wallet) != 1 {
		t.Fatalf("wallet: %+v, %v", wallet, err)
	}
	e := apptest.CardExts(t, got)[0]
	if wallet[0].Code != e.Code || wallet[0].OuterStr != "门店 1&2" {
		t.Errorf("wallet %+v, cardExt %+v", wallet[0], e)
	}

	var me struct {
		ID    string
		Cards []map[string]any
	}
	s.Get("/v1/me", token).JSON(t, &me)
	if me.ID != memberID || len(me.Cards) != 1 {
		t.Fatalf("me: %+v", me)
	}
	card := me.Cards[0]
	if _, shown := card["code"]; shown || card["card_id"] != cardID || card["status"] != "issued" {
		t.Errorf("issued card: %v, want no code", card)
	}
	for name := range card {
		if !strings.Contains("card_id status bonus balance outer_str", name) {
			t.Errorf("issued card has %s", name)
		}
	}
}

func TestCardExt_HundredFirstCallsGiveOneCodeAndHundredNonces(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	replicas := []*apptest.Server{w.Serve(), w.Serve()}
	token, _ := w.Login(replicas[0], "ming")
	var mu sync.Mutex
	codes, nonces := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			e := apptest.CardExts(t, replicas[i%2].Post("/v1/card-ext", token, apptest.CardIDs(cardID)))[0]
			mu.Lock()
			defer mu.Unlock()
			codes[e.Code], nonces[e.NonceStr] = true, true
		})
	}
	wg.Wait()
	if len(codes) != 1 || len(nonces) != 100 {
		t.Errorf("got %d codes and %d nonces, want 1 and 100", len(codes), len(nonces))
	}
	if n := w.Sim.Calls()["/card/get"].Total; n > 4 { // a first look each, and the sync at start
		t.Errorf("/card/get: %d calls", n)
	}
}

func TestRestart_KeepsTicketCodesAndSessions(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, memberID := w.Login(s, "ming")
	before := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))[0]
	s.Stop()
	s = w.Serve()
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	after := apptest.CardExts(t, got)[0]
	if after.Code != before.Code || after.NonceStr == before.NonceStr {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Errorf("the phone: %v", err)
	}
	if _, again := w.Login(s, "ming"); again != memberID {
		t.Errorf("the member became another: %s, %s", memberID, again)
	}
	for path, most := range map[string]int{"/cgi-bin/stable_token": 1, "/cgi-bin/ticket/getticket": 1} {
		if n := w.Sim.Calls()[path].Total; n > most {
			t.Errorf("%s: %d calls, want %d: the shared copies live", path, n, most)
		}
	}
}

func TestSession_LogoutReachesEveryReplica(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	a, b := w.Serve(), w.Serve()
	token, _ := w.Login(a, "ming")
	if got := b.Get("/v1/me", token); got.Status != 200 {
		t.Fatalf("a session of one replica at the other: %d %s", got.Status, got.Body)
	}
	out := apptest.Request(t, http.MethodDelete, a.Public+"/v1/session", token, nil)
	if out.Status != 204 || len(out.Body) != 0 {
		t.Errorf("logout: %d %s", out.Status, out.Body)
	}
	began := time.Now()
	p := a.Get("/v1/me", token)
	p.Problem(t, 401, "session_invalid")
	if p.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate: got %q", p.Header.Get("WWW-Authenticate"))
	}
	apptest.Eventually(t, "the other replica refuses the session", func() bool { return b.Get("/v1/me", token).Status == 401 })
	t.Logf("the other replica knew after %v", time.Since(began))
	apptest.Request(t, http.MethodDelete, a.Public+"/v1/session", token, nil).Problem(t, 401, "session_invalid")
}

func TestSession_OneCodeOneExchange(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	code, err := w.Sim.Login("ming")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	tokens := map[string]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got := s.Post("/v1/session", "", map[string]string{"code": code})
			var in struct{ Token string }
			if got.Status == 200 {
				got.JSON(t, &in)
				mu.Lock()
				tokens[in.Token] = true
				mu.Unlock()
			} else {
				got.Problem(t, 401, "login_code_invalid") // came after the flight had ended
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Errorf("got %d sessions, want 1", len(tokens))
	}
	if n := w.Sim.Calls()["/sns/jscode2session"].Total; n != 1 {
		t.Errorf("code2Session: %d calls, want 1", n)
	}
}
