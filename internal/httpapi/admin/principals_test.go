package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// routes are all routes of the description, each with a body that it accepts.
var routes = map[string]string{
	"POST /v1/cards":                                    `{"card":{}}`,
	"GET /v1/cards":                                     "",
	"GET /v1/cards/{card_id}":                           "",
	"PATCH /v1/cards/{card_id}":                         `{"member_card":{}}`,
	"DELETE /v1/cards/{card_id}":                        "",
	"POST /v1/cards/{card_id}/stock":                    `{"delta":1}`,
	"PUT /v1/cards/{card_id}/settings":                  `{"init_bonus":1}`,
	"PUT /v1/cards/{card_id}/activation-form":           `{}`,
	"POST /v1/cards/{card_id}/qrcode":                   `{}`,
	"POST /v1/cards/{card_id}/codes":                    `{"codes":["1"]}`,
	"POST /v1/cards/{card_id}/codes/{code}/unavailable": `{}`,
	"POST /v1/cards/{card_id}/codes/{code}/entries":     `{"add_bonus":1}`,
	"GET /v1/cards/{card_id}/codes/{code}/entries":      "",
	"PUT /v1/cards/{card_id}/codes/{code}/fields":       `{"custom_field1":"a"}`,
	"PUT /v1/test-whitelist":                            `{"openid":[],"username":[]}`,
	"POST /v1/shelves":                                  `{}`,
	"POST /v1/images":                                   "picture",
	"POST /v1/explain":                                  `{"card_id":"p","cardExt":"{}"}`,
	"GET /v1/members":                                   "",
	"GET /v1/members/export":                            "",
	"GET /v1/members/{id}":                              "",
	"DELETE /v1/members/{id}":                           "",
	"GET /v1/outbox":                                    "",
	"POST /v1/outbox/{id}/retry":                        "",
	"GET /v1/tickets/{kind}":                            "",
	"POST /v1/tickets/{kind}/invalidate":                `{"rejected":"x"}`,
	"GET /metrics":                                      "",
	"GET /debug/pprof/":                                 "",
	"GET /debug/pprof/cmdline":                          "",
}

// open are the routes that need no token.
var open = []string{"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /openapi.yaml", "GET /docs", "GET /docs/"}

// ask sends the request of a route with the token.
func ask(h http.Handler, route, token string, edit ...func(*http.Request)) (status int, text string) {
	method, path, _ := strings.Cut(route, " ")
	path = strings.NewReplacer("{card_id}", "p", "{code}", "c", "{id}", "m", "{kind}", "wx_card").Replace(path)
	w := do(h, method, path, token, routes[route], append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Idempotency-Key", "k")
		if path == "/v1/images" {
			r.Header.Set("Content-Type", "image/png")
		}
	}}, edit...)...)
	return w.Code, w.Body.String()
}

// Each route of the description is in the table above, so that a new one is not
// open by mistake.
func TestPrincipals_TheDescriptionHasNoOtherRoute(t *testing.T) {
	t.Parallel()
	var api struct {
		Paths map[string]map[string]struct{ Security []any }
	}
	if err := json.Unmarshal(do((&office{}).serve(ticketToken), "GET", "/openapi.json", "", "").Body.Bytes(), &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			_, known := routes[name]
			isOpen := name == "GET /healthz" || name == "GET /readyz"
			if known == isOpen || isOpen != (len(op.Security) == 0) {
				t.Errorf("%s: known %t, in the description it needs %v", name, known, op.Security)
			}
		}
	}
}

// The operator's token opens everything, the ticket reader's the tickets.
func TestPrincipals_EachRouteForEachToken(t *testing.T) {
	t.Parallel()
	for route := range routes {
		isTicket := strings.Contains(route, " /v1/tickets/")
		for _, token := range []string{"", "a-session-token", operatorToken, ticketToken, operatorToken[:39], operatorToken + "1",
			strings.ToUpper(operatorToken), operatorToken + " ", " " + operatorToken} {
			o := &office{}
			allowed := token == operatorToken || token == ticketToken && isTicket
			status, text := ask(o.serve(ticketToken), route, token)
			if allowed != (status/100 == 2) || !allowed && (status != 401 || len(o.calls) > 0) {
				t.Errorf("%s with %q: got %d %.200s after %q", route, token, status, text, o.calls)
			}
		}
	}
	for _, route := range open {
		if status, text := ask((&office{}).serve(ticketToken), route, ""); status >= 400 {
			t.Errorf("%s: got %d %.200s", route, status, text)
		}
	}
}

// Without a TICKET_TOKEN only the operator reads tickets. An empty token is no
// token.
func TestPrincipals_AnUnsetTicketTokenOpensNothing(t *testing.T) {
	t.Parallel()
	for route := range routes {
		for name, edit := range map[string]func(*http.Request){
			"no header":       func(r *http.Request) { r.Header.Del("Authorization") },
			"an empty header": func(r *http.Request) { r.Header.Set("Authorization", "") },
			"an empty token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
			"a bare scheme":   func(r *http.Request) { r.Header.Set("Authorization", "Bearer") },
			"another scheme":  func(r *http.Request) { r.Header.Set("Authorization", "Basic "+operatorToken) },
			"no scheme":       func(r *http.Request) { r.Header.Set("Authorization", operatorToken) },
			"two headers": func(r *http.Request) {
				r.Header["Authorization"] = []string{"Bearer " + operatorToken, "Bearer " + operatorToken}
			},
			"two tokens": func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer x", "Bearer " + operatorToken} },
		} {
			o := &office{}
			if status, text := ask(o.serve(""), route, "", edit); status != 401 || len(o.calls) > 0 {
				t.Errorf("%s with %s: got %d %.200s", route, name, status, text)
			}
		}
		if status, _ := ask((&office{}).serve(""), route, operatorToken); status/100 != 2 {
			t.Errorf("%s of the operator: got %d", route, status)
		}
	}
}

// A path that only looks like an open one, or like a ticket's, opens nothing.
func TestPrincipals_PathsThatLookOpen(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/debug/pprof/heap", "/debug/pprof/", "/metrics", "/metrics/", "/healthz/", "/healthzz", "/readyz/x", "/docsx", "/v1/nope", "/",
		"/docs/../v1/members", "/docs/..%2fv1%2fmembers", "/openapi/../v1/members", "/openapi.json/../../v1/members", "//v1/members",
		"/V1/members", "/v1/tickets/../members", "/v1/tickets/%2e%2e/members", "/v1/tickets", "/v1/tickets/wx_card/../../members",
	} {
		for _, token := range []string{"", ticketToken} {
			o := &office{}
			w := do(o.serve(ticketToken), "GET", "http://shop.example"+path, token, "")
			if w.Code < 400 || len(o.calls) > 0 {
				t.Errorf("%s with %q: got %d %.200s after %q", path, token, w.Code, w.Body, o.calls)
			}
		}
	}
}
