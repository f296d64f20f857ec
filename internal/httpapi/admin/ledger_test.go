package admin_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestEntries_AreBookedReplayedAndRefused(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	token, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)

	first := s.AddEntry(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费30元","record_balance":"充值"}`)
	e := first.Entry(t)
	if e.Seq != 1 || e.AddBonus != 30 || e.Bonus != 30 || e.AddBalance != 5000 || e.Balance != 5000 ||
		e.RecordBonus != "消费30元" || e.RecordBalance != "充值" || e.ID == "" || !strings.HasSuffix(e.CreatedAt, "Z") {
		t.Errorf("got %+v", e)
	}
	if first.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it is a replay")
	}
	// The same entry in another order, with a default written out.
	again := s.AddEntry(path, "k1", `{"notify_bonus":true,"record_balance":"充值","add_balance":5000,"record_bonus":"消费30元","add_bonus":30}`)
	if again.Status != 201 || !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %d %s %v", again.Status, again.Body, again.Header)
	}
	s.AddEntry(path, "k1", `{"add_bonus":31,"add_balance":5000}`).Problem(t, 422, "idempotency_key_reused")
	s.AddEntry(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费30元","record_balance":"充值","notify_bonus":false}`).
		Problem(t, 422, "idempotency_key_reused")
	s.AddEntry(path, "", `{"add_bonus":1}`).Problem(t, 400, "idempotency_key_missing")

	// A refused debit leaves no trace and may succeed later under its key.
	s.AddEntry(path, "k2", `{"add_bonus":-31}`).Problem(t, 409, "insufficient_bonus")
	s.AddEntry(path, "k3", `{"add_bonus":1,"add_balance":-5001}`).Problem(t, 409, "insufficient_balance")
	s.AddEntry(path, "k4", `{"add_bonus":1}`).Entry(t)
	if e := s.AddEntry(path, "k2", `{"add_bonus":-31}`).Entry(t); e.Seq != 3 || e.Bonus != 0 || e.Balance != 5000 {
		t.Errorf("the debit: %+v", e)
	}

	// An entry is reversed by another entry, once.
	undo := fmt.Sprintf(`{"reverses":%q,"record_balance":"退款"}`, e.ID)
	s.AddEntry(path, "k5", undo).Problem(t, 409, "insufficient_bonus") // 30 were spent
	s.AddEntry(path, "k6", `{"add_bonus":30}`).Entry(t)
	undone := s.AddEntry(path, "k5", undo).Entry(t)
	if undone.AddBonus != -30 || undone.AddBalance != -5000 || undone.Bonus != 0 || undone.Balance != 0 || undone.RecordBalance != "退款" {
		t.Errorf("undone: %+v", undone)
	}
	s.AddEntry(path, "k7", undo).Problem(t, 409, "entry_not_reversible")
	s.AddEntry(path, "k7", fmt.Sprintf(`{"reverses":%q}`, undone.ID)).Problem(t, 409, "entry_not_reversible")
	if got := s.AddEntry(path, "k5", undo); got.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the undoing again: %d %s", got.Status, got.Body)
	}

	// The operator and the member read it, newest first.
	var seen struct {
		Entries    []apptest.Entry
		NextCursor *string `json:"next_cursor"`
	}
	s.Operate("GET", path, "").JSON(t, &seen)
	if len(seen.Entries) != 5 || seen.NextCursor != nil || seen.Entries[0].Reverses != e.ID || !seen.Entries[4].Reversed ||
		seen.Entries[4].ID != e.ID {
		t.Errorf("the ledger: %+v", seen)
	}
	var mine struct{ Entries []map[string]any }
	s.Get("/v1/me/cards/"+cardID+"/codes/"+code+"/entries", token).JSON(t, &mine)
	if len(mine.Entries) != 5 || len(mine.Entries[0]) != 9 || mine.Entries[0]["seq"] != 5.0 {
		t.Errorf("one's own: %+v", mine)
	}
	other, _ := w.Login(s, "hong")
	s.Get("/v1/me/cards/"+cardID+"/codes/"+code+"/entries", other).Problem(t, 404, "code_not_found")
	s.Get("/v1/me/cards/"+cardID+"/codes/0/entries", token).Problem(t, 404, "code_not_found")
	apptest.Request(t, http.MethodPost, s.Public+path, apptest.AdminToken, []byte(`{"add_bonus":1}`)).Problem(t, 404, "not_found")
}

func TestEntries_OnACodeThatIsNotHeld(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	issued := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))[0].Code
	s.AddEntry(apptest.EntriesPath(cardID, issued), "k1", `{"add_bonus":1}`).Problem(t, 409, "card_not_held")
	s.AddEntry(apptest.EntriesPath(cardID, "nope"), "k1", `{"add_bonus":1}`).Problem(t, 404, "code_not_found")
	s.AddEntry(apptest.EntriesPath(cardID, "nope"), "k1", `{"reverses":"x"}`).Problem(t, 404, "code_not_found")
	s.Operate("GET", apptest.EntriesPath(cardID, "nope"), "").Problem(t, 404, "code_not_found")
	s.Operate("PUT", "/v1/cards/"+cardID+"/codes/"+issued+"/fields", `{"custom_field1":"a"}`).Problem(t, 409, "card_not_held")
	s.Operate("PUT", "/v1/cards/"+cardID+"/codes/nope/fields", `{"custom_field1":"a"}`).Problem(t, 404, "code_not_found")
}

