package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

// The main job: what the server answers goes into wx.addCard as it is.
func TestFlow_login_to_wallet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, memberID := w.login(s, "ming")

	got := s.post("/v1/card-ext", token, map[string]any{"cards": []any{map[string]string{"card_id": cardID, "outer_str": "门店 1&2"}}})
	if cc := got.header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control: got %q", cc)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Fatalf("the phone: %v (%s)", err, got.body)
	}
	wallet, err := w.sim.Cards("ming")
	if err != nil || len(wallet) != 1 {
		t.Fatalf("wallet: %+v, %v", wallet, err)
	}
	e := exts(t, got)[0]
	if wallet[0].Code != e.Code || wallet[0].OuterStr != "门店 1&2" {
		t.Errorf("wallet %+v, cardExt %+v", wallet[0], e)
	}

	var me struct {
		ID    string
		Cards []map[string]any
	}
	s.get("/v1/me", token).json(t, &me)
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

func TestCardExt_hundred_first_calls_give_one_code_and_hundred_nonces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	replicas := []*server{w.serve(), w.serve()}
	token, _ := w.login(replicas[0], "ming")
	var mu sync.Mutex
	codes, nonces := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			e := exts(t, replicas[i%2].post("/v1/card-ext", token, want(cardID)))[0]
			mu.Lock()
			defer mu.Unlock()
			codes[e.Code], nonces[e.NonceStr] = true, true
		})
	}
	wg.Wait()
	if len(codes) != 1 || len(nonces) != 100 {
		t.Errorf("got %d codes and %d nonces, want 1 and 100", len(codes), len(nonces))
	}
	if n := w.sim.Calls()["/card/get"].Total; n > 4 { // a first look each, and the sync at start
		t.Errorf("/card/get: %d calls", n)
	}
}

// Each kind of card, taken by a strict phone.
func TestCardExt_every_kind_of_card(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
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
			got := s.post("/v1/card-ext", token, want(w.card(c.edit)))
			e := exts(t, got)[0]
			if (e.Code != "") != c.hasCode || (e.FixedBeginTimestamp != 0) != c.hasBegin || e.OpenID != "" {
				t.Errorf("cardExt %+v", e)
			}
			if _, err := w.sim.AddCard("ming", got.body); err != nil {
				t.Errorf("the phone: %v", err)
			}
		})
	}
}

// WeChat chooses the code of a deposited card: one in cardExt is refused.
func TestCardExt_deposit_mode_carries_no_code(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	cardID := w.card(func(b, _ map[string]any) {
		b["get_custom_code_mode"] = "GET_CUSTOM_CODE_MODE_DEPOSIT"
		b["sku"] = map[string]any{"quantity": 0}
	})
	s.post("/v1/card-ext", token, want(cardID)).problem(t, 409, "card_not_claimable") // no stock yet
	if got := s.operate(http.MethodPost, "/v1/cards/"+cardID+"/codes", object{"codes": []string{"A1", "A2"}}); got.status != 200 {
		t.Fatalf("deposit: %d %s", got.status, got.body)
	}
	got := s.post("/v1/card-ext", token, want(cardID))
	if e := exts(t, got)[0]; e.Code != "" {
		t.Errorf("cardExt %+v", e)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_bound_openid_is_the_official_accounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	cardID := w.card(func(b, _ map[string]any) { b["bind_openid"] = true })
	p := s.post("/v1/card-ext", token, want(cardID)).problem(t, 409, "openid_unknown")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cards[0].card_id" {
		t.Errorf("errors: %+v", p.Errors)
	}
	var me struct{ Cards []any }
	if s.get("/v1/me", token).json(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused card left %v behind", me.Cards)
	}

	// A card with WeChat's code proves who the member is in the Official Account.
	proof := w.take(s, token, "ming", w.card(func(b, _ map[string]any) { b["use_custom_code"] = false }))
	if got := s.post("/v1/claims", token, claimOf(proof[0])); got.status != 200 {
		t.Fatalf("claim: %d %s", got.status, got.body)
	}
	got := s.post("/v1/card-ext", token, want(cardID))
	if person, err := w.sim.Person("ming"); err != nil || exts(t, got)[0].OpenID != person.OpenID {
		t.Errorf("cardExt %s, person %+v, %v", got.body, person, err)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_a_fixed_term_begins_when_the_code_was_issued(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	cardID := w.card(func(b, _ map[string]any) {
		b["date_info"] = map[string]any{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 30, "fixed_begin_term": 0}
	})
	began := time.Now().Unix()
	first := exts(t, s.post("/v1/card-ext", token, want(cardID)))[0]
	if got := s.operate(http.MethodPut, "/v1/cards/"+cardID+"/settings", object{"fixed_begintimestamp": true}); got.status != 200 {
		t.Fatalf("settings: %d %s", got.status, got.body)
	}
	got := s.post("/v1/card-ext", token, want(cardID))
	if e := exts(t, got)[0]; first.FixedBeginTimestamp != 0 || e.Code != first.Code ||
		e.FixedBeginTimestamp < began || e.FixedBeginTimestamp > first.Timestamp {
		t.Errorf("first %+v, with the setting %+v", first, e)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Errorf("the phone: %v", err)
	}
}

func TestCardExt_batch_is_all_or_nothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = w.card()
	}
	p := s.post("/v1/card-ext", token, want(ids[0], "pUnknown", ids[1])).problem(t, 404, "card_not_found")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.cards[1].card_id" {
		t.Errorf("errors: %+v", p.Errors)
	}
	var me struct{ Cards []any }
	if s.get("/v1/me", token).json(t, &me); len(me.Cards) != 0 {
		t.Errorf("a refused batch left %v behind", me.Cards)
	}
	got := exts(t, s.post("/v1/card-ext", token, want(ids...)))
	seen := map[string]bool{}
	for _, e := range got {
		seen[e.NonceStr], seen[e.Code] = true, true
	}
	if len(got) != 10 || len(seen) != 20 {
		t.Errorf("got %d cards and %d different nonces and codes, want 10 and 20", len(got), len(seen))
	}
}

