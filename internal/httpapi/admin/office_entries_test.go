package admin_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
)

const entriesPath = "/v1/cards/p/codes/c/entries"

// book books an entry with these values of Idempotency-Key.
func book(h http.Handler, path, body string, keys ...string) (status int, header http.Header, text string) {
	w := do(h, "POST", path, operatorToken, body, func(r *http.Request) { r.Header["Idempotency-Key"] = keys })
	return w.Code, w.Header(), w.Body.String()
}

func TestEntryKey_IsOneText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys   []string
		status int
		code   string
	}{
		"none":           {nil, 400, "idempotency_key_missing"},
		"empty":          {[]string{""}, 400, "idempotency_key_missing"},
		"two":            {[]string{"a", "b"}, 422, "invalid_input"},
		"the same twice": {[]string{"a", "a"}, 422, "invalid_input"},
		"empty and one":  {[]string{"", "a"}, 422, "invalid_input"},
		"too long":       {[]string{strings.Repeat("k", 256)}, 422, "invalid_input"},
		"not ASCII":      {[]string{"汉"}, 422, "invalid_input"},
		"a tab":          {[]string{"a\tb"}, 422, "invalid_input"},
	} {
		o := &office{}
		status, _, text := book(o.serve(""), entriesPath, `{"add_bonus":1}`, c.keys...)
		if status != c.status || !strings.Contains(text, `"code":"`+c.code+`"`) || o.booked != nil {
			t.Errorf("%s: got %d %s, want %d %s", name, status, text, c.status, c.code)
		}
	}
	o := &office{}
	if status, _, text := book(o.serve(""), entriesPath, `{"add_bonus":1}`, strings.Repeat("k", 255)); status != 201 {
		t.Errorf("the longest: %d %s", status, text)
	}
}

// What a key names: this card, this code, and the body as it is meant.
func TestEntryKey_NamesTheRequest(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
	send := func(path, body, key string) ledger.Request {
		t.Helper()
		if status, _, text := book(h, path, body, key); status != 201 {
			t.Fatalf("%s %s: %d %s", path, body, status, text)
		}
		return o.booked[len(o.booked)-1]
	}
	first := send(entriesPath, `{"add_bonus":1}`, "k")
	if first.Key != "k" || first.Route != "POST /v1/cards/p/codes/c/entries" || first.ID == "" {
		t.Errorf("got %+v", first)
	}
	for _, path := range []string{"/v1/cards/q/codes/c/entries", "/v1/cards/p/codes/d/entries"} {
		if r := send(path, `{"add_bonus":1}`, "k"); r.Route == first.Route || r.Payload != first.Payload {
			t.Errorf("%s: got %+v", path, r)
		}
	}
	for _, same := range []string{`{"add_bonus":1,"notify_bonus":true}`, ` {"notify_balance":true,"add_bonus":1,"record_bonus":""}`} {
		if r := send(entriesPath, same, "k"); r.Payload != first.Payload {
			t.Errorf("%s is another body", same)
		}
	}
	for _, other := range []string{`{"add_bonus":2}`, `{"add_bonus":-1}`, `{"add_balance":1}`, `{"add_bonus":1,"add_balance":1}`,
		`{"add_bonus":1,"notify_bonus":false}`, `{"add_bonus":1,"notify_balance":false}`, `{"add_bonus":1,"record_bonus":"a"}`,
		`{"add_bonus":1,"record_balance":"a"}`, `{"reverses":"1"}`, `{"add_bonus":1,"store":"a"}`, `{"add_bonus":1,"order":"a"}`,
		`{"add_bonus":1,"actor":"a"}`} {
		if r := send(entriesPath, other, "k"); r.Payload == first.Payload {
			t.Errorf("%s is the same body", other)
		}
	}
}

// Answers that were stored before bodies had the newest fields are found again.
func TestEntryKey_TheHashOfABodyStaysAsItWas(t *testing.T) {
	t.Parallel()
	o := &office{}
	h := o.serve("")
	for body, hashed := range map[string]string{
		`{"add_bonus":1}`: `{"add_bonus":1,"add_balance":0,"notify_bonus":true,"notify_balance":true}`,
		`{"reverses":"e1","record_bonus":"退货","notify_bonus":false}`: `{"add_bonus":0,"add_balance":0,"record_bonus":"退货",` +
			`"notify_bonus":false,"notify_balance":true,"reverses":"e1"}`,
	} {
		if status, _, text := book(h, entriesPath, body, "k"); status != 201 {
			t.Fatalf("%s: %d %s", body, status, text)
		}
		if got, want := o.booked[len(o.booked)-1].Payload, fmt.Sprintf("%x", sha256.Sum256([]byte(hashed))); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestEntryKey_AReplaySaysSo(t *testing.T) {
	t.Parallel()
	for _, replay := range []bool{false, true} {
		o := &office{replay: replay}
		status, header, text := book(o.serve(""), entriesPath, `{"add_bonus":1}`, "k")
		want := map[bool]string{true: "true"}[replay]
		if got := header.Get("Idempotent-Replayed"); status != 201 || text != `{"entry":{}}` || got != want {
			t.Errorf("replay %t: got %d %s, Idempotent-Replayed %q", replay, status, text, got)
		}
	}
}

func TestEntries_RefusalsOfTheLedger(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		ledger.ErrCodeUnknown: "404 code_not_found", ledger.ErrNotHeld: "409 card_not_held", ledger.ErrKeyReused: "422 idempotency_key_reused",
		ledger.ErrInsufficientBonus: "409 insufficient_bonus", ledger.ErrInsufficientBalance: "409 insufficient_balance",
		ledger.ErrNotReversible: "409 entry_not_reversible", ledger.ErrEntryUnknown: "422 invalid_input", ledger.ErrTooMuch: "422 invalid_input",
		ledger.ErrOverEntryLimit: "409 limit_per_entry", ledger.ErrOverDayLimit: "409 limit_per_day", ledger.ErrNotYours: "403 entry_not_yours",
		ledger.ErrConflict: "503 unavailable", errors.New("a fault"): "500 internal",
	} {
		o := &office{err: fmt.Errorf("book: %w", err)}
		status, _, text := book(o.serve(""), entriesPath, `{"add_bonus":1}`, "k")
		var p struct{ Code string }
		if json.Unmarshal([]byte(text), &p) != nil || fmt.Sprint(status, " ", p.Code) != want {
			t.Errorf("%v: got %d %s, want %s", err, status, text, want)
		}
	}
}
