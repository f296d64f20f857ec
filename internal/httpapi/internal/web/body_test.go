package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/ration"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// taker is a listener with one route, POST /, that takes a text, a number and a
// flag in at most 64 bytes.
type taker struct {
	*web.Listener
	taken int
}

type takenInput struct {
	Body struct {
		Text string `json:"text"`
		N    int64  `json:"n,omitempty"`
		P    *int64 `json:"p,omitempty"`
	}
}

func newTaker() *taker {
	l := &taker{Listener: web.New(web.Public, web.Options{
		Log: slog.New(slog.DiscardHandler), InFlight: make(chan struct{}, 1),
		Observe: func(string, string, int, time.Duration) {}, Ready: func(context.Context) error { return nil },
	})}
	l.ServeJSON("title", "About.", 64)
	web.Route(l.Listener, huma.Operation{OperationID: "take", Method: http.MethodPost, Path: "/"},
		func(context.Context, *takenInput) (*web.Nothing, error) {
			l.taken++
			return nil, nil
		})
	return l
}

// post sends a body with these values of Content-Type.
func (l *taker) post(body io.Reader, edit func(*http.Request), media ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header["Content-Type"] = media
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

func TestBody_IsJSONInUTF8(t *testing.T) {
	t.Parallel()
	const body = `{"text":"汉"}`
	l := newTaker()
	for name, c := range map[string]struct {
		body   string
		media  []string
		status int
		code   string
	}{
		"JSON":                 {body, []string{"application/json"}, 204, ""},
		"its charset":          {body, []string{"Application/JSON; Charset=UTF-8"}, 204, ""},
		"no type":              {body, nil, 415, "unsupported_media_type"},
		"a form":               {body, []string{"application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		"text":                 {body, []string{"text/plain"}, 415, "unsupported_media_type"},
		"a kind of JSON":       {body, []string{"application/problem+json"}, 415, "unsupported_media_type"},
		"another charset":      {body, []string{"application/json; charset=gbk"}, 415, "unsupported_media_type"},
		"two types":            {body, []string{"application/json", "text/plain"}, 415, "unsupported_media_type"},
		"the same twice":       {body, []string{"application/json", "application/json"}, 415, "unsupported_media_type"},
		"GBK":                  {"{\"text\":\"\xba\xba\"}", []string{"application/json"}, 400, "malformed_body"},
		"UTF-16":               {"\xff\xfe{\x00}\x00", []string{"application/json"}, 400, "malformed_body"},
		"a byte order mark":    {"\ufeff" + body, []string{"application/json"}, 400, "malformed_body"},
		"a field twice":        {`{"text":"a","text":"a"}`, []string{"application/json"}, 400, "malformed_body"},
		"twice, escaped":       {`{"text":"a","te\u0078t":"a"}`, []string{"application/json"}, 400, "malformed_body"},
		"two values":           {body + body, []string{"application/json"}, 400, "malformed_body"},
		"text behind it":       {body + "x", []string{"application/json"}, 400, "malformed_body"},
		"half a value":         {body[:5], []string{"application/json"}, 400, "malformed_body"},
		"nothing":              {"", []string{"application/json"}, 400, "malformed_body"},
		"another spelling":     {`{"Text":"a"}`, []string{"application/json"}, 422, "invalid_input"},
		"an unknown field":     {`{"text":"a","more":1}`, []string{"application/json"}, 422, "invalid_input"},
		"a number as a text":   {`{"text":1}`, []string{"application/json"}, 422, "invalid_input"},
		"a text as a number":   {`{"text":"a","n":"1"}`, []string{"application/json"}, 422, "invalid_input"},
		"null for a number":    {`{"text":"a","n":null}`, []string{"application/json"}, 422, "invalid_input"},
		"null for an optional": {`{"text":"a","p":null}`, []string{"application/json"}, 422, "invalid_input"},
		"a fraction":           {`{"text":"a","n":1.5}`, []string{"application/json"}, 422, "invalid_input"},
		"an exponent":          {`{"text":"a","n":1e3}`, []string{"application/json"}, 422, "invalid_input"},
		"too large a number":   {`{"text":"a","n":9223372036854775808}`, []string{"application/json"}, 422, "invalid_input"},
		"the largest number":   {`{"text":"a","n":9223372036854775807}`, []string{"application/json"}, 204, ""},
	} {
		l.taken = 0
		w := l.post(strings.NewReader(c.body), nil, c.media...)
		if w.Code != c.status || c.code != "" && decode(t, w).Code != c.code || l.taken != map[bool]int{true: 1}[c.code == ""] {
			t.Errorf("%s: got %d %s, taken %d times, want %d %s", name, w.Code, w.Body, l.taken, c.status, c.code)
		}
	}
	for encoding, status := range map[string]int{"gzip": 415, "br": 415, "identity": 204, "Identity": 204} {
		w := l.post(strings.NewReader(body), func(r *http.Request) { r.Header.Set("Content-Encoding", encoding) }, "application/json")
		if w.Code != status {
			t.Errorf("%s: got %d %s", encoding, w.Code, w.Body)
		}
	}
}

// A body is bounded whether or not the client says how long it is.
func TestBody_IsBounded(t *testing.T) {
	t.Parallel()
	l := newTaker()
	for n, status := range map[int]int{64: 204, 65: 413, 1 << 20: 413} {
		body := `{"text":"` + strings.Repeat("x", n-11) + `"}`
		for name, length := range map[string]int64{"said": int64(n), "unsaid": -1} {
			w := l.post(strings.NewReader(body), func(r *http.Request) { r.ContentLength = length }, "application/json")
			if w.Code != status || status == 413 && decode(t, w).Code != "body_too_large" {
				t.Errorf("%d bytes, %s: got %d %s", n, name, w.Code, w.Body)
			}
		}
	}
	unread := &counter{}
	l.post(unread, func(r *http.Request) { r.ContentLength = -1 }, "application/json")
	if unread.n > 4096 {
		t.Errorf("%d bytes of an endless body were read", unread.n)
	}
}

// counter is an endless body.
type counter struct{ n int }

func (c *counter) Read(b []byte) (int, error) {
	c.n += len(b)
	return len(b), nil
}

func TestBody_ThatBreaksOffIsTheClientsError(t *testing.T) {
	t.Parallel()
	l := newTaker()
	for err, want := range map[error]string{io.ErrUnexpectedEOF: "400 malformed_body", timeout{}: "408 request_timeout"} {
		w := l.post(io.MultiReader(strings.NewReader(`{"text":`), broken{err}), func(r *http.Request) { r.ContentLength = -1 }, "application/json")
		if got := fmt.Sprint(w.Code, " ", decode(t, w).Code); got != want || l.taken != 0 {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// timeout is an error as net.Conn returns it behind its deadline.
type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestListener_SetsSecurityHeaders(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, func(context.Context) error { return nil })
	for _, target := range []string{"/", "/healthz", "/nope", "/openapi.json", "/?a=1&a=2", "/docs/nope"} {
		h := l.do(http.MethodGet, target).Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Security-Policy") != "default-src 'none'" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", target, h)
		}
	}
}

// after is an error of WeChat's that says when to come back.
type after struct{ d time.Duration }

func (a after) Error() string                     { return "limited" }
func (a after) RetryAfter() (time.Duration, bool) { return a.d, a.d > 0 }

func TestProblem_SaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no hint":             {sqldb.ErrBusy, "5"},
		"a hint":              {fmt.Errorf("%w: %w", ticket.ErrUnavailable, after{90 * time.Second}), "90"},
		"a part of a second":  {fmt.Errorf("%w: %w", ticket.ErrUnavailable, after{1001 * time.Millisecond}), "2"},
		"almost at once":      {fmt.Errorf("%w: %w", ticket.ErrUnavailable, after{time.Millisecond}), "1"},
		"tomorrow":            {fmt.Errorf("%w: %w", ticket.ErrUnavailable, after{20 * time.Hour}), "3600"},
		"a hint that is none": {fmt.Errorf("%w: %w", ticket.ErrUnavailable, after{0}), "5"},
	} {
		w := newListener(web.Public, func(context.Context) error { return c.err }).do(http.MethodGet, "/")
		if got := w.Header().Get("Retry-After"); w.Code != 503 || got != c.want {
			t.Errorf("%s: got %d, Retry-After %q, want %s", name, w.Code, got, c.want)
		}
	}
}

// An allowance of a minute is there again in the next one.
func TestProblem_SaysWhenTheNextMinuteBegins(t *testing.T) {
	t.Parallel()
	for _, err := range []error{card.ErrTooMany, cardlist.ErrTooMany, opencard.ErrTooMany} {
		synctest.Test(t, func(t *testing.T) { // begins at midnight
			time.Sleep(time.Minute + 18*time.Second)
			w := newListener(web.Public, func(context.Context) error { return fmt.Errorf("do it: %w", err) }).do(http.MethodGet, "/")
			if got := w.Header().Get("Retry-After"); w.Code != http.StatusTooManyRequests || got != "42" {
				t.Errorf("%v: got %d, Retry-After %q, want 42", err, w.Code, got)
			}
		})
	}
}

// While WeChat hangs, requests are refused by the thousand. The log has no line for
// each.
func TestProblem_OfAnOverloadIsNotLoggedEachTime(t *testing.T) {
	t.Parallel()
	for err, quiet := range map[error]bool{auth.ErrSuspended: true, ration.ErrBusy: true, sqldb.ErrBusy: false} {
		l := newListener(web.Public, func(context.Context) error { return fmt.Errorf("do it: %w", err) })
		if l.do(http.MethodGet, "/"); strings.Contains(l.log.String(), "not served") == quiet {
			t.Errorf("%v: the log is %s", err, &l.log)
		}
	}
}

// The rows of the error table, as a client of each listener sees them.
func TestProblem_OfEachRow(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		auth.ErrSession: "401 session_invalid", auth.ErrCodeMock: "401 login_code_invalid", auth.ErrCodeRefused: "401 login_code_invalid",
		auth.ErrUserBlocked: "403 user_blocked", auth.ErrTooFast: "429 rate_limited", auth.ErrCodeFormat: "422 invalid_input",
		auth.ErrTooMany: "429 rate_limited", auth.ErrSuspended: "503 wechat_unavailable", ration.ErrBusy: "503 wechat_unavailable",
		cardlist.ErrTooMany: "429 rate_limited", sqldb.ErrUnavailable: "503 unavailable",
		member.ErrMemberUnknown: "401 session_invalid", member.ErrOpenIDUnknown: "409 openid_unknown",
		ledger.ErrCodeUnknown: "404 code_not_found", ledger.ErrNotHeld: "409 card_not_held",
		ledger.ErrInsufficientBonus: "409 insufficient_bonus", ledger.ErrInsufficientBalance: "409 insufficient_balance",
		ledger.ErrNotReversible: "409 entry_not_reversible", ledger.ErrKeyReused: "422 idempotency_key_reused",
		ledger.ErrConflict: "503 unavailable", outbox.ErrNotFound: "404 message_not_found",
		cardlist.ErrNotYours: "403 code_not_yours", cardlist.ErrCodeInvalid: "422 invalid_input",
		cardlist.ErrNoTicket: "503 ticket_unavailable", opencard.ErrTicket: "422 activate_ticket_invalid",
		opencard.ErrTicketExpired: "422 activate_ticket_invalid", opencard.ErrCodeMode: "409 code_mode_unsupported",
		opencard.ErrNotOneClick: "409 not_one_click", opencard.ErrTooMany: "429 rate_limited", jssdk.ErrURL: "422 invalid_input",
		card.ErrNotFound: "404 card_not_found", card.ErrNotClaimable: "409 card_not_claimable", card.ErrTooMany: "429 rate_limited",
		card.ErrConcurrent: "503 unavailable", web.TicketError(ticket.ErrUnavailable): "503 ticket_unavailable",
		ticket.ErrUnavailable: "503 wechat_unavailable", sqldb.ErrBusy: "503 unavailable", sqldb.ErrUnknown: "503 unavailable",
		sqldb.ErrClosed: "503 unavailable", &wechat.Error{Code: 40001}: "503 wechat_unavailable", errors.New("a fault"): "500 internal",
	} {
		for audience, want := range map[web.Audience]string{web.Public: want, web.Admin: want} {
			if audience == web.Admin && err == member.ErrMemberUnknown { //nolint:errorlint // the row itself
				want = "404 member_not_found"
			}
			w := newListener(audience, func(context.Context) error { return fmt.Errorf("do it: %w", err) }).do(http.MethodGet, "/")
			if got := fmt.Sprint(w.Code, " ", decode(t, w).Code); got != want {
				t.Errorf("%v: got %s, want %s", err, got, want)
			}
		}
	}
}

