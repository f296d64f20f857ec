package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// result is the answer to one item of a batch.
type result struct {
	Status   int
	Replayed bool
	Entry    map[string]any
	Problem  struct {
		Code   string
		Errors []struct{ Location string }
	}
}

// code returns the status and the code of a problem.
func (r result) code() string { return strings.TrimSpace(fmt.Sprint(r.Status, " ", r.Problem.Code)) }

const batchPath = "/v1/entries/batch"

// batch sends items, which must be understood as a batch.
func batch(t *testing.T, h http.Handler, items ...string) []result {
	t.Helper()
	w := do(h, http.MethodPost, batchPath, operatorToken, `{"entries":[`+strings.Join(items, ",")+`]}`)
	var out struct{ Results []result }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || len(out.Results) != len(items) {
		t.Fatalf("got %d %.300s, %v", w.Code, w.Body, err)
	}
	return out.Results
}

// item is one of a batch, with a key of its own.
func item(code string, n int) string {
	return fmt.Sprintf(`{"card_id":"p","code":%q,"key":"k%d","add_bonus":1}`, code, n)
}

func TestBatch_AnItemIsTheSameRequestAsAlone(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
	for _, body := range []string{`{"add_bonus":1}`, `{"add_bonus":-1,"add_balance":2,"record_bonus":"a","record_balance":"b","notify_bonus":false}`,
		`{"reverses":"e1","partial":true,"actor":"amy","store":"s","order":"o","notify_balance":false}`} {
		if status, _, text := book(h, entriesPath, body, "k"); status != 201 {
			t.Fatalf("%s: %d %s", body, status, text)
		}
		alone, given := o.booked[len(o.booked)-1], o.given
		for _, key := range []string{"k", " k "} { // a header has no spaces around
			if r := batch(t, h, `{"card_id":"p","code":"c","key":"`+key+`",`+body[1:]); r[0].code() != "201" {
				t.Fatalf("%s: %+v", body, r)
			}
			got := o.booked[len(o.booked)-1]
			if got.Route != alone.Route || got.Key != alone.Key || got.Payload != alone.Payload || got.Actor != alone.Actor || o.given != given {
				t.Errorf("%s: got %+v %s\nwant %+v %s", body, got, o.given, alone, given)
			}
		}
	}
}

func TestBatch_AnItemFailsByItself(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 256)
	for wrong, want := range map[string]string{
		`"code":"c","key":"k","add_bonus":1`:                                             "422 invalid_input card_id",
		`"card_id":"p/q","code":"c","key":"k","add_bonus":1`:                             "422 invalid_input card_id",
		`"card_id":"p","key":"k","add_bonus":1`:                                          "422 invalid_input code",
		`"card_id":"p","code":"` + long + `","key":"k","add_bonus":1`:                    "422 invalid_input code",
		`"card_id":"p","code":"c","add_bonus":1`:                                         "400 idempotency_key_missing",
		`"card_id":"p","code":"c","key":"  ","add_bonus":1`:                              "400 idempotency_key_missing",
		`"card_id":"p","code":"c","key":"汉","add_bonus":1`:                               "422 invalid_input key",
		`"card_id":"p","code":"c","key":"` + long + `","add_bonus":1`:                    "422 invalid_input key",
		`"card_id":"p","code":"c","key":"k"`:                                             "422 invalid_input add_bonus",
		`"card_id":"p","code":"c","key":"k","add_bonus":1000000000001`:                   "422 invalid_input add_bonus",
		`"card_id":"p","code":"c","key":"k","add_balance":-1000000000001`:                "422 invalid_input add_balance",
		`"card_id":"p","code":"c","key":"k","add_bonus":1,"reverses":"x"`:                "422 invalid_input reverses",
		`"card_id":"p","code":"c","key":"k","reverses":"` + long + `"`:                   "422 invalid_input reverses",
		`"card_id":"p","code":"c","key":"k","add_bonus":1,"partial":true`:                "422 invalid_input partial",
		`"card_id":"p","code":"c","key":"k","add_bonus":1,"store":"a\n"`:                 "422 invalid_input store",
		`"card_id":"p","code":"c","key":"k","add_bonus":1,"record_bonus":"` + long + `"`: "422 invalid_input record_bonus",
	} {
		o := &office{}
		got := batch(t, o.serve(""), item("c", 1), `{`+wrong+`}`, item("c", 2))
		text := got[1].code()
		for _, e := range got[1].Problem.Errors {
			text += " " + strings.TrimPrefix(e.Location, "body.entries[1].")
		}
		if text != want || got[0].code() != "201" || got[2].code() != "201" || len(o.booked) != 2 {
			t.Errorf("%s: got %s between %s and %s, want %s", wrong, text, got[0].code(), got[2].code(), want)
		}
	}
	for err, want := range map[error]string{ledger.ErrCodeUnknown: "404 code_not_found", ledger.ErrInsufficientBonus: "409 insufficient_bonus",
		ledger.ErrKeyReused: "422 idempotency_key_reused", ledger.ErrEntryUnknown: "422 invalid_input", ledger.ErrConflict: "503 unavailable"} {
		o := &office{err: err}
		if got := batch(t, o.serve(""), item("c", 1)); got[0].code() != want {
			t.Errorf("%v: got %+v", err, got)
		}
	}
}

