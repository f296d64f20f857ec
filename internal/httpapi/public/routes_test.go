package public_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/ticket"
)

// route is one route with a request that it accepts from its member.
type route struct {
	method, path, body string
	open               bool // needs no session
	status             int
}

var routes = map[string]route{
	"POST /v1/session":                                {body: `{"code":"ming"}`, open: true, status: 200},
	"DELETE /v1/session":                              {status: 204},
	"GET /v1/me":                                      {status: 200},
	"POST /v1/card-ext":                               {body: `{"cards":[{"card_id":"p"}]}`, status: 200},
	"GET /v1/cards/{card_id}":                         {path: "/v1/cards/p", open: true, status: 200},
	"POST /v1/claims":                                 {body: `{"cardList":[{"cardId":"p","code":"x"}]}`, status: 200},
	"GET /v1/cards/{card_id}/open-card":               {path: "/v1/cards/p/open-card", status: 200},
	"POST /v1/activations":                            {body: `{"card_id":"p","code":"c-ming","activate_ticket":"t"}`, status: 200},
	"GET /v1/me/cards/{card_id}/codes/{code}/entries": {path: "/v1/me/cards/p/codes/c-ming/entries", status: 200},
	"POST /v1/me/phone":                               {body: `{"code":"c"}`, status: 200},
	"GET /v1/jssdk-config":                            {path: "/v1/jssdk-config?url=https%3A%2F%2Fshop.example%2F", open: true, status: 200},
	"GET /v1/oauth/start":                             {path: "/v1/oauth/start", open: true, status: 422},
	"GET /v1/oauth/callback":                          {path: "/v1/oauth/callback", open: true, status: 422},
	"GET /healthz":                                    {open: true, status: 200},
	"GET /readyz":                                     {open: true, status: 200},
}

// routeOf fills in what a route's name says already.
func routeOf(name string) route {
	r := routes[name]
	method, path, _ := strings.Cut(name, " ")
	r.method = method
	if r.path == "" {
		r.path = path
	}
	return r
}

// Each route of the description is in the table above, so that a new one is not
// open by mistake.
func TestRoutes_AreOpenOrNeedASession(t *testing.T) {
	t.Parallel()
	h := (&shop{}).serve(public.Options{})
	var api struct {
		Paths map[string]map[string]struct{ Security []any }
	}
	if err := json.Unmarshal(do(h, "GET", "/openapi.json", "", "").Body.Bytes(), &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			r, known := routes[name]
			if path == "/wechat/callback" {
				continue // its proof is WeChat's signature
			}
			if !known || r.open != (len(op.Security) == 0) {
				t.Errorf("%s: known %t, open %t, in the description it needs %v", name, known, r.open, op.Security)
			}
		}
	}
	for name := range routes {
		r := routeOf(name)
		for _, token := range []string{"", "stranger", "the-admin-token", "the-ticket-token"} {
			w := do(h, r.method, r.path, token, r.body)
			if r.open {
				if w.Code != r.status {
					t.Errorf("%s with %q: got %d %s", name, token, w.Code, w.Body)
				}
				continue
			}
			refused(t, w, 401, "session_invalid", "")
			if w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %v", name, w.Header())
			}
		}
		if w := do(h, r.method, r.path, "ming", r.body); w.Code != r.status {
			t.Errorf("%s of its member: got %d %s", name, w.Code, w.Body)
		}
	}
}

// A proxy and the server must not disagree about which token counts.
func TestRoutes_OneBearerTokenIsASession(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	for name, c := range map[string]struct {
		given []string
		ok    bool
	}{
		"a token":              {[]string{"Bearer ming"}, true},
		"in lower case":        {[]string{"bearer ming"}, true},
		"no scheme":            {[]string{"ming"}, false},
		"another scheme":       {[]string{"Basic ming"}, false},
		"a scheme that begins": {[]string{"BearerX ming"}, false},
		"two spaces":           {[]string{"Bearer  ming"}, false},
		"a space behind":       {[]string{"Bearer ming "}, false},
		"a tab":                {[]string{"Bearer\tming"}, false},
		"two tokens":           {[]string{"Bearer ming hong"}, false},
		"a list":               {[]string{"Bearer ming, Bearer hong"}, false},
		"two headers":          {[]string{"Bearer ming", "Bearer hong"}, false},
		"the same twice":       {[]string{"Bearer ming", "Bearer ming"}, false},
		"an empty one first":   {[]string{"", "Bearer ming"}, false},
		"in capitals":          {[]string{"Bearer MING"}, false},
		"only the scheme":      {[]string{"Bearer"}, false},
	} {
		w := do(h, "GET", "/v1/me", "", "", func(r *http.Request) { r.Header["Authorization"] = c.given })
		if ok := w.Code == 200; ok != c.ok {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	for _, target := range []string{"/v1/me?access_token=ming", "/v1/me?token=ming", "/v1/me?authorization=Bearer%20ming"} {
		w := do(h, "GET", target, "", "", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "token", Value: "ming"}) })
		refused(t, w, 401, "session_invalid", "")
	}
}

// The member is the session's, whatever the request says.
func TestRoutes_ActForTheMemberOfTheSession(t *testing.T) {
	t.Parallel()
	for name, r := range routes {
		if r.open {
			continue
		}
		for _, user := range []string{"ming", "hong"} {
			s, r := &shop{}, routeOf(name)
			h := s.serve(public.Options{})
			do(h, r.method, strings.Replace(r.path, "c-ming", "c-"+user, 1), user, r.body)
			if want := []string{"m-" + user}; !slices.Equal(s.members, want) {
				t.Errorf("%s of %s: called for %q", name, user, s.members)
			}
		}
	}
}

