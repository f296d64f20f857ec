package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// A client must not take a part of the file for the whole.
func TestExport_BreaksOffWithoutAnEnd(t *testing.T) {
	t.Parallel()
	o := &office{err: errors.New("the database is away")}
	defer func() {
		if r := recover(); r != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			t.Errorf("the handler ended with %v", r)
		}
	}()
	do(o.serve(""), "GET", "/v1/members/export", operatorToken, "")
}

// What cannot be undone at WeChat is done only if it was asked for.
func TestErase_EndsCodesOnlyIfAsked(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{"": "erase", "?unavailable=false": "erase", "?unavailable=true": "erase with codes"} {
		o := &office{}
		w := do(o.serve(""), "DELETE", "/v1/members/m"+query, operatorToken, "")
		if w.Code != 204 || !slices.Equal(o.calls, []string{want}) {
			t.Errorf("%q: got %d %s after %q", query, w.Code, w.Body, o.calls)
		}
		o.err = member.ErrMemberUnknown
		refused(t, query, do(o.serve(""), "DELETE", "/v1/members/m"+query, operatorToken, ""), 404, "member_not_found")
	}
	for _, query := range []string{"?unavailable=2", "?unavailable=true&unavailable=true", "?unavailable=%00"} {
		o := &office{}
		refused(t, query, do(o.serve(""), "DELETE", "/v1/members/m"+query, operatorToken, ""), 422, "invalid_input")
		if len(o.calls) > 0 {
			t.Errorf("%s: %q", query, o.calls)
		}
	}
}

// walk reads a list to its end and returns the IDs of its elements.
func walk(t *testing.T, h http.Handler, path, list string, limit int) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		w := do(h, "GET", fmt.Sprintf("%s?limit=%d%s", path, limit, cursor), operatorToken, "")
		var page map[string]json.RawMessage
		var elements []struct{ ID string }
		var next string
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if err := json.Unmarshal(page[list], &elements); err != nil {
			t.Fatal(err)
		}
		for _, e := range elements {
			ids = append(ids, e.ID)
		}
		if page["next_cursor"] == nil {
			return ids
		}
		if err := json.Unmarshal(page["next_cursor"], &next); err != nil || len(elements) != limit || len(ids) > 100 {
			t.Fatalf("a page of %d before another, %q in all: %v", len(elements), ids, err)
		}
		cursor = "&cursor=" + next
	}
}

func TestMembers_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	testPages(t, func(n int) (http.Handler, string, string) {
		o := &office{}
		for i := range n {
			o.people = append(o.people, member.Person{ID: fmt.Sprint(i), CreatedAt: time.UnixMilli(int64(5000 - i/3))})
		}
		return o.serve(""), "/v1/members", "members"
	})
}

func TestEntries_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	testPages(t, func(n int) (http.Handler, string, string) {
		o := &office{}
		for i := range n {
			o.entries = append(o.entries, ledger.Entry{ID: fmt.Sprint(i), Seq: int64(n - i)})
		}
		return o.serve(""), entriesPath, "entries"
	})
}

func TestJournal_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	testPages(t, func(n int) (http.Handler, string, string) {
		o := &office{}
		for i := range n {
			e := ledger.Entry{ID: fmt.Sprint(i), CreatedAt: time.UnixMilli(int64(5000 - i/3)).UTC()}
			o.journal = append(o.journal, ledger.CardEntry{Entry: e})
		}
		return o.serve(""), "/v1/entries", "entries"
	})
}

func TestOutbox_PagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	testPages(t, func(n int) (http.Handler, string, string) {
		o := &office{}
		for i := range n {
			m := outbox.Stored{State: outbox.Waiting, CreatedAt: time.UnixMilli(int64(5000 + i/3)).UTC()}
			m.ID = fmt.Sprint(i)
			o.queue = append(o.queue, m)
		}
		return o.serve(""), "/v1/outbox", "messages"
	})
}

