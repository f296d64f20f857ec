package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// routes are all routes of the description, each with those who may use it (owner,
// manager, cashier, ticket reader), whether the audit log has it, and a body that it
// accepts.
var routes = map[string]struct {
	who      string
	recorded bool
	body     string
}{
	"POST /v1/cards":                                    {"om", true, `{"card":{}}`},
	"GET /v1/cards":                                     {"om", false, ""},
	"GET /v1/cards/{card_id}":                           {"om", false, ""},
	"GET /v1/cards/{card_id}/face":                      {"omc", false, ""},
	"PATCH /v1/cards/{card_id}":                         {"om", true, `{"member_card":{}}`},
	"DELETE /v1/cards/{card_id}":                        {"om", true, ""},
	"POST /v1/cards/{card_id}/stock":                    {"om", true, `{"delta":1}`},
	"PUT /v1/cards/{card_id}/settings":                  {"om", true, `{"init_bonus":1}`},
	"PUT /v1/cards/{card_id}/activation-form":           {"om", true, `{}`},
	"POST /v1/cards/{card_id}/qrcode":                   {"om", true, `{}`},
	"POST /v1/cards/{card_id}/codes":                    {"om", true, `{"codes":["1"]}`},
	"POST /v1/cards/{card_id}/codes/{code}/unavailable": {"om", true, `{}`},
	"POST /v1/cards/{card_id}/codes/{code}/entries":     {"omc", false, `{"add_bonus":1}`},
	"GET /v1/cards/{card_id}/codes/{code}/entries":      {"omc", false, ""},
	"PUT /v1/cards/{card_id}/codes/{code}/fields":       {"om", true, `{"custom_field1":"a"}`},
	"GET /v1/entries":                                   {"omc", false, ""},
	"GET /v1/entries/export":                            {"om", true, ""},
	"POST /v1/entries/batch":                            {"om", false, `{"entries":[{"card_id":"p","code":"c","key":"k","add_bonus":1}]}`},
	"POST /v1/imports":                                  {"om", true, "code\na1\n"},
	"GET /v1/imports":                                   {"om", false, ""},
	"GET /v1/imports/{id}":                              {"om", false, ""},
	"GET /v1/imports/{id}/lines":                        {"om", false, ""},
	"DELETE /v1/imports/accounts/{id}":                  {"om", true, ""},
	"GET /v1/members/{id}/timeline":                     {"om", false, ""},
	"GET /v1/statistics":                                {"om", false, ""},
	"PUT /v1/test-whitelist":                            {"om", true, `{"openid":[],"username":[]}`},
	"POST /v1/shelves":                                  {"om", true, `{}`},
	"POST /v1/images":                                   {"om", true, "picture"},
	"POST /v1/explain":                                  {"om", false, `{"card_id":"p","cardExt":"{}"}`},
	"GET /v1/members":                                   {"omc", false, ""},
	"GET /v1/members/export":                            {"om", true, ""},
	"GET /v1/members/{id}":                              {"om", false, ""},
	"DELETE /v1/members/{id}":                           {"om", true, ""},
	"GET /v1/outbox":                                    {"om", false, ""},
	"GET /v1/outbox/{id}":                               {"om", false, ""},
	"POST /v1/outbox/{id}/retry":                        {"om", true, ""},
	"POST /v1/outbox/retry":                             {"om", true, `{}`},
	"GET /v1/outbox/retry":                              {"om", false, ""},
	"GET /v1/outbox/retry/{id}":                         {"om", false, ""},
	"DELETE /v1/outbox/retry/{id}":                      {"om", true, ""},
	"GET /v1/checks":                                    {"om", false, ""},
	"GET /v1/tickets":                                   {"om", false, ""},
	"GET /v1/tickets/{kind}":                            {"ot", false, ""},
	"POST /v1/tickets/{kind}/invalidate":                {"ot", true, `{"rejected":"x"}`},
	"GET /metrics":                                      {"o", false, ""},
	"GET /debug/pprof/":                                 {"o", false, ""},
	"GET /debug/pprof/cmdline":                          {"o", false, ""},
	"GET /v1/webhooks":                                  {"o", false, ""},
	"POST /v1/webhooks":                                 {"o", true, `{"url":"https://crm.example/","events":["*"]}`},
	"GET /v1/webhooks/{id}":                             {"o", false, ""},
	"PATCH /v1/webhooks/{id}":                           {"o", true, `{"enabled":false}`},
	"DELETE /v1/webhooks/{id}":                          {"o", true, ""},
	"POST /v1/webhooks/{id}/test":                       {"o", true, ""},
	"GET /v1/webhooks/{id}/deliveries":                  {"o", false, ""},
	"POST /v1/webhooks/{id}/resend":                     {"o", true, `{"id":"evt_1"}`},
	"GET /v1/staff":                                     {"o", false, ""},
	"POST /v1/staff":                                    {"o", true, `{"name":"Max","role":"cashier"}`},
	"DELETE /v1/staff/{id}":                             {"o", true, ""},
	"POST /v1/staff/{id}/link":                          {"o", true, ""},
	"POST /v1/staff/{id}/tokens":                        {"o", true, `{}`},
	"DELETE /v1/staff/{id}/keys/{key_id}":               {"o", true, ""},
	"GET /v1/audit":                                     {"om", false, ""},
	"GET /v1/audit/export":                              {"om", true, ""},
	"GET /v1/settings":                                  {"omc", false, ""},
	"PUT /v1/settings":                                  {"om", true, `{"points_per_100_yuan":10}`},
}