func TestEntries_Input(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	for body, field := range map[string]string{
		`{}`:                              "body.add_bonus",
		`{"add_bonus":0,"add_balance":0}`: "body.add_bonus",
		`{"add_bonus":0.5}`:               "body.add_bonus",
		`{"add_bonus":1000000000001}`:     "body.add_bonus",
		`{"add_balance":-1000000000001}`:  "body.add_balance",
		`{"add_balance":"1"}`:             "body.add_balance",
		`{"add_bonus":1,"bonus":5}`:       "body.bonus",
		`{"add_bonus":1,"record_bonus":"` + strings.Repeat("汉", 15) + `"}`: "body.record_bonus",
		`{"add_bonus":1,"record_balance":"a\u0000"}`:                       "body.record_balance",
		`{"add_bonus":1,"reverses":"x"}`:                                   "body.reverses",
		`{"reverses":"x"}`:                                                 "body.reverses",
		`{"reverses":"a\u0000"}`:                                           "body.reverses",
		`{"add_bonus":1,"partial":true}`:                                   "body.partial",
		`{"add_bonus":1,"store":"` + strings.Repeat("s", 65) + `"}`:        "body.store",
		`{"add_bonus":1,"order":"` + strings.Repeat("汉", 22) + `"}`:        "body.order",
		`{"add_bonus":1,"actor":"a\nb"}`:                                   "body.actor",
	} {
		if p := s.AddEntry(path, "k", body).Problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v, want %s", body, p.Errors, field)
		}
	}
	for name, key := range map[string]string{"too long": strings.Repeat("k", 256), "汉字": "汉"} {
		p := s.AddEntry(path, key, `{"add_bonus":1}`).Problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != "header.Idempotency-Key" {
			t.Errorf("key %s: %+v", name, p.Errors)
		}
	}
	s.AddEntry(path, strings.Repeat("k", 255), `{"add_bonus":1}`).Entry(t)
	twice := apptest.Request(t, http.MethodPost, s.Admin+path, apptest.AdminToken, []byte(`{"add_bonus":1}`),
		func(r *http.Request) { r.Header["Idempotency-Key"] = []string{"a", "b"} })
	twice.Problem(t, 422, "invalid_input")

	for query, field := range map[string]string{"limit=0": "query.limit", "limit=201": "query.limit", "limit=x": "query.limit",
		"cursor=x": "query.cursor", "cursor=YQ": "query.cursor"} {
		if p := s.Operate("GET", path+"?"+query, "").Problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	for body, field := range map[string]string{
		`{}`: "body", `{"notify":true}`: "body", `{"custom_field4":"a"}`: "body.custom_field4", `{"custom_field1":"汉汉汉汉a"}`: "body.custom_field1",
	} {
		p := s.Operate("PUT", "/v1/cards/"+cardID+"/codes/"+code+"/fields", body).Problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
}

func TestEntries_ComePageByPage(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	for i := range 7 {
		s.AddEntry(path, fmt.Sprint("k", i), `{"add_bonus":1}`).Entry(t)
	}
	var seqs []int64
	next := "?limit=3"
	for next != "" {
		var page struct {
			Entries    []apptest.Entry
			NextCursor string `json:"next_cursor"`
		}
		s.Operate("GET", path+next, "").JSON(t, &page)
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
		}
		next = ""
		if page.NextCursor != "" {
			next = "?limit=3&cursor=" + page.NextCursor
		}
		s.AddEntry(path, "more"+next, `{"add_bonus":1}`) // what is new does not shift the pages
	}
	if fmt.Sprint(seqs) != "[7 6 5 4 3 2 1]" {
		t.Errorf("got %v", seqs)
	}
}