func testPages(t *testing.T, list func(n int) (h http.Handler, path, name string)) {
	t.Helper()
	for _, n := range []int{0, 1, 2, 5, 7} {
		h, path, name := list(n)
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(i))
		}
		for _, limit := range []int{1, 2, 3, 5, 7, 8} {
			if got := walk(t, h, path, name, limit); !slices.Equal(got, want) {
				t.Errorf("%d elements, limit %d: got %q", n, limit, got)
			}
		}
		for _, query := range []string{"limit=0", "limit=201", "limit=-1", "limit=1.5", "cursor=x", "cursor=MQ==",
			"cursor=eA", "cursor=eCBh", "cursor=d2FpdGluZyB4IDE"} { // x, "x a" and "waiting x 1": no times
			refused(t, query, do(h, "GET", path+"?"+query, operatorToken, ""), 422, "invalid_input")
		}
	}
}

// While a database that cannot be written keeps all requests that write, the operator
// reads.
func TestPools_WhatIsWrittenLeavesTheReadsInService(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
	o.slots <- struct{}{}
	if w := do(h, "GET", "/v1/members", operatorToken, ""); w.Code != 200 {
		t.Errorf("a read: %d %s", w.Code, w.Body)
	}
	refused(t, "a retry", do(h, "POST", "/v1/outbox/m1/retry", operatorToken, ""), 503, "unavailable")
	<-o.slots
	if w := do(h, "POST", "/v1/outbox/m1/retry", operatorToken, ""); w.Code >= 300 {
		t.Errorf("a retry with a slot: %d %s", w.Code, w.Body)
	}
}

// When no request may wait for a processor, metrics and probes are there all the same.
func TestPools_AnOverloadRefusesNoMetricsAndNoProbe(t *testing.T) {
	t.Parallel()
	o := &office{slots: make(chan struct{})} // nor has any a slot
	h := o.serve("")
	for path, want := range map[string]int{"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/cmdline": 200, "/healthz": 200,
		"/readyz": 200, "/v1/cards": 503} {
		if w := do(h, http.MethodGet, path, operatorToken, ""); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}

// connection is an answer on a connection that remembers until when it may be sent.
type connection struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (c *connection) SetWriteDeadline(at time.Time) error {
	c.until = at
	return nil
}

// What takes long at WeChat has the time to be answered.
func TestOperator_LongCallsMayBeAnsweredLate(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
	for target, c := range map[string]struct {
		body string
		time time.Duration
	}{"/v1/cards": {`{"card":{}}`, 45 * time.Second}, "/v1/cards/p/codes": {`{"codes":["1"]}`, 10 * time.Minute}} {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+operatorToken)
		w := &connection{ResponseRecorder: httptest.NewRecorder()}
		began := time.Now()
		h.ServeHTTP(w, r)
		if w.Code/100 != 2 || o.until.Sub(began) < c.time || w.until.Before(o.until) {
			t.Errorf("%s: got %d; WeChat has until %v, the answer until %v", target, w.Code, o.until.Sub(began), w.until.Sub(began))
		}
	}
}

// The list of a large shop takes longer than a request may.
func TestExport_HasNoDeadline(t *testing.T) {
	t.Parallel()
	o := &office{}
	r := httptest.NewRequest(http.MethodGet, "/v1/members/export", nil)
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	w := &connection{ResponseRecorder: httptest.NewRecorder()}
	began := time.Now()
	if o.serve("").ServeHTTP(w, r); w.Code != http.StatusOK || w.Body.String() != "card_id,code\n" || !o.until.IsZero() {
		t.Errorf("got %d %s, until %v", w.Code, w.Body, o.until)
	}
	if left := w.until.Sub(began); left < 30*time.Second || left > 5*time.Minute {
		t.Errorf("a client has %v to read a part", left)
	}
	if h := w.Header(); h.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("got %v", h)
	}
}

// Go records one CPU profile or one trace at a time.
func TestProfiles_AreRecordedOneAtATime(t *testing.T) {
	t.Parallel()
	h := (&office{}).serve("")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	answers := make(chan *httptest.ResponseRecorder, 2)
	leaving := func(r *http.Request) { *r = *r.WithContext(ctx) }
	for _, name := range []string{"profile", "trace"} {
		go func() {
			answers <- do(h, http.MethodGet, "/debug/pprof/"+name+"?seconds=30", operatorToken, "", leaving)
		}()
	}
	if w := <-answers; w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("the second: got %d %v", w.Code, w.Header())
	}
	leave()
	if w := <-answers; w.Code != http.StatusOK {
		t.Errorf("the first: got %d %s", w.Code, w.Body)
	}
}