func TestCardExt_refuses_what_no_phone_would_take(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	refused, soldOut := w.card(), w.card(func(b, _ map[string]any) { b["sku"] = map[string]any{"quantity": 1} })
	if a := request(t, http.MethodPost, w.wechat.URL+"/_sim/cards/"+refused+"/reject", "", []byte(`{}`)); a.status/100 != 2 {
		t.Fatalf("reject: %d %s", a.status, a.body)
	}
	s := w.serve()
	token, _ := w.login(s, "ming")
	s.post("/v1/card-ext", token, want(refused)).problem(t, 409, "card_not_claimable")

	mine := s.post("/v1/card-ext", token, want(soldOut))
	code := exts(t, mine)[0].Code
	if _, err := w.sim.AddCard("ming", mine.body); err != nil {
		t.Fatal(err)
	}
	fresh := w.serve() // a replica whose database copy says 1 in stock still signs; the phone decides
	other, _ := w.login(fresh, "hong")
	if got := fresh.post("/v1/card-ext", other, want(soldOut)); got.status != 200 {
		t.Errorf("copy that knows of stock: %d %s", got.status, got.body)
	}
	if got := exts(t, s.post("/v1/card-ext", token, want(soldOut)))[0].Code; got != code {
		t.Errorf("my own code of a sold-out card: got %s, want %s", got, code)
	}
}

func TestRestart_keeps_ticket_codes_and_sessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, memberID := w.login(s, "ming")
	before := exts(t, s.post("/v1/card-ext", token, want(cardID)))[0]
	s.stop()
	s = w.serve()
	got := s.post("/v1/card-ext", token, want(cardID))
	after := exts(t, got)[0]
	if after.Code != before.Code || after.NonceStr == before.NonceStr {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Errorf("the phone: %v", err)
	}
	if _, again := w.login(s, "ming"); again != memberID {
		t.Errorf("the member became another: %s, %s", memberID, again)
	}
	for path, most := range map[string]int{"/cgi-bin/stable_token": 1, "/cgi-bin/ticket/getticket": 1} {
		if n := w.sim.Calls()[path].Total; n > most {
			t.Errorf("%s: %d calls, want %d: the shared copies live", path, n, most)
		}
	}
}

func TestSession_logout_reaches_every_replica(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	a, b := w.serve(), w.serve()
	token, _ := w.login(a, "ming")
	if got := b.get("/v1/me", token); got.status != 200 {
		t.Fatalf("a session of one replica at the other: %d %s", got.status, got.body)
	}
	out := request(t, http.MethodDelete, a.base+"/v1/session", token, nil)
	if out.status != 204 || len(out.body) != 0 {
		t.Errorf("logout: %d %s", out.status, out.body)
	}
	began := time.Now()
	p := a.get("/v1/me", token)
	p.problem(t, 401, "session_invalid")
	if p.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate: got %q", p.header.Get("WWW-Authenticate"))
	}
	eventually(t, "the other replica refuses the session", func() bool { return b.get("/v1/me", token).status == 401 })
	t.Logf("the other replica knew after %v", time.Since(began))
	request(t, http.MethodDelete, a.base+"/v1/session", token, nil).problem(t, 401, "session_invalid")
}

func TestSession_one_code_one_exchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	code, err := w.sim.Login("ming")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	tokens := map[string]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got := s.post("/v1/session", "", map[string]string{"code": code})
			var in struct{ Token string }
			if got.status == 200 {
				got.json(t, &in)
				mu.Lock()
				tokens[in.Token] = true
				mu.Unlock()
			} else {
				got.problem(t, 401, "login_code_invalid") // came after the flight had ended
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Errorf("got %d sessions, want 1", len(tokens))
	}
	if n := w.sim.Calls()["/sns/jscode2session"].Total; n != 1 {
		t.Errorf("code2Session: %d calls, want 1", n)
	}
}