func TestBatch_AWrongShapeRefusesAll(t *testing.T) {
	t.Parallel()
	for body, location := range map[string]string{
		`{}`: "body.entries", `{"entries":[]}`: "body.entries", `{"entries":{}}`: "body.entries", `[]`: "body",
		`{"entries":[` + strings.Repeat(item("c", 1)+",", 1000) + item("c", 2) + `]}`:                "body.entries",
		`{"entries":[` + item("c", 1) + `,{"card_id":"p","code":"c","key":"k","add":1}]}`:            "body.entries[1].add",
		`{"entries":[` + item("c", 1) + `,{"card_id":"p","code":"c","key":"k","add_bonus":1.5}]}`:    "body.entries[1].add_bonus",
		`{"entries":[` + item("c", 1) + `,{"card_id":"p","code":"c","key":"k","notify_bonus":"1"}]}`: "body.entries[1].notify_bonus",
		`{"entries":[` + item("c", 1) + `],"all":true}`:                                              "body.all",
	} {
		o := &office{}
		w := do(o.serve(""), http.MethodPost, batchPath, operatorToken, body)
		var p struct {
			Code   string
			Errors []struct{ Location string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 422 || p.Code != "invalid_input" || len(p.Errors) != 1 ||
			p.Errors[0].Location != location || o.calls != nil {
			t.Errorf("%.80s: got %d %.300s, want %s", body, w.Code, w.Body, location)
		}
	}
}

// A thousand items with all their fields are not too many values.
func TestBatch_TakesAThousandItemsWithAllFields(t *testing.T) {
	t.Parallel()
	o := &office{}
	items := make([]string, 1000)
	for i := range items {
		items[i] = fmt.Sprintf(`{"card_id":"p","code":"c%d","key":"%0255d","add_bonus":1,"add_balance":1,"record_bonus":"一二三四五六七八九十一二三四",`+
			`"record_balance":"一二三四五六七八九十一二三四","notify_bonus":true,"notify_balance":true,"reverses":"","partial":false,`+
			`"actor":"%064d","store":"%064d","order":"%064d"}`, i%7, i, i, i, i)
	}
	for i, r := range batch(t, o.serve(""), items...) {
		if r.code() != "201" {
			t.Fatalf("item %d: %+v", i, r)
		}
	}
	if len(o.booked) != 1000 {
		t.Errorf("%d were booked", len(o.booked))
	}
}

// Those of one card are booked one after the other, those of different cards at once.
func TestBatch_KeepsTheOrderOfEachCard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		var mu sync.Mutex
		keys, now, most := map[string][]string{}, map[string]int{}, 0
		o.onBook = func(_ context.Context, card string, r ledger.Request) error {
			mu.Lock()
			now[card]++
			if now[card] > 1 {
				t.Errorf("two of %s at once", card)
			}
			keys[card] = append(keys[card], r.Key)
			most = max(most, len(now))
			mu.Unlock()
			time.Sleep(10 * time.Millisecond) // of the bubble
			mu.Lock()
			defer mu.Unlock()
			if now[card]--; now[card] == 0 {
				delete(now, card)
			}
			return nil
		}
		var items []string
		want := map[string][]string{}
		for i := range 200 {
			code := fmt.Sprint("c", i%40)
			items = append(items, item(code, i))
			want["p/"+code] = append(want["p/"+code], fmt.Sprint("k", i))
		}
		batch(t, o.serve(""), items...)
		if !maps.EqualFunc(keys, want, slices.Equal) || most != 16 {
			t.Errorf("got %v, up to %d cards at once", keys, most)
		}
	})
}

