package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	var list struct {
		CardList []struct{ CardID, CardExt string }
	}
	s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).JSON(t, &list)
	explain := func(cardExt any) (r struct {
		Verifies bool
		Cause    string
		Values   []string
	}) {
		raw, err := json.Marshal(map[string]any{"card_id": cardID, "cardExt": cardExt})
		if err != nil {
			t.Fatal(err)
		}
		got := apptest.Request(t, http.MethodPost, s.Admin+"/v1/explain", apptest.AdminToken, raw)
		if got.Status != 200 {
			t.Fatalf("explain: %d %s", got.Status, got.Body)
		}
		for _, secret := range w.Sim.Secrets() {
			if strings.Contains(string(got.Body), secret) {
				t.Fatalf("a secret in %s", got.Body)
			}
		}
		got.JSON(t, &r)
		return r
	}
	good := list.CardList[0].CardExt
	if r := explain(good); !r.Verifies || r.Cause != "" || len(r.Values) != 5 {
		t.Errorf("our own cardExt: %+v", r)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(good), &object); err != nil {
		t.Fatal(err)
	}
	if r := explain(object); r.Cause != "not_a_string" {
		t.Errorf("an object: %+v", r)
	}
	if r := explain(strings.Replace(good, `"nonce_str":"`, `"nonce_str":"x`, 1)); r.Verifies || r.Cause == "" {
		t.Errorf("a changed nonce: %+v", r)
	}
	raw, err := json.Marshal(map[string]any{
		"card_id": cardID, "cardExt": strings.Replace(good, `"code":"`, `"code":"9`, 1),
		"signed": map[string]string{"code": strings.SplitN(strings.SplitN(good, `"code":"`, 2)[1], `"`, 2)[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	var differs struct{ Cause string }
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/explain", apptest.AdminToken, raw).JSON(t, &differs)
	if differs.Cause != "code_differs" {
		t.Errorf("another code was signed: %+v", differs)
	}
	var ticket struct{ Value string }
	apptest.Request(t, http.MethodGet, s.Admin+"/v1/tickets/wx_card", apptest.AdminToken, nil).JSON(t, &ticket)
	got := apptest.Request(t, http.MethodPost, s.Admin+"/v1/tickets/wx_card/invalidate", apptest.AdminToken,
		[]byte(`{"rejected":"`+ticket.Value+`"}`))
	if got.Status != 204 {
		t.Fatalf("invalidate: %d %s", got.Status, got.Body)
	}
	if r := explain(good); r.Verifies || r.Cause != "old_ticket" { // and nothing was signed with the new one yet
		t.Errorf("after the ticket was replaced: %+v", r)
	}
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/explain", "", []byte(`{}`)).Problem(t, 401, "admin_token_invalid")
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/explain", token, []byte(`{}`)).Problem(t, 401, "admin_token_invalid")
	apptest.Request(t, http.MethodPost, s.Public+"/v1/explain", apptest.AdminToken, []byte(`{}`)).Problem(t, 404, "not_found")
}
