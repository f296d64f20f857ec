package app_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

// Whatever a client sends gets a documented problem, and never a 5xx.
func TestInput_every_bad_request_gets_its_problem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	type req struct {
		method, path, token, body string
		contentType               string
	}
	post := func(path, body string) req { return req{"POST", path, token, body, "application/json"} }
	many := strings.TrimSuffix(strings.Repeat(`{"card_id":"a"},`, 11), ",")
	for name, c := range map[string]struct {
		req    req
		status int
		code   string
		field  string
	}{
		"no body":                {post("/v1/session", ""), 400, "malformed_body", ""},
		"half a body":            {post("/v1/session", `{"code":`), 400, "malformed_body", ""},
		"a second value":         {post("/v1/session", `{"code":"a"}{}`), 400, "malformed_body", ""},
		"text after it":          {post("/v1/session", `{"code":"a"} x`), 400, "malformed_body", ""},
		"a byte order mark":      {post("/v1/session", "\ufeff"+`{"code":"a"}`), 400, "malformed_body", ""},
		"a member twice":         {post("/v1/session", `{"code":"a","code":"b"}`), 400, "malformed_body", ""},
		"escaped member twice":   {post("/v1/session", `{"code":"a","\u0063ode":"b"}`), 400, "malformed_body", ""},
		"bad UTF-8":              {post("/v1/session", "{\"code\":\"\xff\"}"), 400, "malformed_body", ""},
		"lone surrogate":         {post("/v1/session", `{"code":"\ud800"}`), 400, "malformed_body", ""},
		"deep nesting":           {post("/v1/session", strings.Repeat("[", 20000)), 400, "malformed_body", ""},
		"an array":               {post("/v1/session", `["code"]`), 422, "invalid_input", "body"},
		"null":                   {post("/v1/session", `null`), 422, "invalid_input", "body"},
		"a string":               {post("/v1/session", `"code"`), 422, "invalid_input", "body"},
		"no code":                {post("/v1/session", `{}`), 422, "invalid_input", "body.code"},
		"code is null":           {post("/v1/session", `{"code":null}`), 422, "invalid_input", "body.code"},
		"code is a number":       {post("/v1/session", `{"code":7}`), 422, "invalid_input", "body.code"},
		"code is empty":          {post("/v1/session", `{"code":""}`), 422, "invalid_input", "body.code"},
		"code with a space":      {post("/v1/session", `{"code":"a b"}`), 422, "invalid_input", "body.code"},
		"code too long":          {post("/v1/session", `{"code":"`+strings.Repeat("a", 257)+`"}`), 422, "invalid_input", "body.code"},
		"wrong case":             {post("/v1/session", `{"Code":"a"}`), 422, "invalid_input", "body.code"},
		"an unknown member":      {post("/v1/session", `{"code":"a","openid":"o"}`), 422, "invalid_input", "body.openid"},
		"no content type":        {req{"POST", "/v1/session", "", `{"code":"a"}`, ""}, 415, "unsupported_media_type", ""},
		"text":                   {req{"POST", "/v1/session", "", `{"code":"a"}`, "text/plain"}, 415, "unsupported_media_type", ""},
		"another charset":        {req{"POST", "/v1/session", "", `{"code":"a"}`, "application/json; charset=gbk"}, 415, "unsupported_media_type", ""},
		"too large":              {post("/v1/session", `{"code":"`+strings.Repeat("a", 64<<10)+`"}`), 413, "body_too_large", ""},
		"a code WeChat refuses":  {post("/v1/session", `{"code":"garbage"}`), 401, "login_code_invalid", ""},
		"no session":             {req{"POST", "/v1/card-ext", "", `{`, "application/json"}, 401, "session_invalid", ""},
		"junk for a session":     {req{"GET", "/v1/me", "x.y.z", "", ""}, 401, "session_invalid", ""},
		"no cards":               {post("/v1/card-ext", `{"cards":[]}`), 422, "invalid_input", "body.cards"},
		"cards is null":          {post("/v1/card-ext", `{"cards":null}`), 422, "invalid_input", "body.cards"},
		"eleven cards":           {post("/v1/card-ext", `{"cards":[`+many+`]}`), 422, "invalid_input", "body.cards"},
		"the same card twice":    {post("/v1/card-ext", `{"cards":[{"card_id":"a"},{"card_id":"a"}]}`), 422, "invalid_input", "body.cards[1].card_id"},
		"a signed value":         {post("/v1/card-ext", `{"cards":[{"card_id":"a","code":"1"}]}`), 422, "invalid_input", "body.cards[0].code"},
		"card_id with a slash":   {post("/v1/card-ext", `{"cards":[{"card_id":"a/b"}]}`), 422, "invalid_input", "body.cards[0].card_id"},
		"outer_str of 129 bytes": {post("/v1/card-ext", `{"cards":[{"card_id":"a","outer_str":"`+strings.Repeat("汉", 43)+`"}]}`), 422, "invalid_input", "body.cards[0].outer_str"},
		"outer_str with a NUL":   {post("/v1/card-ext", `{"cards":[{"card_id":"a","outer_str":"a\u0000"}]}`), 422, "invalid_input", "body.cards[0].outer_str"},
		"an unknown card":        {post("/v1/card-ext", `{"cards":[{"card_id":"pNope"}]}`), 404, "card_not_found", "body.cards[0].card_id"},
		"an unknown route":       {req{"GET", "/v1/nope", "", "", ""}, 404, "not_found", ""},
		"no such asset":          {req{"GET", "/docs/x.js", "", "", ""}, 404, "not_found", ""},
		"a trailing slash":       {req{"GET", "/v1/me/", token, "", ""}, 404, "not_found", ""},
		"a double slash":         {req{"GET", "//v1/me", token, "", ""}, 404, "not_found", ""},
		"an admin route":         {req{"GET", "/metrics", adminToken, "", ""}, 404, "not_found", ""},
		"pprof":                  {req{"GET", "/debug/pprof/", adminToken, "", ""}, 404, "not_found", ""},
		"the wrong method":       {req{"PUT", "/v1/session", "", "", ""}, 405, "method_not_allowed", ""},
		"an invented method":     {req{"BREW", "/v1/me", "", "", ""}, 405, "method_not_allowed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body []byte
			if c.req.body != "" || c.req.method == "POST" {
				body = []byte(c.req.body)
			}
			got := request(t, c.req.method, s.base+c.req.path, c.req.token, body, func(r *http.Request) {
				r.Header.Del("Content-Type")
				if c.req.contentType != "" {
					r.Header.Set("Content-Type", c.req.contentType)
				}
			})
			p := got.problem(t, c.status, c.code)
			if c.field != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.field) {
				t.Errorf("errors: %+v, want %s", p.Errors, c.field)
			}
			if c.status == 405 && got.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
			if strings.Contains(string(got.body), "garbage") || strings.Contains(string(got.body), strings.Repeat("a", 65)) {
				t.Errorf("the input comes back in %.300s", got.body)
			}
		})
	}
}

