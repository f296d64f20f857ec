package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// measurement is what is measured of a request.
type measurement struct {
	status int
	took   time.Duration
}

// listener is a Listener with one route, GET /, that does what handle does.
type listener struct {
	*web.Listener
	log      bytes.Buffer
	inFlight chan struct{}
	observed []string
	measured []measurement
	handle   func(context.Context) error
}

func newListener(a web.Audience, handle func(context.Context) error) *listener {
	l := &listener{inFlight: make(chan struct{}, 1), handle: handle}
	l.Listener = web.New(a, web.Options{
		Log: slog.New(slog.NewTextHandler(&l.log, nil)), InFlight: l.inFlight,
		Observe: func(route, method string, status int, took time.Duration) {
			l.observed, l.measured = append(l.observed, method+" "+route), append(l.measured, measurement{status, took})
		},
		Ready: func(context.Context) error { return errors.New("the database is away") },
	})
	l.Use(l.CheckQuery)
	l.ServeJSON("title", "About.", 10)
	web.Route(l.Listener, huma.Operation{OperationID: "one", Method: http.MethodGet, Path: "/"},
		func(ctx context.Context, _ *web.Nothing) (*web.Nothing, error) {
			return nil, l.handle(ctx)
		})
	return l
}

func (l *listener) do(method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	l.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (p web.Problem) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p
}

// A request beyond the bound is refused at once, whichever listener fills it.
func TestListener_RefusesWhatIsTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, func(context.Context) error { return nil })
	l.inFlight <- struct{}{}
	w := l.do(http.MethodGet, "/")
	if p := decode(t, w); w.Code != http.StatusServiceUnavailable || p.Code != "unavailable" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	<-l.inFlight
	if w := l.do(http.MethodGet, "/"); w.Code != http.StatusNoContent {
		t.Errorf("with room: got %d %s", w.Code, w.Body)
	}
	if len(l.inFlight) != 0 {
		t.Error("a request that is over still counts")
	}
}

// A client that reads slowly keeps no slot: the answer is sent when it is free.
func TestListener_SendsAnAnswerAfterItsSlotIsFree(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, nil)
	w := httptest.NewRecorder()
	l.GET("/raw", func(c *gin.Context) {
		if _, err := c.Writer.WriteString("answer"); err != nil || w.Body.Len() > 0 || len(l.inFlight) != 1 {
			t.Errorf("%v, sent %q with %d slots taken", err, w.Body, len(l.inFlight))
		}
	})
	l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/raw", nil))
	if w.Body.String() != "answer" || len(l.inFlight) != 0 {
		t.Errorf("sent %q, %d slots taken", w.Body, len(l.inFlight))
	}
}

// What is refused as the client's fault has a hundred lines a second. Others have a line
// each.
func TestListener_BoundsTheLinesAboutRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newListener(web.Public, func(context.Context) error { return nil })
		const requests = 1000
		for range requests {
			l.do(http.MethodGet, "/nowhere")
			l.do(http.MethodGet, "/")
		}
		log := l.log.String()
		if refused, served := strings.Count(log, "status=404"), strings.Count(log, "status=204"); refused != 100 || served != requests {
			t.Errorf("%d lines about refusals, %d about others", refused, served)
		}
		if len(l.observed) != 2*requests {
			t.Errorf("%d are measured", len(l.observed))
		}
		time.Sleep(time.Second)
		l.log.Reset()
		for range 101 {
			l.do(http.MethodGet, "/nowhere")
		}
		log = l.log.String()
		if strings.Count(log, "status=404") != 100 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "requests=900") {
			t.Errorf("a second later:\n%s", log)
		}
	})
}

// OPTIONS * is no request for a route; it is measured and limited as others.
func TestServer_HandlesOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, nil)
	w := httptest.NewRecorder()
	server := l.Server()
	server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodOptions, "*", nil))
	if w.Code != http.StatusNotFound || !server.DisableGeneralOptionsHandler {
		t.Errorf("got %d, and net/http answers by itself: %v", w.Code, !server.DisableGeneralOptionsHandler)
	}
	if len(l.observed) != 1 {
		t.Errorf("observed %q", l.observed)
	}
}

