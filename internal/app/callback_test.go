package app_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestCallback_TheWholeLifeOfACard(t *testing.T) {
	t.Parallel()
	for mode, key := range map[string]string{"plain": "", "sealed": apptest.AESKey} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			w.Env["CALLBACK_AES_KEY"] = key
			cardID := w.Card()
			s := w.Serve()
			w.Connect(s)
			token, memberID := w.Login(s, "ming")
			w.AddCard(s, token, "ming", cardID) // the mini-program dies before it can claim
			apptest.Eventually(t, "the event activates the card", func() bool { return s.Cards(token)[0].Status == "active" })
			code := s.Cards(token)[0].Code

			w.Phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
			apptest.Eventually(t, "the deletion is known", func() bool { return s.Cards(token)[0].Status == "deleted" })

			w.AddCard(s, token, "ming", cardID) // the same code: WeChat restores it
			apptest.Eventually(t, "the restored card is active", func() bool { return s.Cards(token)[0].Status == "active" })
			if got := s.Cards(token); len(got) != 1 || got[0].Code != code {
				t.Errorf("cards: %+v, want the one code %s", got, code)
			}
			if n := w.Sim.Calls()["/card/membercard/activate"].Total; n != 1 {
				t.Errorf("activate: %d calls, want 1", n)
			}
			w.WaitEvents()
			for _, d := range w.Sim.Deliveries() {
				if d.State != "delivered" && d.Event != "card_pass_check" { // that one came before there was a callback
					t.Errorf("%s: %+v", d.Event, d)
				}
			}
			if _, again := w.Login(s, "ming"); again != memberID {
				t.Errorf("the member became another")
			}
		})
	}
}

// A person who first takes a card in the shop logs in later and finds it.
func TestCallback_ACardFromAQRCodeMeetsItsMemberByUnionID(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	s := w.Serve()
	w.Connect(s)
	w.Phone("ming", "scan-qr", `{"card_id":"`+cardID+`","outer_str":"table 7"}`)
	w.WaitEvents()
	token, _ := w.Login(s, "ming")
	apptest.Eventually(t, "the card is active", func() bool {
		c := s.Cards(token)
		return len(c) == 1 && c[0].Status == "active" && c[0].OuterStr == "table 7"
	})
}

func TestCallback_GivenToAFriend(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(b, _ map[string]any) { b["can_give_friend"] = true; b["get_limit"] = 5 })
	s := w.Serve()
	w.Connect(s)
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	w.AddCard(s, ming, "ming", cardID)
	apptest.Eventually(t, "active", func() bool { return s.Cards(ming)[0].Status == "active" })
	code := s.Cards(ming)[0].Code
	w.Phone("ming", "gift-card", `{"card_id":"`+cardID+`","code":"`+code+`","to":"hong"}`)
	apptest.Eventually(t, "the friend has it", func() bool {
		c := s.Cards(hong)
		return len(c) == 1 && c[0].Status == "active" && c[0].Code != code
	})
	if got := s.Cards(ming)[0]; got.Status != "gifted" {
		t.Errorf("the giver's card: %+v", got)
	}
	next := apptest.CardExts(t, s.Post("/v1/card-ext", ming, apptest.CardIDs(cardID)))[0]
	if next.Code == code {
		t.Error("a given code was issued again")
	}
}

// Events may come four times, in any order, at several replicas: one effect.
func TestCallback_DuplicatesReorderingAndReplicas(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	cardID := w.Card()
	a, b := w.Serve(), w.Serve()
	token, _ := w.Login(a, "ming")
	added := w.AddCard(a, token, "ming", cardID)
	person, err := w.Sim.Person("ming")
	if err != nil {
		t.Fatal(err)
	}
	got := a.Post("/v1/claims", token, apptest.Claims(added[0]))
	code := a.Cards(token)[0].Code
	if got.Status != 200 || code == "" {
		t.Fatalf("claim: %d %s", got.Status, got.Body)
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
		s := []*apptest.Server{a, b}[i%2]
		e.Callback = push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken", EncodingAESKey: apptest.AESKey,
			AppID: w.Sim.Accounts().Official.AppID}
		e.ToUserName, e.FromUserName = w.Sim.Accounts().Official.OriginalID, person.OpenID
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
			resp, err := apptest.Client.Do(req)
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
	apptest.Eventually(t, "the card is active", func() bool {
		c := b.Cards(token)
		return len(c) == 1 && c[0].Status == "active" && c[0].OuterStr == "home"
	})
	if n := w.Sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activate: %d calls, want 1", n)
	}
}

// An event of which only the name is given is complete: the trigger fills in the
// rest.
func TestCallback_TakesEveryEventThatATriggerMakesUp(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for _, kind := range push.Kinds() {
		callback := push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken"}
		req, err := push.Trigger{Event: kind.Name, Callback: callback}.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		resp, err := apptest.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close() != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d", kind.Name, resp.StatusCode)
		}
		metrics := string(s.Operate("GET", "/metrics", "").Body)
		if !strings.Contains(metrics, `addcard_pushes_total{outcome="`+kind.Name+`"} 1`) {
			t.Errorf("%s was not taken", kind.Name)
		}
	}
}

// A card that was not requested yet enters the catalogue by its first event.
func TestCallback_ACardTheCatalogueDoesNotKnowYet(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.Connect(s)
	apptest.Eventually(t, "the first sync is over", func() bool { return w.Sim.Calls()["/card/batchget"].Total > 0 })
	cardID := w.Card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	w.Phone("ming", "scan-qr", `{"card_id":"`+cardID+`"}`)
	w.WaitEvents()
	token, _ := w.Login(s, "ming")
	apptest.Eventually(t, "the card is active", func() bool {
		c := s.Cards(token)
		return len(c) == 1 && c[0].Status == "active"
	})
}
