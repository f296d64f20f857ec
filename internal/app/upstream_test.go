package app_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func body(s string) *string { return &s }

// faults are the ways in which WeChat does not answer.
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

// A WeChat that fails is 503 and never 500; when it recovers, so do we. No
// secret shows in an answer, in the log or in the database on the way.
func TestUpstream_faults(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, wechatsim.Options{})
			cardID := w.card()
			add := func(path string) {
				t.Helper()
				f := fault
				f.Path, f.Times = path, -1
				if err := w.sim.AddFault(f); err != nil {
					t.Fatal(err)
				}
			}
			var answers []answer
			keep := func(a answer) answer { answers = append(answers, a); return a }
			for _, path := range []string{"/sns/jscode2session", "/cgi-bin/stable_token", "/cgi-bin/ticket/getticket", "/card/get", "/card/batchget"} {
				add(path)
			}
			s := w.serve()
			code, err := w.sim.Login("ming")
			if err != nil {
				t.Fatal(err)
			}
			keep(s.post("/v1/session", "", map[string]string{"code": code})).problem(t, 503, "wechat_unavailable")
			keep(s.get("/v1/cards/"+cardID, "")).problem(t, 503, "wechat_unavailable")
			if n := w.sim.Calls()["/sns/jscode2session"].Total; n != 1 {
				t.Errorf("the login code went out %d times", n)
			}
			clear := request(t, http.MethodDelete, w.wechat.URL+"/_sim/faults", "", nil)
			if clear.status/100 != 2 {
				t.Fatalf("clear faults: %d %s", clear.status, clear.body)
			}
			token, _ := w.login(s, "ming")
			eventually(t, "card-ext recovers", func() bool {
				a := keep(s.post("/v1/card-ext", token, want(cardID)))
				if a.status != 200 && a.status != 503 {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				return a.status == 200
			})
			last := answers[len(answers)-1]
			if _, err := w.sim.AddCard("ming", last.body); err != nil {
				t.Errorf("the phone: %v", err)
			}
			s.stop()
			w.searchSecrets(t, answers)
		})
	}
}

// searchSecrets looks for everything WeChat gave out and everything configured.
func (w *world) searchSecrets(t *testing.T, answers []answer) {
	t.Helper()
	secrets := append(w.sim.Secrets(), adminToken, "callbacktoken")
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets known: the search would prove nothing", len(secrets))
	}
	places := map[string]string{"the log": w.logs.String()}
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(w.db + suffix)
		if err == nil {
			places["the database"+suffix] = string(raw)
		}
	}
	for _, a := range answers {
		places["an answer"] += string(a.body)
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %.12s…", place, secret)
			}
		}
	}
}

func TestUpstream_a_card_ext_needs_a_ticket_and_nothing_else_does(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["JSSDK_HOSTS"] = "shop.example"
	cardID := w.card()
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/cgi-bin/ticket/getticket", ErrCode: 45009, Times: -1}); err != nil {
		t.Fatal(err)
	}
	s := w.serve()
	token, _ := w.login(s, "ming")
	got := s.post("/v1/card-ext", token, want(cardID))
	for _, got := range []answer{
		got, s.get("/v1/jssdk-config?url=https://shop.example/", ""),
		s.operate(http.MethodGet, "/v1/tickets/wx_card", nil), s.operate(http.MethodGet, "/v1/tickets/jsapi", nil),
	} {
		got.problem(t, 503, "ticket_unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	var me struct{ Cards []any }
	if s.get("/v1/me", token).json(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused card-ext left %v behind", me.Cards)
	}
	if got := s.get("/v1/cards/"+cardID, ""); got.status != 200 {
		t.Errorf("the face: %d %s", got.status, got.body)
	}
}

// WeChat repeats nothing and we repeat nothing: a dropped connection under
// code2Session costs the user a new wx.login, not a burnt code twice.
func TestUpstream_a_dropped_kept_alive_connection_burns_no_login(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	w.login(s, "ming") // whatever connection there may be is warm now
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", Drop: true, Reused: true, Times: -1}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.login(s, "hong") // a fresh connection each: the fault never fires
	}
	if n := w.sim.Calls()["/sns/jscode2session"].Total; n != 6 {
		t.Errorf("code2Session: %d calls, want 6", n)
	}
}

func TestUpstream_login_refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	for _, c := range []struct {
		errcode, status int
		code            string
	}{
		{40029, 401, "login_code_invalid"}, {40163, 401, "login_code_invalid"}, {40226, 403, "user_blocked"},
		{45011, 429, "rate_limited"}, {45009, 503, "wechat_unavailable"}, {40125, 503, "wechat_unavailable"}, {41002, 503, "wechat_unavailable"},
	} {
		if err := w.sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", ErrCode: c.errcode}); err != nil {
			t.Fatal(err)
		}
		code, err := w.sim.Login("ming")
		if err != nil {
			t.Fatal(err)
		}
		s.post("/v1/session", "", map[string]string{"code": code}).problem(t, c.status, c.code)
	}
}

// A stranger who fetches tokens kills ours now and then: one refetch, no error.
func TestUpstream_a_killed_token_is_replaced_without_an_error(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	if got := s.get("/v1/cards/"+w.card(), ""); got.status != 200 {
		t.Fatalf("first: %d %s", got.status, got.body)
	}
	w.sim.ExpireAccessToken()
	if got := s.get("/v1/cards/"+w.card(), ""); got.status != 200 {
		t.Errorf("after the kill: %d %s", got.status, got.body)
	}
	if n := w.sim.Calls()["/cgi-bin/stable_token"].Total; n != 2 {
		t.Errorf("stable_token: %d calls, want 2", n)
	}
}
