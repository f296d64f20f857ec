package web_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type listInput struct {
	Body struct {
		Codes []string `json:"codes" maxItems:"10000"`
		Rules []int    `json:"rules,omitempty"`
	}
}

// Resolve finds something wrong with each of the rules.
func (in *listInput) Resolve(huma.Context) (wrong []error) {
	for i := range in.Body.Rules {
		wrong = append(wrong, web.FieldError{Location: fmt.Sprintf("body.rules[%d]", i), Message: "wrong"})
	}
	return wrong
}

// newList returns a listener with the route POST /list, which takes a list.
func newList(a web.Audience) *listener {
	l := &listener{inFlight: make(chan struct{}, 1)}
	l.Listener = web.New(a, web.Options{
		Log: slog.New(slog.DiscardHandler), InFlight: l.inFlight, Observe: func(string, string, int, time.Duration) {},
	})
	l.ServeJSON("title", "About.", 8<<20)
	web.Route(l.Listener, huma.Operation{OperationID: "list", Method: http.MethodPost, Path: "/list"},
		func(context.Context, *listInput) (*web.Nothing, error) { return nil, nil })
	return l
}

func (l *listener) post(body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/list", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	l.ServeHTTP(w, r)
	return w
}

// repeat returns n texts of format with their numbers, joined by commas.
func repeat(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ",")
}

// Symptom: 60 KB of unknown fields took 14.7 ms and were answered with 279 KB.
func TestProblem_NamesTwentyPartsAtMost(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"unknown fields":      `{"codes":[],` + repeat(100, `"a%d":0`) + `}`,
		"long names":          `{"codes":[],` + repeat(100, `"`+strings.Repeat("a", 500)+`%d":0`) + `}`,
		"many unknown fields": `{` + repeat(6000, `"a%d":0`) + `}`,
		"wrong types":         `{"codes":[` + repeat(100, `%d`) + `]}`,
		"many wrong types":    `{"codes":[` + repeat(15000, `%d`) + `]}`,
		"objects":             `{"codes":[` + repeat(6000, `{"a%d":{}}`) + `]}`,
		"rules of a resolver": `{"codes":[],"rules":[` + repeat(200, `%d`) + `]}`,
	} {
		w := newList(web.Public).post(body)
		if p := decode(t, w); p.Code != "invalid_input" || len(p.Errors) == 0 || len(p.Errors) > 20 || w.Body.Len() > 10_000 {
			t.Errorf("%s: %d with %d errors in %d bytes: %.300s", name, w.Code, len(p.Errors), w.Body.Len(), w.Body)
		}
	}
}

func TestListener_RefusesDeepBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"lists":   strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"objects": strings.Repeat(`{"a":`, 5000) + "0" + strings.Repeat("}", 5000),
		"unended": strings.Repeat("[", 30000),
		"inside":  `{"codes":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
	} {
		w := newList(web.Public).post(body)
		if p := decode(t, w); p.Code != "malformed_body" {
			t.Errorf("%s: %d %.200s", name, w.Code, w.Body)
		}
	}
}

// What has many values is refused as a whole, before each is looked at.
func TestListener_RefusesManyValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		audience web.Audience
		values   int
		refused  bool
	}{{web.Public, 1000, false}, {web.Public, 1100, true}, {web.Admin, 1100, false}, {web.Admin, 41_000, true}} {
		w := newList(c.audience).post(`{"codes":[],"rules":[` + repeat(c.values, `%d`) + `]}`)
		p := decode(t, w)
		if whole := len(p.Errors) == 1 && p.Errors[0].Location == "body"; whole != c.refused {
			t.Errorf("%v, %d values: %d %.300s", c.audience, c.values, w.Code, w.Body)
		}
	}
}

// Symptoms that bounds must not cause: the operator's lists are long, and commas
// and brackets in texts are no values.
func TestListener_TakesLongBodiesThatAreGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		audience web.Audience
		body     string
	}{
		"10,000 codes":         {web.Admin, `{"codes":[` + repeat(10000, `"%020d"`) + `]}`},
		"a text with commas":   {web.Public, `{"codes":["` + strings.Repeat(",", 4000) + `"]}`},
		"a text with brackets": {web.Public, `{"codes":["` + strings.Repeat("[{", 2000) + `"]}`},
		"500 values":           {web.Public, `{"codes":[` + repeat(500, `"%d"`) + `]}`},
	} {
		if w := newList(c.audience).post(c.body); w.Code != http.StatusNoContent {
			t.Errorf("%s: %d %.200s", name, w.Code, w.Body)
		}
	}
}

// A pattern is compared with all of a text, in a millisecond for 60 KB.
func TestListener_RefusesLongTextsAtOnce(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("a", 5000) + `"`
	for body, location := range map[string]string{
		`{"codes":["a",` + long + `]}`:      "body.codes[1]",
		`{"codes":["a"],"b":` + long + `}`:  "body.b",
		`{"codes":["a"],` + long + `:"b"}`:  "body." + long[1:196] + "…",
		`{"codes":` + long + `,"codes":[]}`: "body.codes",
		long:                                "body",
	} {
		w := newList(web.Public).post(body)
		if p := decode(t, w); p.Code != "invalid_input" || len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%.30s: %d %.300s", body, w.Code, w.Body)
		}
	}
	if w := newList(web.Admin).post(`{"codes":[` + long + `]}`); w.Code != http.StatusNoContent {
		t.Errorf("the operator's: %d %.200s", w.Code, w.Body)
	}
}

func TestListener_RefusesQueriesWithManyParameters(t *testing.T) {
	t.Parallel()
	l := newListener(web.Public, func(context.Context) error { return nil })
	for _, query := range []string{strings.Repeat("a&", 8000), strings.ReplaceAll(repeat(100, "b%d=1"), ",", "&")} {
		w := l.do(http.MethodGet, "/?"+query)
		if p := decode(t, w); p.Code != "invalid_input" || len(p.Errors) != 1 || p.Errors[0].Location != "query" {
			t.Errorf("%d %.200s", w.Code, w.Body)
		}
	}
}
