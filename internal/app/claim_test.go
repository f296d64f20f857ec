package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// take plays wx.addCard with what the server signed, and returns what its
// success gave to the mini-program.
func (w *world) take(s *server, token, user, cardID string) []wechatsim.AddedCard {
	w.t.Helper()
	got := s.post("/v1/card-ext", token, want(cardID))
	added, err := w.sim.AddCard(user, got.body)
	if err != nil {
		w.t.Fatalf("the phone: %v (%d %s)", err, got.status, got.body)
	}
	return added
}

type card struct {
	CardID           string `json:"card_id"`
	Code             string
	Status           string
	MembershipNumber string `json:"membership_number"`
	OuterStr         string `json:"outer_str"`
	ClaimedAt        string `json:"claimed_at"`
	ActivatedAt      string `json:"activated_at"`
}

func (s *server) cards(token string) []card {
	s.t.Helper()
	var me struct{ Cards []card }
	got := s.get("/v1/me", token)
	if got.status != 200 {
		s.t.Fatalf("me: %d %s", got.status, got.body)
	}
	got.json(s.t, &me)
	return me.Cards
}

func claimOf(items ...any) map[string]any { return map[string]any{"cardList": items} }

func TestClaim_what_the_phone_gave_becomes_an_active_card(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, _ := w.login(s, "ming")
	added := w.take(s, token, "ming", cardID)
	var code string
	for i := range 3 { // idempotent
		got := s.post("/v1/claims", token, claimOf(added[0]))
		var out struct{ Cards []card }
		if got.status != 200 {
			t.Fatalf("claim %d: %d %s", i, got.status, got.body)
		}
		got.json(t, &out)
		if len(out.Cards) != 1 || out.Cards[0].Code == "" || out.Cards[0].Status == "issued" || out.Cards[0].ClaimedAt == "" {
			t.Fatalf("claim %d: %s", i, got.body)
		}
		code = out.Cards[0].Code
	}
	eventually(t, "the card is active", func() bool { return s.cards(token)[0].Status == "active" })
	c := s.cards(token)[0]
	if c.Code != code || c.MembershipNumber != code || c.ActivatedAt == "" {
		t.Errorf("card: %+v", c)
	}
	wallet, err := w.sim.Cards("ming")
	if err != nil || len(wallet) != 1 || !wallet[0].HasActive || wallet[0].MembershipNumber != code {
		t.Errorf("wallet: %+v, %v", wallet, err)
	}
	if n := w.sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activate: %d calls, want 1", n)
	}
}

func TestClaim_system_code_is_proved_by_WeChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	s := w.serve()
	ming, _ := w.login(s, "ming")
	hong, _ := w.login(s, "hong")
	mings, hongs := w.take(s, ming, "ming", cardID)[0], w.take(s, hong, "hong", cardID)[0]
	if got := s.post("/v1/claims", hong, claimOf(hongs)); got.status != 200 {
		t.Fatalf("hong's own: %d %s", got.status, got.body)
	}
	// Hong posts what she saw of Ming's, before and after he has claimed it: she
	// has an identity of her own by now.
	p := s.post("/v1/claims", hong, claimOf(mings)).problem(t, 403, "code_not_yours")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cardList[0].code" || strings.Contains(p.Errors[0].Message, "see errors") {
		t.Errorf("errors: %+v", p.Errors)
	}
	if got := s.post("/v1/claims", ming, claimOf(mings)); got.status != 200 {
		t.Fatalf("ming's own: %d %s", got.status, got.body)
	}
	s.post("/v1/claims", hong, claimOf(mings)).problem(t, 403, "code_not_yours")
	if got := s.cards(hong); len(got) != 1 {
		t.Errorf("hong's cards: %+v", got)
	}
}

func TestClaim_refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	a, b := w.card(), w.card()
	s := w.serve()
	ming, _ := w.login(s, "ming")
	hong, _ := w.login(s, "hong")
	mings := w.take(s, ming, "ming", a)[0]

	other := mings
	other.CardID = b
	s.post("/v1/claims", ming, claimOf(other)).problem(t, 403, "code_not_yours")
	s.post("/v1/claims", hong, claimOf(mings)).problem(t, 403, "code_not_yours")
	garbage := mings
	garbage.Code = "bm90IGEgY29kZQ=="
	p := s.post("/v1/claims", ming, claimOf(mings, garbage)).problem(t, 422, "invalid_input")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cardList[1].code" {
		t.Errorf("errors: %+v", p.Errors)
	}
	if got := s.cards(ming)[0].Status; got != "issued" {
		t.Errorf("a refused list left the card %s: all or nothing", got)
	}
	unknown := mings
	unknown.CardID = "pUnknown"
	s.post("/v1/claims", ming, claimOf(unknown)).problem(t, 404, "card_not_found")
	s.post("/v1/claims", "", claimOf(mings)).problem(t, 401, "session_invalid")

	raw := func(body string) answer {
		return request(t, http.MethodPost, s.base+"/v1/claims", ming, []byte(body))
	}
	raw(`{"cardList":[]}`).problem(t, 422, "invalid_input")
	raw(`{"cardList":[{"cardId":"a"}]}`).problem(t, 422, "invalid_input")
	raw(`{"cardList":[{"cardId":"a","code":"x"}],"extra":1}`).problem(t, 422, "invalid_input")
	if got := raw(`{"cardList":[{"cardId":"a","isSuccess":false},{"cardId":"b","code":"","isSuccess":false,"errMsg":"x"}]}`); got.status != 200 || string(got.body) != `{"cards":[]}` {
		t.Errorf("only failures: %d %s", got.status, got.body)
	}
	item, err := json.Marshal(mings)
	if err != nil {
		t.Fatal(err)
	}
	extended := append([]byte(`{"cardList":[{"newThing":[1],`), item[1:]...)
	if got := raw(string(extended) + `]}`); got.status != 200 {
		t.Errorf("a member that newer phones add: %d %s", got.status, got.body)
	}
}

// WeChat is often busy with a card that was taken a moment ago (45061, −1).
func TestClaim_activation_is_tried_until_it_works(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, _ := w.login(s, "ming")
	added := w.take(s, token, "ming", cardID)
	for _, f := range []wechatsim.Fault{{ErrCode: 45061}, {ErrCode: -1}, {Drop: true, When: "after"}} {
		f.Path = "/card/membercard/activate"
		if err := w.sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.post("/v1/claims", token, claimOf(added[0])); got.status != 200 {
		t.Fatalf("claim: %d %s", got.status, got.body)
	}
	eventually(t, "the card is active", func() bool { return s.cards(token)[0].Status == "active" })
	wallet, err := w.sim.Cards("ming")
	if err != nil || !wallet[0].HasActive {
		t.Errorf("wallet: %+v, %v", wallet, err)
	}
}
