package public_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Every wrong request gets a documented problem, and never a 5xx.
func TestInput_EveryBadRequestGetsItsProblem(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
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
		"no body":             {post("/v1/session", ""), 400, "malformed_body", ""},
		"half a body":         {post("/v1/session", `{"code":`), 400, "malformed_body", ""},
		"a second value":      {post("/v1/session", `{"code":"a"}{}`), 400, "malformed_body", ""},
		"text after it":       {post("/v1/session", `{"code":"a"} x`), 400, "malformed_body", ""},
		"a byte order mark":   {post("/v1/session", "\ufeff"+`{"code":"a"}`), 400, "malformed_body", ""},
		"a field twice":       {post("/v1/session", `{"code":"a","code":"b"}`), 400, "malformed_body", ""},
		"escaped field twice": {post("/v1/session", `{"code":"a","\u0063ode":"b"}`), 400, "malformed_body", ""},
		"bad UTF-8":           {post("/v1/session", "{\"code\":\"\xff\"}"), 400, "malformed_body", ""},
		"lone surrogate":      {post("/v1/session", `{"code":"\ud800"}`), 400, "malformed_body", ""},
		"deep nesting":        {post("/v1/session", strings.Repeat("[", 20000)), 400, "malformed_body", ""},
		"an array":            {post("/v1/session", `["code"]`), 422, "invalid_input", "body"},
		"null":                {post("/v1/session", `null`), 422, "invalid_input", "body"},
		"a string":            {post("/v1/session", `"code"`), 422, "invalid_input", "body"},
		"no code":             {post("/v1/session", `{}`), 422, "invalid_input", "body.code"},
		"code is null":        {post("/v1/session", `{"code":null}`), 422, "invalid_input", "body.code"},
		"code is a number":    {post("/v1/session", `{"code":7}`), 422, "invalid_input", "body.code"},
		"code is empty":       {post("/v1/session", `{"code":""}`), 422, "invalid_input", "body.code"},
		"code with a space":   {post("/v1/session", `{"code":"a b"}`), 422, "invalid_input", "body.code"},
		"code too long":       {post("/v1/session", `{"code":"`+strings.Repeat("a", 257)+`"}`), 422, "invalid_input", "body.code"},
		"wrong case":          {post("/v1/session", `{"Code":"a"}`), 422, "invalid_input", "body.code"},
		"an unknown field":    {post("/v1/session", `{"code":"a","openid":"o"}`), 422, "invalid_input", "body.openid"},
		"no content type":     {req{"POST", "/v1/session", "", `{"code":"a"}`, ""}, 415, "unsupported_media_type", ""},
		"text":                {req{"POST", "/v1/session", "", `{"code":"a"}`, "text/plain"}, 415, "unsupported_media_type", ""},
		"another charset": {req{"POST", "/v1/session", "", `{"code":"a"}`, "application/json; charset=gbk"}, 415, "unsupported_media_type",
			""},
		"too large":             {post("/v1/session", `{"code":"`+strings.Repeat("a", 64<<10)+`"}`), 413, "body_too_large", ""},
		"a code WeChat refuses": {post("/v1/session", `{"code":"garbage"}`), 401, "login_code_invalid", ""},
		"no session":            {req{"POST", "/v1/card-ext", "", `{`, "application/json"}, 401, "session_invalid", ""},
		"junk for a session":    {req{"GET", "/v1/me", "x.y.z", "", ""}, 401, "session_invalid", ""},
		"no cards":              {post("/v1/card-ext", `{"cards":[]}`), 422, "invalid_input", "body.cards"},
		"cards is null":         {post("/v1/card-ext", `{"cards":null}`), 422, "invalid_input", "body.cards"},
		"eleven cards":          {post("/v1/card-ext", `{"cards":[`+many+`]}`), 422, "invalid_input", "body.cards"},
		"the same card twice": {post("/v1/card-ext", `{"cards":[{"card_id":"a"},{"card_id":"a"}]}`), 422, "invalid_input",
			"body.cards[1].card_id"},
		"a signed value":       {post("/v1/card-ext", `{"cards":[{"card_id":"a","code":"1"}]}`), 422, "invalid_input", "body.cards[0].code"},
		"card_id with a slash": {post("/v1/card-ext", `{"cards":[{"card_id":"a/b"}]}`), 422, "invalid_input", "body.cards[0].card_id"},
		"outer_str of 129 bytes": {post("/v1/card-ext", `{"cards":[{"card_id":"a","outer_str":"`+strings.Repeat("汉", 43)+`"}]}`), 422,
			"invalid_input", "body.cards[0].outer_str"},
		"outer_str with a NUL": {post("/v1/card-ext", `{"cards":[{"card_id":"a","outer_str":"a\u0000"}]}`), 422, "invalid_input",
			"body.cards[0].outer_str"},
		"an unknown card":    {post("/v1/card-ext", `{"cards":[{"card_id":"pNope"}]}`), 404, "card_not_found", "body.cards[0].card_id"},
		"an unknown route":   {req{"GET", "/v1/nope", "", "", ""}, 404, "not_found", ""},
		"no such asset":      {req{"GET", "/docs/x.js", "", "", ""}, 404, "not_found", ""},
		"a trailing slash":   {req{"GET", "/v1/me/", token, "", ""}, 404, "not_found", ""},
		"a double slash":     {req{"GET", "//v1/me", token, "", ""}, 404, "not_found", ""},
		"an admin route":     {req{"GET", "/metrics", apptest.AdminToken, "", ""}, 404, "not_found", ""},
		"pprof":              {req{"GET", "/debug/pprof/", apptest.AdminToken, "", ""}, 404, "not_found", ""},
		"the wrong method":   {req{"PUT", "/v1/session", "", "", ""}, 405, "method_not_allowed", ""},
		"an invented method": {req{"BREW", "/v1/me", "", "", ""}, 405, "method_not_allowed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body []byte
			if c.req.body != "" || c.req.method == "POST" {
				body = []byte(c.req.body)
			}
			got := apptest.Request(t, c.req.method, s.Public+c.req.path, c.req.token, body, func(r *http.Request) {
				r.Header.Del("Content-Type")
				if c.req.contentType != "" {
					r.Header.Set("Content-Type", c.req.contentType)
				}
			})
			p := got.Problem(t, c.status, c.code)
			if c.field != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.field) {
				t.Errorf("errors: %+v, want %s", p.Errors, c.field)
			}
			if c.status == 405 && got.Header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
			if strings.Contains(string(got.Body), "garbage") || strings.Contains(string(got.Body), strings.Repeat("a", 65)) {
				t.Errorf("the input comes back in %.300s", got.Body)
			}
		})
	}
}

func TestInput_MediaTypesIgnoreCase(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for _, media := range []string{"Application/JSON", "application/json;charset=UTF-8", "APPLICATION/json; Charset=utf-8"} {
		got := apptest.Request(t, http.MethodPost, s.Public+"/v1/session", "", []byte(`{"code":"garbage"}`), func(r *http.Request) {
			r.Header.Set("Content-Type", media)
		})
		got.Problem(t, 401, "login_code_invalid")
	}
	apptest.Request(t, http.MethodPost, s.Public+"/v1/session", "", []byte(`{"code":"garbage"}`), func(r *http.Request) {
		r.Header.Add("Content-Type", "text/plain") // besides application/json
	}).Problem(t, 415, "unsupported_media_type")
}

// http.Client cannot send these requests.
func TestInput_BrokenTransfersAreTheClientsErrors(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	const head = "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	for name, raw := range map[string]string{
		"bad chunk":       head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"body cut short":  head + "Content-Length: 100\r\n\r\n{\"code\":",
		"two tokens":      "GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
		"NUL in the path": "GET /v1/cards/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"bad escape":      "GET /v1/cards/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"gzip":            head + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.Public, "http://"))
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