func TestInput_media_types_ignore_case(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	for _, media := range []string{"Application/JSON", "application/json;charset=UTF-8", "APPLICATION/json; Charset=utf-8"} {
		got := request(t, http.MethodPost, s.base+"/v1/session", "", []byte(`{"code":"garbage"}`), func(r *http.Request) {
			r.Header.Set("Content-Type", media)
		})
		got.problem(t, 401, "login_code_invalid")
	}
	request(t, http.MethodPost, s.base+"/v1/session", "", []byte(`{"code":"garbage"}`), func(r *http.Request) {
		r.Header.Add("Content-Type", "text/plain") // besides application/json: whom does one believe?
	}).problem(t, 415, "unsupported_media_type")
}

// What cannot be said through an http.Client.
func TestInput_broken_transfers_are_the_clients_errors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	for name, raw := range map[string]string{
		"bad chunk":       "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"body cut short":  "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"code\":",
		"two tokens":      "GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
		"NUL in the path": "GET /v1/cards/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"bad escape":      "GET /v1/cards/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"gzip":            "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Write([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			var status int
			if _, err := fmt.Sscanf(string(buf[:n]), "HTTP/1.1 %d", &status); err != nil || status < 400 || status > 499 {
				t.Errorf("got %.200s, want a 4xx", buf[:n])
			}
		})
	}
}

