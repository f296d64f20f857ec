package admin_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// The shop's other services read the shared tickets instead of fetching their own.
// The TICKET_TOKEN opens nothing else.
func TestTickets_ForTheShopsOtherServices(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	const ticketToken = "a-ticket-token-of-forty-characters-00001"
	w.Env["TICKET_TOKEN"] = ticketToken
	cardID := w.Card()
	s := w.Serve()
	type shared struct {
		Value     string
		ExpiresIn int `json:"expires_in"`
	}
	read := func(kind string) (got shared) {
		t.Helper()
		a := apptest.Request(t, http.MethodGet, s.Admin+"/v1/tickets/"+kind, ticketToken, nil)
		if a.Status != 200 {
			t.Fatalf("%s: %d %s", kind, a.Status, a.Body)
		}
		a.JSON(t, &got)
		if got.Value == "" || got.ExpiresIn < 1 || got.ExpiresIn > 7200 {
			t.Errorf("%s: %+v", kind, got)
		}
		return got
	}
	token, ticket, jsapi := read("access_token"), read("wx_card"), read("jsapi")
	if ticket.Value == jsapi.Value || token.Value == ticket.Value {
		t.Error("two kinds have one value")
	}
	used := apptest.Request(t, http.MethodPost, w.WeChat.URL+"/card/get?access_token="+token.Value, "", []byte(`{"card_id":"`+cardID+`"}`))
	if !bytes.Contains(used.Body, []byte(`"errcode":0`)) {
		t.Errorf("the token does not work: %s", used.Body)
	}
	again := read("access_token")
	if again.Value != token.Value || w.Sim.Calls()["/cgi-bin/stable_token"].Total != 1 {
		t.Errorf("read again: another value, or %d fetches", w.Sim.Calls()["/cgi-bin/stable_token"].Total)
	}

	reject := func(kind, value string) apptest.Answer {
		return apptest.Request(t, http.MethodPost, s.Admin+"/v1/tickets/"+kind+"/invalidate", ticketToken, []byte(`{"rejected":"`+value+`"}`))
	}
	if got := reject("access_token", "an-older-value"); got.Status != 204 {
		t.Errorf("an older value: %d %s", got.Status, got.Body)
	}
	if read("access_token").Value != token.Value {
		t.Error("an older value put the current one out of service")
	}
	w.Sim.ExpireAccessToken()
	for range 5 {
		if got := reject("access_token", token.Value); got.Status != 204 {
			t.Errorf("the dead value: %d %s", got.Status, got.Body)
		}
	}
	if read("access_token").Value == token.Value {
		t.Error("the dead value is handed out again")
	}
	if n := w.Sim.Calls()["/cgi-bin/stable_token"].Total; n != 2 {
		t.Errorf("stable_token: %d calls, want 2", n)
	}

	apptest.Request(t, http.MethodGet, s.Admin+"/v1/tickets/session_key", ticketToken, nil).Problem(t, 422, "invalid_input")
	apptest.Request(t, http.MethodGet, s.Admin+"/v1/tickets/wx_card", "", nil).Problem(t, 401, "admin_token_invalid")
	apptest.Request(t, http.MethodGet, s.Admin+"/metrics", ticketToken, nil).Problem(t, 403, "role_forbidden")
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/explain", ticketToken, []byte(`{}`)).Problem(t, 403, "role_forbidden")
	apptest.Request(t, http.MethodGet, s.Public+"/v1/tickets/wx_card", ticketToken, nil).Problem(t, 404, "not_found")
	if got := apptest.Request(t, http.MethodGet, s.Admin+"/v1/tickets/wx_card", apptest.AdminToken, nil); got.Status != 200 {
		t.Errorf("with the ADMIN_TOKEN: %d", got.Status)
	}
}
