package wechatsim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestControl_DescribesItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	got := r.get("/_sim/")
	for _, part := range []string{"imitates", "control", "guesses", "not_reproduced"} {
		if list, _ := got[part].([]any); len(list) == 0 {
			t.Errorf("no %s in %v", part, got)
		}
	}
	if text := encode(got); strings.Contains(text, r.a.Official.Secret) {
		t.Error("the description holds a secret")
	}
	if got := r.get("/_sim/accounts").object("official"); got.text("secret") != r.a.Official.Secret {
		t.Errorf("accounts %v", got)
	}
}

func TestControl_UnknownRoutesAndBrokenBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	for _, c := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "/_sim/nosuch", "", 404, "GET /_sim/"},
		{"DELETE", "/_sim/clock", "", 404, "DELETE /_sim/clock"},
		{"POST", "/_sim/clock/advance", `{"seconds":"5"}`, 422, `"field":"seconds"`},
		{"POST", "/_sim/clock/advance", `{}`, 422, `"field":"seconds"`},
		{"POST", "/_sim/clock/advance", `{`, 400, "error"},
		{"POST", "/_sim/clock/advance", `{"seconds":1} {}`, 400, "error"},
		{"POST", "/_sim/cards/pNone/approve", "", 404, `"field":"card_id"`},
		{"POST", "/_sim/tokens/expire", `{"what":"x"}`, 422, `"field":"what"`},
		{"POST", "/_sim/tokens/expire", `{"account":"x"}`, 422, `"field":"account"`},
		{"PUT", "/_sim/guesses", `{"ticket":"never"}`, 422, `"field":"ticket"`},
		{"PUT", "/_sim/guesses", `{"x":"y"}`, 422, `"field":"x"`},
		{"PUT", "/_sim/quotas", `{"per_day":1}`, 422, `"field":"path"`},
	} {
		res, body := r.raw(c.method, c.path, c.body)
		if res.StatusCode != c.status || !strings.Contains(string(body), c.part) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, res.StatusCode, body)
		}
	}
}

func TestControl_Clock(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	before := r.get("/_sim/clock").whole("unix")
	after := r.post("/_sim/clock/advance", tree{"seconds": 3600}).whole("unix")
	if off := after - before; off < 3600 || off > 3605 {
		t.Errorf("moved by %d", off)
	}
	if time.Until(r.sim.Now()) < 59*time.Minute {
		t.Error("Now does not follow")
	}
}

func TestControl_CallsTellWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.card("/card/get", tree{"card_id": "pNone"})
	got := r.get("/_sim/calls")
	if n := got.object("calls").object("/card/get").object("outcomes").whole("40073"); n != 1 {
		t.Errorf("calls %v", got)
	}
	last := reply(got["refusals"].([]any)[0].(tree))
	if last.text("why") != "no such card" || last.text("path") != "/card/get" {
		t.Errorf("refusal %v", last)
	}
	r.do("DELETE", "/_sim/calls", nil)
	if len(r.sim.Calls()) != 0 {
		t.Error("still counting from before")
	}
}

func TestAssumptions_UnknownValuePanicsAtTheStart(t *testing.T) {
	t.Parallel()
	defer func() {
		if got, _ := recover().(string); !strings.Contains(got, "max_cards") {
			t.Errorf("panic %q", got)
		}
	}()
	wechatsim.New(wechatsim.Options{Assumptions: wechatsim.Assumptions{MaxCards: "7"}})
}

func TestAssumptions_EverySwitchHasAUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{UnicodeEscape: "40033", WrongSecret: "40001",
		FractionalNumber: "accept"}})
	id := r.create(nil, nil)
	wantCode(t, r.card("/card/get", `{"card_id":"\u0041"}`), 40033)
	bad := r.a.Official
	bad.Secret = "x"
	wantCode(t, r.stable(bad, false), 40001)
	wantCode(t, r.card("/card/modifystock", `{"card_id":"`+id+`","increase_stock_value":1.0}`), 0)
	r.do("PUT", "/_sim/guesses", tree{"fractional_number": "busy"})
	wantCode(t, r.card("/card/modifystock", `{"card_id":"`+id+`","increase_stock_value":1.0}`), -1)
	wantCode(t, r.card("/card/modifystock", `{"card_id":"`+id+`","increase_stock_value":1.5}`), 47001)
}

func TestControl_TypedMethodsAreTheSameSimulator(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	code, err := r.sim.Login("ann")
	if err != nil {
		t.Fatal(err)
	}
	who := r.get("/_sim/phones/ann")
	if got := r.session(code); got.text("openid") != who.text("mini_openid") || got.text("unionid") != who.text("unionid") {
		t.Errorf("%v is not %v", got, who)
	}
	if _, err := r.sim.Login("no name"); err == nil {
		t.Error("a name with a space is taken")
	}
	token := r.token()
	r.sim.ExpireAccessToken()
	wantCode(t, r.ping(token), 40001)
	id := r.create(nil, nil)
	list := r.get("/_sim/cards")["cards"].([]any)
	if line := reply(list[0].(tree)); line.text("card_id") != id || line.text("status") != "CARD_STATUS_VERIFY_OK" ||
		line.whole("quantity") != 100 {
		t.Errorf("cards %v", list)
	}
	if _, err := r.sim.AddCard("ann", []byte("x")); err == nil || !strings.Contains(err.Error(), "argument_malformed") {
		t.Errorf("AddCard: %v", err)
	}
}

func TestMemory_IsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	r.mustAdd("ann", id, tree{"code": "A1"})
	r.card("/card/membercard/activate", tree{"card_id": id, "code": "A1", "membership_number": "A1"})
	for range 1001 {
		r.card("/card/membercard/updateuser", tree{"card_id": id, "code": "A1", "add_bonus": 1})
	}
	if n := len(r.faces("ann")[0]["messages"].([]any)); n != 1000 {
		t.Errorf("%d messages kept", n)
	}
	for range 60 {
		r.ping("nosuchtoken")
	}
	if n := len(r.get("/_sim/calls")["refusals"].([]any)); n != 50 {
		t.Errorf("%d refusals kept", n)
	}
	if kept := wechatsim.BoundedMapAfter(10, 25); !slices.Equal(kept, []int{16, 17, 18, 19, 20, 21, 22, 23, 24, 25}) {
		t.Errorf("a shelf of 10 holds %v after 25", kept)
	}
}