// A value of the wrong type is named, and the rules for right ones add nothing.
func TestEntries_AWrongTypeIsTheOnlyComplaint(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	const whole = "expected a whole number, written without a fraction or an exponent"
	for body, want := range map[string]string{
		`{"add_bonus":100.0}`:                              "body.add_bonus " + whole,
		`{"add_bonus":0.5}`:                                "body.add_bonus " + whole,
		`{"add_bonus":1e2}`:                                "body.add_bonus " + whole,
		`{"add_bonus":1E+2}`:                               "body.add_bonus " + whole,
		`{"add_bonus":-0.0}`:                               "body.add_bonus " + whole,
		`{"add_balance":-100.00}`:                          "body.add_balance " + whole,
		`{"add_bonus":1,"add_balance":2.0}`:                "body.add_balance " + whole,
		`{"add_bonus":"5"}`:                                "body.add_bonus " + whole,
		`{"add_bonus":true}`:                               "body.add_bonus " + whole,
		`{"add_bonus":null}`:                               "body.add_bonus " + whole,
		`{"add_bonus":null,"add_balance":5}`:               "body.add_bonus " + whole,
		`{"add_bonus":[5]}`:                                "body.add_bonus " + whole,
		`{"add_bonus":{}}`:                                 "body.add_bonus " + whole,
		`{"add_bonus":"5","add_balance":{}}`:               "body.add_balance " + whole + "; body.add_bonus " + whole,
		`{"add_bonus":9223372036854775808}`:                "body.add_bonus expected number <= 1e+12",
		`{"add_bonus":-1` + strings.Repeat("0", 400) + `}`: "body.add_bonus the number is too large",
		`{"notify_bonus":0,"add_bonus":5}`:                 "body.notify_bonus expected boolean",
		`{"record_bonus":5,"add_bonus":5}`:                 "body.record_bonus expected string",
		`{"record_bonus":null}`:                            "body.add_bonus an entry that changes nothing is refused",
		`{"reverses":5}`:                                   "body.reverses expected string",
		`{"add_bonus":"5","reverses":"x"}`:                 "body.add_bonus " + whole,
		`{"add_bonus":"5","record_bonus":"a\u0000"}`:       "body.add_bonus " + whole,
		`{"Add_bonus":5}`:                                  "body.Add_bonus unexpected property",
		`{"add_bonus":-0}`:                                 "body.add_bonus an entry that changes nothing is refused",
		`{"add_bonus":0}`:                                  "body.add_bonus an entry that changes nothing is refused",
		`[]`:                                               "body expected object",
		`5.0`:                                              "body expected object",
	} {
		p := s.AddEntry(apptest.EntriesPath(cardID, code), "k", body).Problem(t, 422, "invalid_input")
		var got []string
		for _, e := range p.Errors {
			got = append(got, e.Location+" "+e.Message)
		}
		slices.Sort(got)
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%.60s: got %s, want %s", body, text, want)
		}
	}
	s.AddEntry(apptest.EntriesPath(cardID, code), "k", `{"add_bonus":5,"add_balance":-0}`).Entry(t) // no figure was booked above
}

// The routes with other numbers, lists and rules of their own do the same.
func TestInput_AWrongTypeNamesItsField(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	card := "/v1/cards/" + cardID
	const whole = " expected a whole number, written without a fraction or an exponent"
	const tooLarge = " the number is too large"
	for request, want := range map[string]string{
		"POST " + card + `/stock {"delta":1.0}`:                                       "body.delta" + whole,
		"POST " + card + `/stock {"delta":1e3}`:                                       "body.delta" + whole,
		"POST " + card + `/stock {"delta":9223372036854775808}`:                       "body.delta" + tooLarge,
		"POST " + card + `/stock {"delta":-9223372036854775809}`:                      "body.delta" + tooLarge,
		"POST " + card + `/stock {"delta":1e400}`:                                     "body.delta" + tooLarge,
		"PUT " + card + `/settings {"init_bonus":5.0}`:                                "body.init_bonus" + whole,
		"PUT " + card + `/settings {"init_balance":1` + strings.Repeat("0", 30) + "}": "body.init_balance" + tooLarge,
		"PUT " + card + `/settings {"init_bonus":"5"}`:                                "body.init_bonus" + whole,
		"PUT " + card + `/settings {"init_bonus":null}`:                               "body.init_bonus" + whole,
		"POST " + card + `/stock {"delta":null}`:                                      "body.delta" + whole,
		"POST " + card + `/qrcode {"expire_seconds":null}`:                            "body.expire_seconds" + whole,
		"PUT " + card + `/settings {"activate_on_claim":"true"}`:                      "body.activate_on_claim expected boolean",
		"PUT " + card + `/settings {"init_bonus_record":5}`:                           "body.init_bonus_record expected string",
		"POST " + card + `/qrcode {"expire_seconds":60.0}`:                            "body.expire_seconds" + whole,
		"POST " + card + `/qrcode {"expire_seconds":"60","outer_str":"a\u0000"}`:      "body.expire_seconds" + whole,
		"POST " + card + `/codes {"codes":["1",2]}`:                                   "body.codes[1] expected string",
		"POST " + card + `/codes {"codes":"1"}`:                                       "body.codes expected array",
		"PUT " + card + "/codes/" + code + `/fields {"custom_field1":5}`:              "body.custom_field1 expected string",
		"PUT " + card + "/codes/" + code + `/fields {"notify":1}`:                     "body.notify expected boolean",
		"POST /v1/cards {}": "body.card is required",
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		p := s.Operate(method, path, body).Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location+" "+p.Errors[0].Message != want {
			t.Errorf("%.120s: got %+v, want %s", request, p.Errors, want)
		}
	}
	for _, limit := range []string{"1.0", "1e1", "x", "true", "0x10", "9223372036854775808", "%205", "1_0"} {
		p := s.Operate("GET", "/v1/members?limit="+limit, "").Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != "query.limit" || !strings.Contains(p.Errors[0].Message, "whole number") {
			t.Errorf("limit=%s: %+v", limit, p.Errors)
		}
	}
}
