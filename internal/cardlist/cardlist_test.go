package cardlist_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A strict phone accepts the cardExt of each kind of card.
func TestCardExt_EveryKindOfCard(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	for name, c := range map[string]struct {
		edit     func(base, card map[string]any)
		hasCode  bool
		hasBegin bool
	}{
		"real-time custom code": {func(map[string]any, map[string]any) {}, true, false},
		"system code":           {func(b, _ map[string]any) { b["use_custom_code"] = false }, false, false},
		"fixed term": {func(b, _ map[string]any) {
			b["date_info"] = map[string]any{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 30, "fixed_begin_term": 0}
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.Post("/v1/card-ext", token, apptest.CardIDs(w.Card(c.edit)))
			e := apptest.CardExts(t, got)[0]
			if (e.Code != "") != c.hasCode || (e.FixedBeginTimestamp != 0) != c.hasBegin || e.OpenID != "" {
				t.Errorf("cardExt %+v", e)
			}
			if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
				t.Errorf("the phone: %v", err)
			}
		})
	}
}

// WeChat chooses the code of a deposit card and refuses a cardExt with one.
func TestCardExt_DepositModeCarriesNoCode(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	cardID := w.Card(func(b, _ map[string]any) {
		b["get_custom_code_mode"] = "GET_CUSTOM_CODE_MODE_DEPOSIT"
		b["sku"] = map[string]any{"quantity": 0}
	})
	s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Problem(t, 409, "card_not_claimable") // no stock yet
	if got := s.Operate(http.MethodPost, "/v1/cards/"+cardID+"/codes", apptest.Object{"codes": []string{"A1", "A2"}}); got.Status != 200 {
		t.Fatalf("deposit: %d %s", got.Status, got.Body)
	}
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	if e := apptest.CardExts(t, got)[0]; e.Code != "" {
		t.Errorf("cardExt %+v", e)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_BoundOpenIDIsTheOfficialAccounts(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	cardID := w.Card(func(b, _ map[string]any) { b["bind_openid"] = true })
	p := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Problem(t, 409, "openid_unknown")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cards[0].card_id" {
		t.Errorf("errors: %+v", p.Errors)
	}
	var me struct{ Cards []any }
	if s.Get("/v1/me", token).JSON(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused card left %v behind", me.Cards)
	}

	// A claim of a card with WeChat's code proves the member's Official Account openid.
	proof := w.AddCard(s, token, "ming", w.Card(func(b, _ map[string]any) { b["use_custom_code"] = false }))
	if got := s.Post("/v1/claims", token, apptest.Claims(proof[0])); got.Status != 200 {
		t.Fatalf("claim: %d %s", got.Status, got.Body)
	}
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	if person, err := w.Sim.Person("ming"); err != nil || apptest.CardExts(t, got)[0].OpenID != person.OpenID {
		t.Errorf("cardExt %s, person %+v, %v", got.Body, person, err)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_AFixedTermBeginsWhenTheCodeWasIssued(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	cardID := w.Card(func(b, _ map[string]any) {
		b["date_info"] = map[string]any{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 30, "fixed_begin_term": 0}
	})
	began := time.Now().Unix()
	first := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))[0]
	if got := s.Operate(http.MethodPut, "/v1/cards/"+cardID+"/settings", apptest.Object{"fixed_begintimestamp": true}); got.Status != 200 {
		t.Fatalf("settings: %d %s", got.Status, got.Body)
	}
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	if e := apptest.CardExts(t, got)[0]; first.FixedBeginTimestamp != 0 || e.Code != first.Code ||
		e.FixedBeginTimestamp < began || e.FixedBeginTimestamp > first.Timestamp {
		t.Errorf("first %+v, with the setting %+v", first, e)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_BatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = w.Card()
	}
	p := s.Post("/v1/card-ext", token, apptest.CardIDs(ids[0], "pUnknown", ids[1])).Problem(t, 404, "card_not_found")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cards[1].card_id" {
		t.Errorf("errors: %+v", p.Errors)
	}
	var me struct{ Cards []any }
	if s.Get("/v1/me", token).JSON(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused batch left %v behind", me.Cards)
	}
	got := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(ids...)))
	seen := map[string]bool{}
	for _, e := range got {
		seen[e.NonceStr], seen[e.Code] = true, true
	}
	if len(got) != 10 || len(seen) != 20 {
		t.Errorf("got %d cards and %d different nonces and codes, want 10 and 20", len(got), len(seen))
	}
}

func TestCardExt_RefusesWhatNoPhoneWouldTake(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	refused, soldOut := w.Card(), w.Card(func(b, _ map[string]any) { b["sku"] = map[string]any{"quantity": 1} })
	if a := apptest.Request(t, http.MethodPost, w.WeChat.URL+"/_sim/cards/"+refused+"/reject", "", []byte(`{}`)); a.Status/100 != 2 {
		t.Fatalf("reject: %d %s", a.Status, a.Body)
	}
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	s.Post("/v1/card-ext", token, apptest.CardIDs(refused)).Problem(t, 409, "card_not_claimable")

	mine := s.Post("/v1/card-ext", token, apptest.CardIDs(soldOut))
	code := apptest.CardExts(t, mine)[0].Code
	if _, err := w.Sim.AddCard("ming", mine.Body); err != nil {
		t.Fatal(err)
	}
	fresh := w.Serve() // its copy of the card, from the database, says 1 in stock, so it signs
	other, _ := w.Login(fresh, "hong")
	if got := fresh.Post("/v1/card-ext", other, apptest.CardIDs(soldOut)); got.Status != 200 {
		t.Errorf("copy that knows of stock: %d %s", got.Status, got.Body)
	}
	if got := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(soldOut)))[0].Code; got != code {
		t.Errorf("my own code of a sold-out card: got %s, want %s", got, code)
	}
}