func TestLimits_per_member_and_per_address(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["RATE_LIMIT_PER_MEMBER"] = "2"
	w.env["RATE_LIMIT_PER_IP"] = "40"
	s := w.serve()
	token, _ := w.login(s, "ming")
	limited := func(token string, n int) (refused int) {
		for range n {
			got := request(t, http.MethodGet, s.base+"/v1/me", token, nil, func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n)) // nobody said that a proxy is trusted
			})
			if got.status == 429 {
				refused++
				got.problem(t, 429, "rate_limited")
				if got.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		}
		return refused
	}
	if got := limited(token, 40); got < 10 {
		t.Errorf("one member: %d of 40 refused", got)
	}
	if got := limited("", 400); got < 100 {
		t.Errorf("one address: %d of 400 refused", got)
	}
}

func TestHealth_and_documents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs/"} {
		if got := s.get(path, ""); got.status != 200 || len(got.body) == 0 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := s.get("/docs", ""); got.status != 301 {
		t.Errorf("/docs: %d", got.status)
	}
	page := s.get("/docs/", "")
	if strings.Contains(string(page.body), `src="http`) || strings.Contains(string(page.body), `href="http`) {
		t.Errorf("the documentation loads from elsewhere: %s", page.body)
	}
	for _, asset := range []string{"swagger-ui-bundle.js", "swagger-ui.css"} {
		if got := s.get("/docs/"+asset, ""); got.status != 200 || !strings.Contains(string(page.body), asset) {
			t.Errorf("/docs/%s: %d", asset, got.status)
		}
	}
	var api struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	s.get("/openapi.json", "").json(t, &api)
	if !strings.HasPrefix(api.OpenAPI, "3.1") {
		t.Errorf("openapi: got %q", api.OpenAPI)
	}
	for _, route := range []string{"post /v1/session", "delete /v1/session", "get /v1/me", "post /v1/card-ext", "post /v1/claims", "get /v1/cards/{card_id}", "get /wechat/callback", "post /wechat/callback", "get /healthz", "get /readyz"} {
		method, path, _ := strings.Cut(route, " ")
		if api.Paths[path][method] == nil {
			t.Errorf("openapi.json lacks %s", route)
		}
	}
}

func TestAdmin_everything_needs_the_token(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	member, _ := w.login(s, "ming")
	for _, token := range []string{"", member, adminToken[1:], adminToken + "x"} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/v1/explain", "/v1/nope"} {
			request(t, http.MethodGet, s.admin+path, token, nil).problem(t, 401, "admin_token_invalid")
		}
	}
	got := request(t, http.MethodGet, s.admin+"/metrics", adminToken, nil)
	for _, name := range []string{"addcard_http_request_seconds", "addcard_wechat_call_seconds", "addcard_ticket_left_seconds", "addcard_clock_offset_seconds", "go_goroutines"} {
		if !bytes.Contains(got.body, []byte(name)) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	if got := request(t, http.MethodGet, s.admin+"/healthz", "", nil); got.status != 200 {
		t.Errorf("/healthz: %d", got.status)
	}
}