// When the time of the request is over, and when the database is away, the answer has
// what is booked, and nothing of a card comes before what was not booked.
func TestBatch_WhatThereIsNoTimeForMayBeSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{}
		booked := map[string]bool{}
		var mu sync.Mutex
		o.onBook = func(ctx context.Context, _ string, r ledger.Request) error {
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for the database: %w", ctx.Err())
			case <-time.After(time.Second):
				mu.Lock()
				defer mu.Unlock()
				booked[r.Key] = true
				return nil
			}
		}
		h := o.serve("")
		items := make([]string, 30)
		for i := range items {
			items[i] = item(fmt.Sprint("c", i%2), i)
		}
		began := time.Now()
		first := batch(t, h, items...)
		if took := time.Since(began); took > 13*time.Second {
			t.Errorf("answered after %v", took)
		}
		for i, r := range first {
			want := "201"
			if !booked[fmt.Sprint("k", i)] {
				want = "503 unavailable"
			}
			if r.code() != want {
				t.Errorf("item %d: got %+v, want %s", i, r, want)
			}
		}
		if len(booked) < 20 || len(booked) >= 30 {
			t.Errorf("%d were booked in time", len(booked))
		}
		for _, r := range batch(t, h, items[len(booked):]...) {
			if r.code() != "201" {
				t.Errorf("again: %+v", r)
			}
		}
	})
}

func TestBatch_LeavesTheRestOfACardThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	o := &office{}
	o.onBook = func(_ context.Context, card string, r ledger.Request) error {
		if card == "p/a" && r.Key == "k1" {
			return errors.New("a fault")
		}
		return nil
	}
	var got []string
	for _, r := range batch(t, o.serve(""), item("a", 0), item("a", 1), item("a", 2), item("b", 1), item("b", 2)) {
		got = append(got, r.code())
	}
	if want := "[201 500 internal 503 unavailable 201 201]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Batches leave requests for one entry in service, and few run at once.
func TestBatch_FewRunAtOnce(t *testing.T) {
	t.Parallel()
	o := &office{}
	began, end := make(chan struct{}), make(chan struct{})
	o.onBook = func(_ context.Context, card string, _ ledger.Request) error {
		if card == "p/slow" {
			began <- struct{}{}
			<-end
		}
		return nil
	}
	h := o.serve("")
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() { batch(t, h, item("slow", i)) })
		<-began
	}
	refused(t, "a fifth", do(h, http.MethodPost, batchPath, operatorToken, `{"entries":[`+item("c", 1)+`]}`), 503, "unavailable")
	if status, _, text := book(h, entriesPath, `{"add_bonus":1}`, "k"); status != 201 {
		t.Errorf("one entry: %d %s", status, text)
	}
	close(end)
	running.Wait()
}