// An error of a service reaches the client as a problem, and not as an answer.
func TestRoutes_AnswerWithTheErrorOfTheService(t *testing.T) {
	t.Parallel()
	for name := range routes {
		if strings.HasSuffix(name, "z") || strings.HasPrefix(name, "GET /v1/oauth/") { // a browser is sent on, or reads a page
			continue
		}
		r := routeOf(name)
		s := &shop{err: fmt.Errorf("do it: %w", errTest)}
		refused(t, do(s.serve(public.Options{}), r.method, r.path, "ming", r.body), 500, "internal", "")
	}
}

// What the services answer reaches the client, each value at its place.
func TestRoutes_EachValueHasItsPlace(t *testing.T) {
	t.Parallel()
	const mine = `{"card_id":"p","code":"c-ming","status":"active","bonus":0,"balance":0}`
	s := &shop{
		face: card.Card{
			Title: "t", BrandName: "b", LogoURL: "l", Color: "Color010", BackgroundPicURL: "g", Prerogative: "pr", Description: "d",
			Notice: "o", ServicePhone: "1", CodeType: "CODE_TYPE_NONE", Quantity: 1, SupplyBonus: true, SupplyBalance: true, CustomFields: [3]card.CustomField{{}, {Name: "n", URL: "u"}, {Type: "T"}}, WxActivate: true,
			JumpForm: true,
		},
		entries: []ledger.Entry{{
			Booking: ledger.Booking{AddBonus: 1, AddBalance: 2, RecordBonus: "rb", RecordBalance: "rc", Reverses: "secret"},
			ID:      "e1", Seq: 9, Bonus: 11, Balance: 12, CreatedAt: time.Unix(1_800_000_000, 0).UTC(),
		}},
	}
	h := s.serve(public.Options{})
	for name, want := range map[string]string{
		"POST /v1/session": `{"token":"ming","token_type":"Bearer","expires_in":7200,"member":{"id":"m-ming","cards":[` + mine + `],"phone":"138****8000"}}`,
		"GET /v1/me":       `{"id":"m-ming","cards":[` + mine + `]}`,
		"GET /v1/cards/{card_id}": `{"card_id":"p","title":"t","brand_name":"b","logo_url":"l","color":"Color010","background_pic_url":"g",` +
			`"take":"open_card","activation":"component","sold_out":false,"code_type":"CODE_TYPE_NONE",` +
			`"prerogative":"pr","description":"d","notice":"o","service_phone":"1","supply_bonus":true,"supply_balance":true,` +
			`"custom_fields":[{"field":"custom_field2","name":"n","url":"u"},{"field":"custom_field3","name_type":"T"}]}`,
		"POST /v1/card-ext":    `{"cardList":[{"cardId":"p","cardExt":"{}"}]}`,
		"POST /v1/claims":      `{"cards":[` + mine + `]}`,
		"POST /v1/activations": `{"card":` + mine + `}`,
		"POST /v1/me/phone":    `{"phone":"138****8000"}`,
		"GET /v1/me/cards/{card_id}/codes/{code}/entries": `{"entries":[{"id":"e1","seq":9,"add_bonus":1,"bonus":11,"add_balance":2,` +
			`"balance":12,"record_bonus":"rb","record_balance":"rc","created_at":"2027-01-15T08:00:00Z"}]}`,
		"GET /v1/jssdk-config": `{"appId":"wx","timestamp":7,"nonceStr":"n","signature":"of https://shop.example/"}`,
	} {
		r := routeOf(name)
		if w := do(h, r.method, r.path, "ming", r.body); w.Body.String() != want {
			t.Errorf("%s: got %s, want %s", name, w.Body, want)
		}
	}
}

// A page cannot be signed without a ticket, which is not for want of an answer of
// WeChat's.
func TestPages_WithoutATicketSaySo(t *testing.T) {
	t.Parallel()
	r := routeOf("GET /v1/jssdk-config")
	h := (&shop{err: fmt.Errorf("sign: %w", ticket.ErrUnavailable)}).serve(public.Options{})
	refused(t, do(h, r.method, r.path, "", ""), 503, "ticket_unavailable", "")
}

// Without its cards an answer would say that the member has none.
func TestRoutes_NoCardsAreNotTheCardsThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	h := (&shop{lost: errTest}).serve(public.Options{})
	for _, name := range []string{"POST /v1/session", "GET /v1/me"} {
		r := routeOf(name)
		refused(t, do(h, r.method, r.path, "ming", r.body), 500, "internal", "")
	}
}

func TestMe_ShowsTheMembersCards(t *testing.T) {
	t.Parallel()
	w := do((&shop{}).serve(public.Options{}), "GET", "/v1/me", "hong", "")
	if want := `{"id":"m-hong","cards":[{"card_id":"p","code":"c-hong","status":"active","bonus":0,"balance":0}]}`; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

func TestLogin_SaysHowLongTheTokenLives(t *testing.T) {
	t.Parallel()
	w := do((&shop{}).serve(public.Options{}), "POST", "/v1/session", "", `{"code":"hong"}`)
	var got struct {
		Token     string
		TokenType string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Member    struct {
			ID    string
			Cards []any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Token != "hong" || got.TokenType != "Bearer" || got.ExpiresIn != 7200 || got.Member.ID != "m-hong" || len(got.Member.Cards) != 1 {
		t.Errorf("got %s", w.Body)
	}
}