func TestFace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card(func(base, c map[string]any) {
		c["background_pic_url"] = "https://mmbiz.qlogo.cn/a/0"
		c["prerogative"], base["description"] = "双倍积分", "一元一分"
		c["supply_bonus"], c["supply_balance"] = true, false
		c["custom_field1"] = map[string]any{"name_type": "FIELD_NAME_TYPE_LEVEL"}
		c["custom_field3"] = map[string]any{"name": "里程"}
	})
	s := w.serve()
	got := s.get("/v1/cards/"+cardID, "")
	var face map[string]any
	got.json(t, &face)
	for name, want := range map[string]any{
		"prerogative": "双倍积分", "description": "一元一分", "supply_bonus": true, "supply_balance": false,
		"card_id": cardID, "title": "会员卡", "brand_name": "示例", "color": "Color010", "take": "add_card",
		"logo_url": "http://mmbiz.qpic.cn/a/0", "background_pic_url": "https://mmbiz.qlogo.cn/a/0",
	} {
		if face[name] != want {
			t.Errorf("%s: got %v, want %v", name, face[name], want)
		}
	}
	if want := `"custom_fields":[{"field":"custom_field1","name_type":"FIELD_NAME_TYPE_LEVEL"},{"field":"custom_field3","name":"里程"}]`; !strings.Contains(string(got.body), want) {
		t.Errorf("got %s, want %s in it", got.body, want)
	}
	if strings.Contains(string(got.body), "null") {
		t.Errorf("null in %s", got.body)
	}
	s.get("/v1/cards/pUnknown", "").problem(t, 404, "card_not_found")
	s.get("/v1/cards/has%20space", "").problem(t, 422, "invalid_input")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, _ := w.login(s, "ming")
	var list struct {
		CardList []struct{ CardID, CardExt string }
	}
	s.post("/v1/card-ext", token, want(cardID)).json(t, &list)
	explain := func(cardExt any) (r struct {
		Verifies bool
		Cause    string
		Values   []string
	}) {
		raw, err := json.Marshal(map[string]any{"card_id": cardID, "cardExt": cardExt})
		if err != nil {
			t.Fatal(err)
		}
		got := request(t, http.MethodPost, s.admin+"/v1/explain", adminToken, raw)
		if got.status != 200 {
			t.Fatalf("explain: %d %s", got.status, got.body)
		}
		for _, secret := range w.sim.Secrets() {
			if strings.Contains(string(got.body), secret) {
				t.Fatalf("a secret in %s", got.body)
			}
		}
		got.json(t, &r)
		return r
	}
	good := list.CardList[0].CardExt
	if r := explain(good); !r.Verifies || r.Cause != "" || len(r.Values) != 5 {
		t.Errorf("our own cardExt: %+v", r)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(good), &object); err != nil {
		t.Fatal(err)
	}
	if r := explain(object); r.Cause != "not_a_string" {
		t.Errorf("an object: %+v", r)
	}
	if r := explain(strings.Replace(good, `"nonce_str":"`, `"nonce_str":"x`, 1)); r.Verifies || r.Cause == "" {
		t.Errorf("a changed nonce: %+v", r)
	}
	raw, err := json.Marshal(map[string]any{
		"card_id": cardID, "cardExt": strings.Replace(good, `"code":"`, `"code":"9`, 1),
		"signed": map[string]string{"code": strings.SplitN(strings.SplitN(good, `"code":"`, 2)[1], `"`, 2)[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	var differs struct{ Cause string }
	request(t, http.MethodPost, s.admin+"/v1/explain", adminToken, raw).json(t, &differs)
	if differs.Cause != "code_differs" {
		t.Errorf("another code was signed: %+v", differs)
	}
	var ticket struct{ Value string }
	request(t, http.MethodGet, s.admin+"/v1/tickets/wx_card", adminToken, nil).json(t, &ticket)
	got := request(t, http.MethodPost, s.admin+"/v1/tickets/wx_card/invalidate", adminToken, []byte(`{"rejected":"`+ticket.Value+`"}`))
	if got.status != 204 {
		t.Fatalf("invalidate: %d %s", got.status, got.body)
	}
	if r := explain(good); r.Verifies || r.Cause != "old_ticket" { // and nothing was signed with the new one yet
		t.Errorf("after the ticket was replaced: %+v", r)
	}
	request(t, http.MethodPost, s.admin+"/v1/explain", "", []byte(`{}`)).problem(t, 401, "admin_token_invalid")
	request(t, http.MethodPost, s.admin+"/v1/explain", token, []byte(`{}`)).problem(t, 401, "admin_token_invalid")
	request(t, http.MethodPost, s.base+"/v1/explain", adminToken, []byte(`{}`)).problem(t, 404, "not_found")
}