// open are the routes that need no token.
var open = []string{"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /openapi.yaml", "GET /docs", "GET /docs/"}

// asked counts the requests of ask.
var asked atomic.Int64

// ask sends the request of a route with the token, from an address of its own: too many
// wrong tokens of one address are refused.
func ask(h http.Handler, route, token string, edit ...func(*http.Request)) (status int, text string) {
	method, path, _ := strings.Cut(route, " ")
	path = strings.NewReplacer("{card_id}", "p", "{code}", "c", "{id}", "m", "{kind}", "wx_card", "{key_id}", "k").Replace(path)
	n := asked.Add(1)
	w := do(h, method, path, token, routes[route].body, append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Idempotency-Key", "k")
		r.RemoteAddr = fmt.Sprintf("198.18.%d.%d:1", n/250%250, n%250)
		switch path {
		case "/v1/images":
			r.Header.Set("Content-Type", "image/png")
		case "/v1/imports":
			r.URL.RawQuery = "card_id=p"
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

// tokens are those of each who may have one.
var tokens = map[rune]string{'o': operatorToken, 'm': managerToken, 'c': cashierToken, 't': ticketToken}

// Each route for each who has a token: what is not allowed is 403 and does nothing.
func TestPrincipals_EachRouteForEachRole(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve(ticketToken)
	for route, r := range routes {
		for role, token := range tokens {
			o.calls, o.records.list = nil, nil
			allowed := strings.ContainsRune(r.who, role)
			request := route
			if query := map[string]string{"GET /v1/members": "?query=1", "GET /v1/entries": "?order=1"}[route]; role == 'c' {
				request += query // a cashier sees no list of all
			}
			status, text := ask(h, request, token)
			if allowed != (status/100 == 2) || !allowed && (status != 403 || len(o.calls) > 0 || !strings.Contains(text, "role_forbidden")) {
				t.Errorf("%s of %c: got %d %.200s after %q", route, role, status, text, o.calls)
			}
			if want := allowed && r.recorded; want != (len(o.records.list) == 1) {
				t.Errorf("%s of %c: the audit log has %+v", route, role, o.records.list)
			}
		}
	}
}

// What is no token of anyone opens nothing.
func TestPrincipals_EachRouteForAWrongToken(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve(ticketToken)
	for route := range routes {
		for _, token := range []string{"", "a-session-token", operatorToken[:39], operatorToken + "1", managerToken[:50], cashierToken + "A",
			strings.ToUpper(operatorToken), operatorToken + " ", " " + operatorToken} {
			if status, text := ask(h, route, token); status != 401 || len(o.calls) > 0 {
				t.Errorf("%s with %q: got %d %.200s after %q", route, token, status, text, o.calls)
			}
		}
	}
	for _, route := range open {
		if status, text := ask(h, route, ""); status >= 400 {
			t.Errorf("%s: got %d %.200s", route, status, text)
		}
	}
}

// A record says who did what to what, from where, and how it ended.
func TestPrincipals_TheAuditLogSaysWhoAndWhatAndHow(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve(ticketToken)
	from := func(r *http.Request) { r.RemoteAddr = "198.51.100.7:1234" }
	ask(h, "POST /v1/cards/{card_id}/codes/{code}/unavailable", managerToken, from)
	ask(h, "DELETE /v1/staff/{id}", operatorToken, from)
	o.err = errors.New("lost")
	ask(h, "DELETE /v1/members/{id}", managerToken, from)
	o.err = member.ErrMemberUnknown
	ask(h, "DELETE /v1/members/{id}", managerToken, from)
	ask(h, "PUT /v1/settings", managerToken, func(r *http.Request) { // which is not valid: nothing is begun
		r.Body = io.NopCloser(strings.NewReader(`{"points_per_100_yuan":-1}`))
	})
	var got []string
	for _, r := range o.records.list {
		if r.RequestID == "" || r.Source != audit.API {
			t.Errorf("got %+v", r)
		}
		got = append(got, fmt.Sprint(r.Actor, " ", r.Role, " ", r.Address, " ", r.Action, " ", r.Target, " ", r.Result, " ", r.Problem, " ",
			string(r.Changes)))
	}
	want := []string{
		`Zoe manager 198.51.100.7 unavailable {p c } done  `,
		`owner owner 198.51.100.7 removeStaff {  m} done  `,
		`Zoe manager 198.51.100.7 eraseMember {  m} failed internal `,
		`Zoe manager 198.51.100.7 eraseMember {  m} refused member_not_found `,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Without a record nothing is done.
func TestPrincipals_WhatCannotBeRecordedIsNotDone(t *testing.T) {
	t.Parallel()
	for route, r := range routes {
		if !r.recorded {
			continue
		}
		o := &office{records: records{err: sqldb.ErrUnavailable}}
		if status, text := ask(o.serve(ticketToken), route, operatorToken); status != 503 || len(o.calls) > 0 {
			t.Errorf("%s: got %d %.200s after %q", route, status, text, o.calls)
		}
	}
}

// Without a TICKET_TOKEN only the operator reads tickets. An empty token is no
// token.
func TestPrincipals_AnUnsetTicketTokenOpensNothing(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
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
			if status, text := ask(h, route, "", edit); status != 401 || len(o.calls) > 0 {
				t.Errorf("%s with %s: got %d %.200s", route, name, status, text)
			}
		}
	}
	for route := range routes {
		if status, _ := ask(h, route, operatorToken); status/100 != 2 {
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
