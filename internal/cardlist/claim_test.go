package cardlist_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestClaim_WhatThePhoneGaveBecomesAnActiveCard(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	added := w.AddCard(s, token, "ming", cardID)
	var code string
	for i := range 3 { // idempotent
		got := s.Post("/v1/claims", token, apptest.Claims(added[0]))
		var out struct{ Cards []apptest.MemberCard }
		if got.Status != 200 {
			t.Fatalf("claim %d: %d %s", i, got.Status, got.Body)
		}
		got.JSON(t, &out)
		if len(out.Cards) != 1 || out.Cards[0].Code == "" || out.Cards[0].Status == "issued" || out.Cards[0].ClaimedAt == "" {
			t.Fatalf("claim %d: %s", i, got.Body)
		}
		code = out.Cards[0].Code
	}
	apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	c := s.Cards(token)[0]
	if c.Code != code || c.MembershipNumber != code || c.ActivatedAt == "" {
		t.Errorf("card: %+v", c)
	}
	wallet, err := w.Sim.Cards("ming")
	if err != nil || len(wallet) != 1 || !wallet[0].HasActive || wallet[0].MembershipNumber != code {
		t.Errorf("wallet: %+v, %v", wallet, err)
	}
	if n := w.Sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activate: %d calls, want 1", n)
	}
}

func TestClaim_SystemCodeIsProvedByWeChat(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(b, _ map[string]any) { b["use_custom_code"] = false })
	s := w.Serve()
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	mings, hongs := w.AddCard(s, ming, "ming", cardID)[0], w.AddCard(s, hong, "hong", cardID)[0]
	if got := s.Post("/v1/claims", hong, apptest.Claims(hongs)); got.Status != 200 {
		t.Fatalf("hong's own: %d %s", got.Status, got.Body)
	}
	// Hong posts Ming's code, before and after he has claimed it. Her own Official
	// Account identity is known by now.
	p := s.Post("/v1/claims", hong, apptest.Claims(mings)).Problem(t, 403, "code_not_yours")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cardList[0].code" || strings.Contains(p.Errors[0].Message, "see errors") {
		t.Errorf("errors: %+v", p.Errors)
	}
	if got := s.Post("/v1/claims", ming, apptest.Claims(mings)); got.Status != 200 {
		t.Fatalf("ming's own: %d %s", got.Status, got.Body)
	}
	s.Post("/v1/claims", hong, apptest.Claims(mings)).Problem(t, 403, "code_not_yours")
	if got := s.Cards(hong); len(got) != 1 {
		t.Errorf("hong's cards: %+v", got)
	}
}

func TestClaim_Refusals(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	a, b := w.Card(), w.Card()
	s := w.Serve()
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	mings := w.AddCard(s, ming, "ming", a)[0]

	other := mings
	other.CardID = b
	s.Post("/v1/claims", ming, apptest.Claims(other)).Problem(t, 403, "code_not_yours")
	s.Post("/v1/claims", hong, apptest.Claims(mings)).Problem(t, 403, "code_not_yours")
	garbage := mings
	garbage.Code = "bm90IGEgY29kZQ=="
	p := s.Post("/v1/claims", ming, apptest.Claims(mings, garbage)).Problem(t, 422, "invalid_input")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cardList[1].code" {
		t.Errorf("errors: %+v", p.Errors)
	}
	if got := s.Cards(ming)[0].Status; got != "issued" {
		t.Errorf("a refused list left the card %s: all or nothing", got)
	}
	unknown := mings
	unknown.CardID = "pUnknown"
	s.Post("/v1/claims", ming, apptest.Claims(unknown)).Problem(t, 404, "card_not_found")
	s.Post("/v1/claims", "", apptest.Claims(mings)).Problem(t, 401, "session_invalid")

	raw := func(body string) apptest.Answer {
		return apptest.Request(t, http.MethodPost, s.Public+"/v1/claims", ming, []byte(body))
	}
	raw(`{"cardList":[]}`).Problem(t, 422, "invalid_input")
	raw(`{"cardList":[{"cardId":"a"}]}`).Problem(t, 422, "invalid_input")
	raw(`{"cardList":[{"cardId":"a","code":"x"}],"extra":1}`).Problem(t, 422, "invalid_input")
	got := raw(`{"cardList":[{"cardId":"a","isSuccess":false},{"cardId":"b","code":"","isSuccess":false,"errMsg":"x"}]}`)
	if got.Status != 200 || string(got.Body) != `{"cards":[]}` {
		t.Errorf("only failures: %d %s", got.Status, got.Body)
	}
	item, err := json.Marshal(mings)
	if err != nil {
		t.Fatal(err)
	}
	extended := append([]byte(`{"cardList":[{"newThing":[1],`), item[1:]...)
	if got := raw(string(extended) + `]}`); got.Status != 200 {
		t.Errorf("a member that newer phones add: %d %s", got.Status, got.Body)
	}
}
