package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/shop"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A cashier finds a member, books within the limits, undoes the own entry, and nothing
// else.
func TestCashier_BooksWithinTheLimits(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	_, code := w.Claim(s, "ming", id)
	s.Operate(http.MethodPut, "/v1/settings", apptest.Object{"cashier": apptest.Object{"bonus_per_entry": 50, "bonus_per_day": 80}}).Is(t, 200)
	cashier := func(name string) func(method, path, body string) apptest.Answer {
		var person, key struct{ ID, Token string }
		s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": name, "role": "cashier"}).Is(t, 201).JSON(t, &person)
		s.Operate(http.MethodPost, "/v1/staff/"+person.ID+"/tokens", apptest.Object{}).Is(t, 201).JSON(t, &key)
		n := 0
		return func(method, path, body string) apptest.Answer {
			n++
			return apptest.Request(t, method, s.Admin+path, key.Token, []byte(body), func(r *http.Request) {
				r.Header.Set("Idempotency-Key", fmt.Sprint(name, n))
			})
		}
	}
	max, zoe := cashier("Max"), cashier("Zoe")

	found := max(http.MethodGet, "/v1/members?query="+code, "").Is(t, 200)
	if text := string(found.Body); !strings.Contains(text, code) || strings.Contains(text, "openid") {
		t.Errorf("found %s", text)
	}
	entries := apptest.EntriesPath(id, code)
	first := max(http.MethodPost, entries, `{"add_bonus":50,"order":"1001"}`).Is(t, 201).Entry(t)
	max(http.MethodPost, entries, `{"add_bonus":51}`).Problem(t, 409, "limit_per_entry")
	max(http.MethodPost, entries, `{"add_bonus":31}`).Problem(t, 409, "limit_per_day")
	max(http.MethodPost, entries, `{"add_bonus":30}`).Is(t, 201)
	max(http.MethodPost, entries, `{"add_bonus":-50}`).Is(t, 201)
	zoe(http.MethodPost, entries, `{"add_bonus":1}`).Is(t, 201)
	zoe(http.MethodPost, entries, `{"add_bonus":1,"actor":"Max"}`).Problem(t, 422, "invalid_input")
	zoe(http.MethodPost, entries, `{"reverses":"`+first.ID+`","partial":true}`).Problem(t, 403, "entry_not_yours")
	max(http.MethodPost, entries, `{"reverses":"`+first.ID+`","partial":true}`).Is(t, 201)
	max(http.MethodPost, entries, `{"add_bonus":32}`).Problem(t, 409, "limit_per_day") // 30 and what is left of 50
	max(http.MethodPost, entries, `{"add_bonus":31}`).Is(t, 201)

	var journal struct {
		Entries []struct {
			Actor, Order string
			AddBonus     int64 `json:"add_bonus"`
		}
	}
	s.Operate(http.MethodGet, "/v1/entries?actor=Max", nil).Is(t, 200).JSON(t, &journal)
	if got := fmt.Sprint(journal.Entries); got != "[{Max  31} {Max  -31} {Max  -50} {Max  30} {Max 1001 50}]" {
		t.Errorf("Max has booked %s", got)
	}
	for query, status := range map[string]int{"": 422, "?actor=Zoe": 422, "?actor=Max": 200, "?order=1001": 200, "?actor=Zoe&order=1": 200} {
		max(http.MethodGet, "/v1/entries"+query, "").Is(t, status)
	}
	zoe(http.MethodPost, entries, `{"add_bonus":1,"order":"1001","once_per_order":true}`).Is(t, 201)
	max(http.MethodPost, entries, `{"add_bonus":1,"order":"1001","once_per_order":true}`).Problem(t, 409, "order_booked")
	zoe(http.MethodPost, entries, `{"add_bonus":1,"once_per_order":true}`).Problem(t, 422, "invalid_input")
	zoe(http.MethodPost, entries, `{"reverses":"`+first.ID+`","order":"1001","once_per_order":true}`).Problem(t, 422, "invalid_input")
	max(http.MethodPost, "/v1/entries/batch", `{}`).Problem(t, 403, "role_forbidden")
	max(http.MethodGet, "/v1/members", "").Problem(t, 422, "invalid_input")
}

// A day of the limits begins at midnight in the shop's zone, and only for cashiers.
func TestCashier_LimitsAreThoseOfTheShop(t *testing.T) {
	t.Parallel()
	o := &office{back: backroom{settings: shop.Default()}}
	h := o.serve("")
	for _, token := range []string{cashierToken, managerToken, operatorToken} {
		do(h, "POST", entriesPath, token, `{"add_bonus":1}`, func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") })
	}
	if len(o.booked) != 3 || o.booked[0].Actor != "Max" || o.booked[1].Actor != "Zoe" || o.booked[2].Actor != "owner" {
		t.Fatalf("got %+v", o.booked)
	}
	c, got := shop.Default().Cashier, o.booked[0].Limits
	if got == nil || got.BonusPerEntry != c.BonusPerEntry || got.BonusPerDay != c.BonusPerDay || got.BalancePerEntry != c.BalancePerEntry ||
		got.BalancePerDay != c.BalancePerDay || got.UndoWithin != 10*time.Minute {
		t.Errorf("got %+v", got)
	}
	if age := time.Since(got.DayBegan); age < 0 || age > 25*time.Hour || got.DayBegan.Hour() != 0 || got.DayBegan.Location() != time.UTC {
		t.Errorf("the day began at %v", got.DayBegan)
	}
	if o.booked[1].Limits != (*ledger.Limits)(nil) || o.booked[2].Limits != nil {
		t.Errorf("a manager is limited: %+v", o.booked)
	}
}

// A cashier does not find a member by what only the shop's programs know.
func TestCashier_FindsNobodyByOpenID(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"c-1": true, "13800138000": true, "o-1": false, "O-1": false, " o-1": false, "u-1": false, "m-1": false,
	} {
		o := &office{person: member.Person{
			ID: "m-1", Identities: []member.Identity{{AppID: "wx", OpenID: "o-1", UnionID: "u-1"}}, Cards: []member.Card{{Code: "c-1"}},
		}}
		w := do(o.serve(""), "GET", "/v1/members?query="+strings.ReplaceAll(key, " ", "%20"), cashierToken, "")
		if got := strings.Contains(w.Body.String(), "c-1"); w.Code != 200 || got != want || strings.Contains(w.Body.String(), "o-1") {
			t.Errorf("%q: got %d %s", key, w.Code, w.Body)
		}
	}
}
