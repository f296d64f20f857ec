package apptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// Definition returns the body of POST /v1/cards for a good card with WeChat's
// codes. edit changes it.
func Definition(edit ...func(base, member Object)) Object {
	base := Object{
		"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡<&>😀"[:9], "color": "Color010",
		"notice": "出示", "description": "说明 <b>&</b> 😀", "sku": Object{"quantity": 100}, "date_info": Object{"type": "DATE_TYPE_PERMANENT"},
		"use_custom_code": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
	}
	member := Object{"base_info": base, "supply_bonus": true, "supply_balance": false, "prerogative": "特权",
		"activate_url": "https://shop.example/"}
	for _, f := range edit {
		f(base, member)
	}
	return Object{"card": Object{"card_type": "MEMBER_CARD", "member_card": member}}
}

// Deposit makes a card take deposited codes.
func Deposit(base, _ Object) {
	base["use_custom_code"], base["get_custom_code_mode"], base["sku"] = true, "GET_CUSTOM_CODE_MODE_DEPOSIT", Object{"quantity": 0}
}

// RealTime makes a card take codes of ours in real time.
func RealTime(base, _ Object) { base["use_custom_code"] = true }

// WithBalance makes a card hold money, too.
func WithBalance(_, member Object) { member["supply_balance"] = true }

// OneClick makes a card one with an activation form, for the open-card component
// only if jump.
func OneClick(jump bool) func(base, member Object) {
	return func(_, member Object) {
		delete(member, "activate_url")
		member["wx_activate"] = true
		if jump {
			member["wx_activate_after_submit"], member["wx_activate_after_submit_url"] = true, "https://shop.example/after"
		}
	}
}

// NewCard creates a card by the operator's API and has it approved.
func (w *World) NewCard(s *Server, edit ...func(base, member Object)) string {
	w.T.Helper()
	got := s.Operate(http.MethodPost, "/v1/cards", Definition(edit...))
	var made struct {
		CardID string `json:"card_id"`
	}
	got.JSON(w.T, &made)
	if got.Status != http.StatusCreated || made.CardID == "" {
		w.T.Fatalf("create: %d %s", got.Status, got.Body)
	}
	if err := w.Sim.Approve(made.CardID); err != nil {
		w.T.Fatal(err)
	}
	return made.CardID
}

// Card creates an approved card with codes of ours at WeChat, unknown to the
// servers. edit changes its definition.
func (w *World) Card(edit ...func(base, card Object)) string {
	w.T.Helper()
	base := Object{
		"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡", "color": "Color010",
		"notice": "出示", "description": "说明", "sku": Object{"quantity": 100}, "date_info": Object{"type": "DATE_TYPE_PERMANENT"},
		"use_custom_code": true, "bind_openid": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
	}
	card := Object{"base_info": base, "supply_bonus": true, "supply_balance": false, "prerogative": "特权",
		"auto_activate": false, "activate_url": "https://shop.example/"}
	for _, f := range edit {
		f(base, card)
	}
	var created struct {
		CardID string `json:"card_id"`
		ErrMsg string
	}
	body := encode(w.T, Object{"card": Object{"card_type": "MEMBER_CARD", "member_card": card}})
	w.CallWeChat("/card/create", unescape(string(body))).JSON(w.T, &created)
	if created.CardID == "" {
		w.T.Fatalf("/card/create: %s", created.ErrMsg)
	}
	if err := w.Sim.Approve(created.CardID); err != nil {
		w.T.Fatal(err)
	}
	return created.CardID
}

// unescape undoes what encoding/json does to <, > and &: WeChat refuses \u.
func unescape(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

// CallWeChat calls WeChat as another system of the shop does, with an
// access_token of its own.
func (w *World) CallWeChat(path, body string) Answer {
	w.T.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	a := w.Sim.Accounts().Official
	query := fmt.Sprintf("?grant_type=client_credential&appid=%s&secret=%s", a.AppID, a.Secret)
	Request(w.T, http.MethodGet, w.WeChat.URL+"/cgi-bin/token"+query, "", nil).JSON(w.T, &token)
	return Request(w.T, http.MethodPost, w.WeChat.URL+path+"?access_token="+token.AccessToken, "", []byte(body))
}

// CardIDs returns the body of POST /v1/card-ext for these cards.
func CardIDs(cardIDs ...string) Object {
	cards := make([]any, len(cardIDs))
	for i, id := range cardIDs {
		cards[i] = map[string]string{"card_id": id}
	}
	return Object{"cards": cards}
}

// CardExt is a decoded cardExt.
type CardExt struct {
	Code                string `json:"code"`
	OpenID              string `json:"openid"`
	Timestamp           int64  `json:"timestamp"`
	NonceStr            string `json:"nonce_str"`
	OuterStr            string `json:"outer_str"`
	FixedBeginTimestamp int64  `json:"fixed_begintimestamp"`
	Signature           string `json:"signature"`
}

// CardExts decodes the answer to POST /v1/card-ext.
func CardExts(t testing.TB, a Answer) []CardExt {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("card-ext: %d %s", a.Status, a.Body)
	}
	var list struct {
		CardList []struct{ CardID, CardExt string }
	}
	a.JSON(t, &list)
	out := make([]CardExt, len(list.CardList))
	for i, c := range list.CardList {
		if err := json.Unmarshal([]byte(c.CardExt), &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// AddCard plays wx.addCard with what the server signed, and returns what its
// success gave to the mini-program.
func (w *World) AddCard(s *Server, token, user, cardID string) []wechatsim.AddedCard {
	w.T.Helper()
	got := s.Post("/v1/card-ext", token, CardIDs(cardID))
	added, err := w.Sim.AddCard(user, got.Body)
	if err != nil {
		w.T.Fatalf("the phone: %v (%d %s)", err, got.Status, got.Body)
	}
	return added
}

// Claims returns the body of POST /v1/claims.
func Claims(items ...any) Object { return Object{"cardList": items} }

// Claim signs user in, adds the card and claims it.
func (w *World) Claim(s *Server, user, cardID string) (token, code string) {
	w.T.Helper()
	token, _ = w.Login(s, user)
	added := w.AddCard(s, token, user, cardID)
	s.Post("/v1/claims", token, Object{"cardList": added}).Is(w.T, http.StatusOK)
	return token, w.CodeOf(user)
}

// MemberCard is a card as its member sees it.
type MemberCard struct {
	CardID           string `json:"card_id"`
	Code             string
	Status           string
	MembershipNumber string `json:"membership_number"`
	OuterStr         string `json:"outer_str"`
	ClaimedAt        string `json:"claimed_at"`
	ActivatedAt      string `json:"activated_at"`
}

// Cards returns the cards of GET /v1/me.
func (s *Server) Cards(token string) []MemberCard {
	s.T.Helper()
	var me struct{ Cards []MemberCard }
	s.Get("/v1/me", token).Is(s.T, http.StatusOK).JSON(s.T, &me)
	return me.Cards
}
