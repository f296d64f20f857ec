package app_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

const aesKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

// connect sends WeChat's events to the servers, in the mode of their settings.
func (w *world) connect(s *server) {
	w.t.Helper()
	cb := push.Callback{URL: s.base + "/wechat/callback", Token: "callbacktoken", EncodingAESKey: w.env["CALLBACK_AES_KEY"]}
	if err := w.sim.SetCallback(cb); err != nil {
		w.t.Fatal(err)
	}
}

// settled waits until every event has been delivered or given up.
func (w *world) settled() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	if err := w.sim.WaitEvents(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) phone(user, what string, body string) {
	w.t.Helper()
	got := request(w.t, http.MethodPost, w.wechat.URL+"/_sim/phones/"+user+"/"+what, "", []byte(body))
	if got.status/100 != 2 {
		w.t.Fatalf("%s: %d %s", what, got.status, got.body)
	}
}

func TestCallback_the_whole_life_of_a_card(t *testing.T) {
	t.Parallel()
	for mode, key := range map[string]string{"plain": "", "sealed": aesKey} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, wechatsim.Options{})
			w.env["CALLBACK_AES_KEY"] = key
			cardID := w.card()
			s := w.serve()
			w.connect(s)
			token, memberID := w.login(s, "ming")
			w.take(s, token, "ming", cardID) // the mini-program dies before it can claim
			eventually(t, "the event activates the card", func() bool { return s.cards(token)[0].Status == "active" })
			code := s.cards(token)[0].Code

			w.phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
			eventually(t, "the deletion is known", func() bool { return s.cards(token)[0].Status == "deleted" })

			w.take(s, token, "ming", cardID) // the same code: WeChat restores it
			eventually(t, "the restored card is active", func() bool { return s.cards(token)[0].Status == "active" })
			if got := s.cards(token); len(got) != 1 || got[0].Code != code {
				t.Errorf("cards: %+v, want the one code %s", got, code)
			}
			if n := w.sim.Calls()["/card/membercard/activate"].Total; n != 1 {
				t.Errorf("activate: %d calls, want 1", n)
			}
			w.settled()
			for _, d := range w.sim.Deliveries() {
				if d.State != "delivered" && d.Event != "card_pass_check" { // that one came before there was a callback
					t.Errorf("%s: %+v", d.Event, d)
				}
			}
			if _, again := w.login(s, "ming"); again != memberID {
				t.Errorf("the member became another")
			}
		})
	}
}

// A person met first in the shop logs in later and finds the card.
func TestCallback_a_card_from_a_QR_code_meets_its_member_by_unionid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	s := w.serve()
	w.connect(s)
	w.phone("ming", "scan-qr", `{"card_id":"`+cardID+`","outer_str":"table 7"}`)
	w.settled()
	token, _ := w.login(s, "ming")
	eventually(t, "the card is active", func() bool {
		c := s.cards(token)
		return len(c) == 1 && c[0].Status == "active" && c[0].OuterStr == "table 7"
	})
}

func TestCallback_given_to_a_friend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(func(b, _ map[string]any) { b["can_give_friend"] = true; b["get_limit"] = 5 })
	s := w.serve()
	w.connect(s)
	ming, _ := w.login(s, "ming")
	hong, _ := w.login(s, "hong")
	w.take(s, ming, "ming", cardID)
	eventually(t, "active", func() bool { return s.cards(ming)[0].Status == "active" })
	code := s.cards(ming)[0].Code
	w.phone("ming", "gift-card", `{"card_id":"`+cardID+`","code":"`+code+`","to":"hong"}`)
	eventually(t, "the friend has it", func() bool {
		c := s.cards(hong)
		return len(c) == 1 && c[0].Status == "active" && c[0].Code != code
	})
	if got := s.cards(ming)[0]; got.Status != "gifted" {
		t.Errorf("the giver's card: %+v", got)
	}
	next := exts(t, s.post("/v1/card-ext", ming, want(cardID)))[0]
	if next.Code == code {
		t.Error("a given code was issued again")
	}
}