// A pool may become full while a body comes. Then the request is refused at once, too.
func TestListener_RefusesWhatBecomesTooMuch(t *testing.T) {
	t.Parallel()
	l := newList(web.Public)
	body, client := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/list", body)
	r.Header.Set("Content-Type", "application/json")
	w, done := httptest.NewRecorder(), make(chan struct{})
	go func() { l.ServeHTTP(w, r); close(done) }()
	if _, err := client.Write([]byte("{")); err != nil { // returns when it has been read
		t.Fatal(err)
	}
	l.inFlight <- struct{}{}
	if _, err := client.Write([]byte(`"codes":[]}`)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_ = client.Close()
	<-done
	if took := time.Since(began); w.Code != http.StatusServiceUnavailable || took > 8*time.Second { // a request may take twelve
		t.Errorf("got %d after %v", w.Code, took)
	}
}

// Requests that wait to write leave those that read in service.
func TestListener_ReadsHaveSlotsOfTheirOwn(t *testing.T) {
	t.Parallel()
	writes, reads := make(chan struct{}, 1), make(chan struct{}, 1)
	l := web.New(web.Admin, web.Options{
		Log: slog.New(slog.DiscardHandler), InFlight: writes, Reads: reads, Observe: func(_, _ string, _ int, _ time.Duration) {},
	})
	l.ServeJSON("title", "About.", 10)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		web.Route(l, huma.Operation{OperationID: method, Method: method, Path: "/"},
			func(context.Context, *web.Nothing) (*web.Nothing, error) { return nil, nil }) //nolint:nilnil // no answer
	}
	want := func(method string, status int) {
		t.Helper()
		w := httptest.NewRecorder()
		if l.ServeHTTP(w, httptest.NewRequest(method, "/", nil)); w.Code != status {
			t.Errorf("%s: %d, want %d", method, w.Code, status)
		}
	}
	writes <- struct{}{}
	want(http.MethodGet, http.StatusNoContent)
	want(http.MethodDelete, http.StatusServiceUnavailable)
	<-writes
	reads <- struct{}{}
	want(http.MethodGet, http.StatusServiceUnavailable)
	want(http.MethodDelete, http.StatusNoContent)
}

func TestListener_AnswersAPanicAndGoesOn(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"secret", errors.New("secret")} {
		testPanic(t, value)
	}
}

func testPanic(t *testing.T, value any) {
	t.Helper()
	l := newListener(web.Public, func(context.Context) error { panic(value) })
	w := l.do(http.MethodGet, "/")
	if p := decode(t, w); w.Code != http.StatusInternalServerError || p.Code != "internal" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if bytes.Contains(w.Body.Bytes(), []byte("secret")) || !bytes.Contains(l.log.Bytes(), []byte("secret")) {
		t.Errorf("the answer is %s, the log is %s", w.Body, &l.log)
	}
	if len(l.inFlight) != 0 {
		t.Error("a request that panicked still counts")
	}
}

// Metrics and log have the status and the time of each request, also of one that panics.
func TestListener_MeasuresEachRequest(t *testing.T) {
	t.Parallel()
	for status, end := range map[int]func() error{
		204: func() error { return nil }, 404: func() error { return card.ErrNotFound }, 500: func() error { panic("a mistake") },
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newListener(web.Public, func(context.Context) error { time.Sleep(3 * time.Second); return end() })
			w := l.do(http.MethodGet, "/")
			if w.Code != status || !slices.Equal(l.measured, []measurement{{status, 3 * time.Second}}) {
				t.Errorf("got %d, measured %v, want %d and 3 s", w.Code, l.measured, status)
			}
			line := fmt.Sprintf("msg=request route=/ method=GET status=%d took=3s request_id=%s", status, w.Header().Get("X-Request-Id"))
			if !strings.Contains(l.log.String(), line) {
				t.Errorf("the log is %s, want %s in it", &l.log, line)
			}
		})
	}
}

// Paths and queries can hold codes and openids, and methods anything.
func TestListener_NamesTheRouteAndNotThePath(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, func(context.Context) error { return nil })
	l.do(http.MethodGet, "/?q=canary")
	l.do(http.MethodGet, "/canary")
	l.do("CANARY", "/")
	if got, want := l.observed, []string{"GET /", "GET unmatched", "other unmatched"}; len(got) != 3 || got[0] != want[0] ||
		got[1] != want[1] || got[2] != want[2] {
		t.Errorf("observed %q, want %q", got, want)
	}
	if bytes.Contains(bytes.ToLower(l.log.Bytes()), []byte("canary")) {
		t.Errorf("the log quotes the request: %s", &l.log)
	}
}