// connection is an answer on a connection that remembers until when a body may come.
type connection struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (c *connection) SetReadDeadline(at time.Time) error {
	c.deadlines = append(c.deadlines, at)
	return nil
}

// The time for a body is not the time for the answer: when it passed, net/http would
// end the request.
func TestKeepBody_WhatHasComeHasNoDeadline(t *testing.T) {
	t.Parallel()
	const body = "a push"
	l, w := newTaker(), &connection{ResponseRecorder: httptest.NewRecorder()}
	l.Admit(http.MethodPost, "/raw", web.Admission{Read: func(c *gin.Context) {
		if _, err := web.KeepBody(c, 64); err != nil {
			t.Error(err)
		}
	}})
	l.POST("/raw", func(*gin.Context) {})
	l.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/raw", strings.NewReader(body)))
	if n := len(w.deadlines); n < 2 || w.deadlines[0].IsZero() || !w.deadlines[n-1].IsZero() {
		t.Fatalf("got %d, deadlines %v", w.Code, w.deadlines)
	}
	if more, want := w.deadlines[1].Sub(w.deadlines[0]), time.Duration(len(body))*(time.Second/1024); more != want {
		t.Errorf("what has come gives %v more, want %v: a kilobyte a second", more, want)
	}
}

// The large bodies of all clients share a bounded amount of memory, which a handler that
// panics gives back, too.
func TestListener_BoundsTheLargeBodies(t *testing.T) {
	t.Parallel()
	l := web.New(web.Admin, web.Options{Log: slog.New(slog.DiscardHandler), InFlight: make(chan struct{}, 64),
		Observe: func(string, string, int, time.Duration) {}})
	l.ServeJSON("title", "About.", 8<<20)
	web.Route(l, huma.Operation{OperationID: "take", Method: http.MethodPost, Path: "/"},
		func(_ context.Context, in *takenInput) (*web.Nothing, error) {
			if in.Body.Text == "panic" {
				panic("a mistake")
			}
			return nil, nil //nolint:nilnil // no answer
		})
	send := func(body io.Reader, length int64) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.ContentLength = length
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		return w
	}
	const small = `{"text":""}`
	for range 3 {
		if w := send(strings.NewReader(`{"text":"panic"}`), 8<<20); w.Code != http.StatusInternalServerError {
			t.Errorf("a handler that panics: got %d", w.Code)
		}
	}
	var clients []*io.PipeWriter
	var slow sync.WaitGroup
	for i := range 2 {
		body, client := io.Pipe()
		slow.Go(func() {
			if w := send(body, []int64{9 << 20, -1}[i]); w.Code != http.StatusNoContent {
				t.Errorf("a slow one: got %d %s", w.Code, w.Body)
			}
		})
		_, _ = client.Write([]byte(small)) // when it is read
		clients = append(clients, client)
	}
	if w := send(strings.NewReader(small), 65<<10); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: got %d %v", w.Code, w.Header())
	}
	if w := send(strings.NewReader(small), 64<<10); w.Code != http.StatusNoContent {
		t.Errorf("a small one: got %d", w.Code)
	}
	for _, client := range clients {
		_ = client.Close()
	}
	slow.Wait()
	if w := send(strings.NewReader(small), 8<<20); w.Code != http.StatusNoContent {
		t.Errorf("later: got %d", w.Code)
	}
}