// Events may come four times, in any order, at several replicas: one effect.
func TestCallback_duplicates_reordering_and_replicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["CALLBACK_AES_KEY"] = aesKey
	cardID := w.card()
	a, b := w.serve(), w.serve()
	token, _ := w.login(a, "ming")
	added := w.take(a, token, "ming", cardID)
	person, err := w.sim.Person("ming")
	if err != nil {
		t.Fatal(err)
	}
	got := a.post("/v1/claims", token, claimOf(added[0]))
	code := a.cards(token)[0].Code
	if got.status != 200 || code == "" {
		t.Fatalf("claim: %d %s", got.status, got.body)
	}
	now := time.Now().Unix()
	events := []push.Trigger{
		{Event: "user_get_card", CreateTime: now - 30, Fields: map[string]string{"OuterStr": "home"}},
		{Event: "user_del_card", CreateTime: now - 20},
		{Event: "user_get_card", CreateTime: now - 10, Fields: map[string]string{"IsRestoreMemberCard": "1"}, Omit: []string{"OuterStr"}},
		{Event: "user_view_card", CreateTime: now - 10},
	}
	var wg sync.WaitGroup
	for i := range 16 {
		e := events[(i*7+3)%4] // each four times, out of order
		s := []*server{a, b}[i%2]
		e.Callback = push.Callback{URL: s.base + "/wechat/callback", Token: "callbacktoken", EncodingAESKey: aesKey, AppID: w.sim.Accounts().Official.AppID}
		e.ToUserName, e.FromUserName = w.sim.Accounts().Official.OriginalID, person.OpenID
		fields := map[string]string{"CardId": cardID, "UserCardCode": code, "UnionId": person.UnionID}
		for k, v := range e.Fields {
			fields[k] = v
		}
		e.Fields = fields
		wg.Go(func() {
			req, err := e.Request(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := noRedirect.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != 200 {
				t.Errorf("%s: %d", e.Event, resp.StatusCode)
			}
		})
	}
	wg.Wait()
	eventually(t, "the card is active", func() bool {
		c := b.cards(token)
		return len(c) == 1 && c[0].Status == "active" && c[0].OuterStr == "home"
	})
	if n := w.sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activate: %d calls, want 1", n)
	}
}

// An event of which a developer says no more than its name is whole.
func TestCallback_takes_every_event_that_a_trigger_makes_up(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	for _, kind := range push.Kinds() {
		req, err := push.Trigger{Event: kind.Name, Callback: push.Callback{URL: s.base + "/wechat/callback", Token: "callbacktoken"}}.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		resp, err := noRedirect.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close() != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d", kind.Name, resp.StatusCode)
		}
		if metrics := string(s.operator("GET", "/metrics", "").body); !strings.Contains(metrics, `addcard_pushes_total{outcome="`+kind.Name+`"} 1`) {
			t.Errorf("%s was not taken", kind.Name)
		}
	}
}

func TestCallback_forged_pushes_get_403_and_nothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["CALLBACK_AES_KEY"] = aesKey
	s := w.serve()
	good := push.Trigger{
		Callback:   push.Callback{URL: s.base + "/wechat/callback", Token: "callbacktoken", EncodingAESKey: aesKey, AppID: w.sim.Accounts().Official.AppID},
		ToUserName: "gh_x", FromUserName: "oSomebody", Event: "user_get_card", Fields: map[string]string{"CardId": "pForeign", "UserCardCode": "1"},
	}
	send := func(e push.Trigger, edit func(*http.Request)) (int, string) {
		t.Helper()
		req, err := e.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		edit(req)
		resp, err := noRedirect.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var b strings.Builder
		buf := make([]byte, 256)
		n, _ := resp.Body.Read(buf)
		b.Write(buf[:n])
		return resp.StatusCode, b.String()
	}
	if status, text := send(good, func(*http.Request) {}); status != 200 || text != "success" {
		t.Fatalf("a good push of a foreign card: %d %q", status, text)
	}
	plain := good
	plain.EncodingAESKey = ""
	wrongApp := good
	wrongApp.AppID = "wxsomebodyelse00"
	wrongToken := good
	wrongToken.Token = "anothertoken"
	for name, e := range map[string]push.Trigger{"plaintext although a key is set": plain, "sealed for another app": wrongApp, "another token": wrongToken} {
		if status, text := send(e, func(*http.Request) {}); status != 403 || text != "" {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	for name, edit := range map[string]func(q *http.Request){
		"no query":   func(r *http.Request) { r.URL.RawQuery = "" },
		"bad escape": func(r *http.Request) { r.URL.RawQuery += "&x=%zz" },
		"old": func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "timestamp=1", "timestamp=0", 1)
		},
		"given twice": func(r *http.Request) { r.URL.RawQuery += "&nonce=1" },
	} {
		if status, text := send(good, edit); status != 403 || text != "" {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	if got := s.get("/wechat/callback?signature=a&timestamp=1&nonce=b&echostr=1", ""); got.status != 403 || len(got.body) != 0 {
		t.Errorf("a forged check: %d %q", got.status, got.body)
	}
	w.connect(s)
	if got := request(t, http.MethodPost, w.wechat.URL+"/_sim/callback/verify", "", []byte(`{}`)); got.status/100 != 2 {
		t.Errorf("WeChat's own check: %d %s", got.status, got.body)
	}
}

// A card that nobody has asked for yet comes in by its first event.
func TestCallback_a_card_the_catalogue_does_not_know_yet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	w.connect(s)
	eventually(t, "the first sync is over", func() bool { return w.sim.Calls()["/card/batchget"].Total > 0 })
	cardID := w.card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	w.phone("ming", "scan-qr", `{"card_id":"`+cardID+`"}`)
	w.settled()
	token, _ := w.login(s, "ming")
	eventually(t, "the card is active", func() bool {
		c := s.cards(token)
		return len(c) == 1 && c[0].Status == "active"
	})
}