func TestListener_SaysNothingAboutWhyItIsNotReady(t *testing.T) {
	t.Parallel()
	w := newListener(web.Public, nil).do(http.MethodGet, "/readyz")
	if p := decode(t, w); w.Code != http.StatusServiceUnavailable || p.Code != "unavailable" || p.Detail != "" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestListener_RefusesAmbiguousQueries(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, func(context.Context) error { return nil })
	for query, location := range map[string]string{"a=1&a=1": "query.a", "a=%zz": "query", "a=1;b=2": "query"} {
		w := l.do(http.MethodGet, "/?"+query)
		if p := decode(t, w); p.Code != "invalid_input" || len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: got %d %s", query, w.Code, w.Body)
		}
	}
}

// Symptom: on PostgreSQL they got 500.
func TestListener_RefusesQueriesAndPathsThatAreNoText(t *testing.T) {
	t.Parallel()
	l := newListener(web.Admin, func(context.Context) error { return nil })
	for _, query := range []string{"a=%00", "a=x%00y", "a=%FF", "a=%E5%BA", "a=%ED%A0%80"} {
		w := l.do(http.MethodGet, "/?"+query)
		if p := decode(t, w); p.Code != "invalid_input" || len(p.Errors) != 1 || p.Errors[0].Location != "query.a" {
			t.Errorf("%s: got %d %s", query, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/%00", "/a%00", "/%FF", "/%E5%BA"} {
		if p := decode(t, l.do(http.MethodGet, path)); p.Code != "not_found" {
			t.Errorf("%s: got %+v", path, p)
		}
	}
	if w := l.do(http.MethodGet, "/?a=%E5%BA%97%01"); w.Code != http.StatusNoContent {
		t.Errorf("text: got %d %s", w.Code, w.Body)
	}
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given []string
		want  string
	}{
		"none":           {nil, ""},
		"one":            {[]string{"Bearer a.b"}, "a.b"},
		"lower case":     {[]string{"bearer a"}, "a"},
		"another scheme": {[]string{"Basic YTpi"}, ""},
		"no scheme":      {[]string{"a"}, ""},
		"two":            {[]string{"Bearer a", "Bearer b"}, ""},
		"empty":          {[]string{"Bearer "}, ""},
		"the longest":    {[]string{"Bearer " + strings.Repeat("a", 4096)}, strings.Repeat("a", 4096)},
		"too long":       {[]string{"Bearer " + strings.Repeat("a", 4097)}, ""},
	} {
		if got := web.BearerToken(http.Header{"Authorization": c.given}); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// A request that hangs ends, and gives its slot back.
func TestListener_BoundsTheTimeOfARequest(t *testing.T) {
	t.Parallel()
	var left time.Duration
	l := newListener(web.Public, func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	})
	if l.do(http.MethodGet, "/"); left < time.Second || left > 15*time.Second {
		t.Errorf("a request has %v", left)
	}
}

// A client that sends or reads nothing holds its connection for a bounded time.
func TestServer_BoundsTheTimeOfAClient(t *testing.T) {
	t.Parallel()
	s := newListener(web.Public, nil).Server()
	for name, d := range map[string]time.Duration{"a header": s.ReadHeaderTimeout, "a request": s.ReadTimeout, "an answer": s.WriteTimeout,
		"the next request": s.IdleTimeout} {
		if d <= 0 || d > time.Minute {
			t.Errorf("%s may take %v", name, d)
		}
	}
	if s.WriteTimeout <= 12*time.Second {
		t.Errorf("an answer may take %v, and a request 12 s", s.WriteTimeout)
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("a header may have %d bytes", s.MaxHeaderBytes)
	}
}

// Methods that clients invent have one label; each of its own would stay in the memory.
func TestListener_NamesNoInventedMethod(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, nil)
	for _, method := range []string{"BREW", "get", "X-1"} {
		l.do(method, "/")
	}
	if want := []string{"other unmatched", "other unmatched", "other unmatched"}; !slices.Equal(l.observed, want) {
		t.Errorf("observed %q", l.observed)
	}
}