// The shop's other services take the tickets from here instead of fetching
// their own; their token opens nothing else.
func TestTickets_for_the_shops_other_services(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	const ticketToken = "a-ticket-token-of-forty-characters-00001"
	w.env["TICKET_TOKEN"] = ticketToken
	cardID := w.card()
	s := w.serve()
	type shared struct {
		Value     string
		ExpiresIn int `json:"expires_in"`
	}
	read := func(kind string) (got shared) {
		t.Helper()
		a := request(t, http.MethodGet, s.admin+"/v1/tickets/"+kind, ticketToken, nil)
		if a.status != 200 {
			t.Fatalf("%s: %d %s", kind, a.status, a.body)
		}
		a.json(t, &got)
		if got.Value == "" || got.ExpiresIn < 1 || got.ExpiresIn > 7200 {
			t.Errorf("%s: %+v", kind, got)
		}
		return got
	}
	token, ticket, jsapi := read("access_token"), read("wx_card"), read("jsapi")
	if ticket.Value == jsapi.Value || token.Value == ticket.Value {
		t.Error("two kinds have one value")
	}
	used := request(t, http.MethodPost, w.wechat.URL+"/card/get?access_token="+token.Value, "", []byte(`{"card_id":"`+cardID+`"}`))
	if !bytes.Contains(used.body, []byte(`"errcode":0`)) {
		t.Errorf("the token does not work: %s", used.body)
	}
	again := read("access_token")
	if again.Value != token.Value || w.sim.Calls()["/cgi-bin/stable_token"].Total != 1 {
		t.Errorf("read again: another value, or %d fetches", w.sim.Calls()["/cgi-bin/stable_token"].Total)
	}

	reject := func(kind, value string) answer {
		return request(t, http.MethodPost, s.admin+"/v1/tickets/"+kind+"/invalidate", ticketToken, []byte(`{"rejected":"`+value+`"}`))
	}
	if got := reject("access_token", "an-older-value"); got.status != 204 {
		t.Errorf("an older value: %d %s", got.status, got.body)
	}
	if read("access_token").Value != token.Value {
		t.Error("an older value put the current one out of service")
	}
	w.sim.ExpireAccessToken()
	for range 5 {
		if got := reject("access_token", token.Value); got.status != 204 {
			t.Errorf("the dead value: %d %s", got.status, got.body)
		}
	}
	if read("access_token").Value == token.Value {
		t.Error("the dead value is handed out again")
	}
	if n := w.sim.Calls()["/cgi-bin/stable_token"].Total; n != 2 {
		t.Errorf("stable_token: %d calls, want 2", n)
	}

	request(t, http.MethodGet, s.admin+"/v1/tickets/session_key", ticketToken, nil).problem(t, 422, "invalid_input")
	request(t, http.MethodGet, s.admin+"/v1/tickets/wx_card", "", nil).problem(t, 401, "admin_token_invalid")
	request(t, http.MethodGet, s.admin+"/metrics", ticketToken, nil).problem(t, 401, "admin_token_invalid")
	request(t, http.MethodPost, s.admin+"/v1/explain", ticketToken, []byte(`{}`)).problem(t, 401, "admin_token_invalid")
	request(t, http.MethodGet, s.base+"/v1/tickets/wx_card", ticketToken, nil).problem(t, 404, "not_found")
	if got := request(t, http.MethodGet, s.admin+"/v1/tickets/wx_card", adminToken, nil); got.status != 200 {
		t.Errorf("with the ADMIN_TOKEN: %d", got.status)
	}
}

func TestDrain_finishes_what_is_under_way(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["SHUTDOWN_GRACE"] = "10s"
	s := w.serve()
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", LatencyMS: 400}); err != nil {
		t.Fatal(err)
	}
	code, err := w.sim.Login("ming")
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() { status <- s.post("/v1/session", "", map[string]string{"code": code}).status }()
	eventually(t, "the login is at WeChat", func() bool { return w.sim.Calls()["/sns/jscode2session"].Total > 0 })
	done := make(chan struct{})
	go func() { s.stop(); close(done) }()
	eventually(t, "readyz says 503", func() bool {
		resp, err := noRedirect.Get(s.base + "/readyz") //nolint:noctx // ends with the server
		if err != nil {
			return true // the listener is closed already
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == 503
	})
	if got := <-status; got != 200 {
		t.Errorf("the login under way: got %d, want 200", got)
	}
	<-done
}
