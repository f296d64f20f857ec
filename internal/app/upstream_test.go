package app_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func body(s string) *string { return &s }

// faults are the ways in which WeChat fails to answer.
var faults = map[string]wechatsim.Fault{
	"busy":                        {ErrCode: -1},
	"HTML":                        {HTTPStatus: 502, Body: body("<html>502 Bad Gateway</html>"), ContentType: "text/html"},
	"an empty body":               {Body: body("")},
	"nothing at all":              {Drop: true},
	"nothing, but did it":         {Drop: true, When: "after"},
	"half an answer":              {Truncate: 10},
	"a JSON array":                {Body: body("[]")},
	"null":                        {Body: body("null")},
	"an answer of the wrong kind": {Body: body(`{"errcode":0,"openid":5,"access_token":[],"ticket":{},"card":7}`)},
}

// While WeChat fails, requests get 503 and never 500; when it recovers, so does the
// server. No secret is in an answer, in the log or in the database.
func TestUpstream_Faults(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			cardID := w.Card()
			add := func(path string) {
				t.Helper()
				f := fault
				f.Path, f.Times = path, -1
				if err := w.Sim.AddFault(f); err != nil {
					t.Fatal(err)
				}
			}
			var answers []apptest.Answer
			keep := func(a apptest.Answer) apptest.Answer { answers = append(answers, a); return a }
			for _, path := range []string{"/sns/jscode2session", "/cgi-bin/stable_token", "/cgi-bin/ticket/getticket", "/card/get",
				"/card/batchget"} {
				add(path)
			}
			s := w.Serve()
			code, err := w.Sim.Login("ming")
			if err != nil {
				t.Fatal(err)
			}
			keep(s.Post("/v1/session", "", map[string]string{"code": code})).Problem(t, 503, "wechat_unavailable")
			keep(s.Get("/v1/cards/"+cardID, "")).Problem(t, 503, "wechat_unavailable")
			if n := w.Sim.Calls()["/sns/jscode2session"].Total; n != 1 {
				t.Errorf("the login code went out %d times", n)
			}
			clear := apptest.Request(t, http.MethodDelete, w.WeChat.URL+"/_sim/faults", "", nil)
			if clear.Status/100 != 2 {
				t.Fatalf("clear faults: %d %s", clear.Status, clear.Body)
			}
			token, _ := w.Login(s, "ming")
			apptest.Eventually(t, "card-ext recovers", func() bool {
				a := keep(s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))
				if a.Status != 200 && a.Status != 503 {
					t.Fatalf("got %d %s", a.Status, a.Body)
				}
				return a.Status == 200
			})
			last := answers[len(answers)-1]
			if _, err := w.Sim.AddCard("ming", last.Body); err != nil {
				t.Errorf("the phone: %v", err)
			}
			s.Stop()
			searchSecrets(w, t, answers)
		})
	}
}

// searchSecrets fails the test if a secret of WeChat or of the configuration is in
// the log, the database or an answer.
func searchSecrets(w *apptest.World, t *testing.T, answers []apptest.Answer) {
	t.Helper()
	secrets := append(w.Sim.Secrets(), apptest.AdminToken, "callbacktoken")
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets known: the search would prove nothing", len(secrets))
	}
	places := map[string]string{"the log": w.Log()}
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(w.DB + suffix)
		if err == nil {
			places["the database"+suffix] = string(raw)
		}
	}
	for _, a := range answers {
		places["an answer"] += string(a.Body)
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %.12s…", place, secret)
			}
		}
	}
}

func TestUpstream_ACardExtNeedsATicketAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["JSSDK_HOSTS"] = "shop.example"
	cardID := w.Card()
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/cgi-bin/ticket/getticket", ErrCode: 45009, Times: -1}); err != nil {
		t.Fatal(err)
	}
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	for _, got := range []apptest.Answer{
		got, s.Get("/v1/jssdk-config?url=https://shop.example/", ""),
		s.Operate(http.MethodGet, "/v1/tickets/wx_card", nil), s.Operate(http.MethodGet, "/v1/tickets/jsapi", nil),
	} {
		got.Problem(t, 503, "ticket_unavailable")
		if got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	var me struct{ Cards []any }
	if s.Get("/v1/me", token).JSON(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused card-ext left %v behind", me.Cards)
	}
	if got := s.Get("/v1/cards/"+cardID, ""); got.Status != 200 {
		t.Errorf("the face: %d %s", got.Status, got.Body)
	}
}

// A login code goes out once, on a connection of its own. On a kept connection
// that drops, Go would repeat the GET, and WeChat would refuse the code.
func TestUpstream_ADroppedKeptAliveConnectionBurnsNoLogin(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.Login(s, "ming") // from now on there may be a kept connection
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", Drop: true, Reused: true, Times: -1}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.Login(s, "hong") // a fresh connection each: the fault never fires
	}
	if n := w.Sim.Calls()["/sns/jscode2session"].Total; n != 6 {
		t.Errorf("code2Session: %d calls, want 6", n)
	}
}

// A token that another system has invalidated is fetched again, without an error.
func TestUpstream_AKilledTokenIsReplacedWithoutAnError(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	if got := s.Get("/v1/cards/"+w.Card(), ""); got.Status != 200 {
		t.Fatalf("first: %d %s", got.Status, got.Body)
	}
	w.Sim.ExpireAccessToken()
	if got := s.Get("/v1/cards/"+w.Card(), ""); got.Status != 200 {
		t.Errorf("after the kill: %d %s", got.Status, got.Body)
	}
	if n := w.Sim.Calls()["/cgi-bin/stable_token"].Total; n != 2 {
		t.Errorf("stable_token: %d calls, want 2", n)
	}
}
