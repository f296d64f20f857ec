package wechatsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// The fuzzer cannot sign, so no input may add a card.
func FuzzAddCard_TakesNothingUnsigned(f *testing.F) {
	sim := wechatsim.New(wechatsim.Options{Seed: 1})
	f.Cleanup(sim.Close)
	id := fuzzCard(f, sim)
	for _, seed := range []string{`{"cardList":[]}`, `{"cardList":[{"cardId":"` + id + `","cardExt":"{\"timestamp\":1700000000,\"signature\":\"x\"}"}]}`,
		`{"cardList":[{"cardId":"` + id + `","cardExt":"\"{}\""}]}`, `[[[[`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, argument []byte) {
		if added, err := sim.AddCard("ann", argument); err == nil {
			t.Errorf("took %v from %q", added, argument)
		}
	})
}

// Every body to every card call gets 200 and JSON.
func FuzzCardCalls_AlwaysAnswer(f *testing.F) {
	sim := wechatsim.New(wechatsim.Options{Seed: 1})
	f.Cleanup(sim.Close)
	id := fuzzCard(f, sim)
	token := fuzzToken(f, sim)
	paths := []string{"/card/create", "/card/get", "/card/update", "/card/modifystock", "/card/batchget", "/card/code/get",
		"/card/code/decrypt", "/card/membercard/activate", "/card/membercard/updateuser", "/card/code/deposit", "/card/testwhitelist/set"}
	for i := range paths {
		f.Add(uint(i), `{"card_id":"`+id+`","code":"1","member_card":{"base_info":{"date_info":null,"sku":null}}}`)
		f.Add(uint(i), encode(memberCard(nil, nil)))
	}
	f.Fuzz(func(t *testing.T, i uint, body string) {
		w := fuzzPost(sim, paths[i%uint(len(paths))]+"?access_token="+token, body)
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %q for %q", w.Code, w.Body, body)
		}
	})
}

func fuzzPost(sim *wechatsim.Sim, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	sim.Handler().ServeHTTP(w, httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(body)))
	return w
}

func fuzzToken(f *testing.F, sim *wechatsim.Sim) string {
	f.Helper()
	a := sim.Accounts().Official
	w := fuzzPost(sim, "/cgi-bin/stable_token", encode(tree{"grant_type": "client_credential", "appid": a.AppID, "secret": a.Secret}))
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		f.Fatal(err)
	}
	return out.text("access_token")
}

func fuzzCard(f *testing.F, sim *wechatsim.Sim) string {
	f.Helper()
	w := fuzzPost(sim, "/card/create?access_token="+fuzzToken(f, sim), encode(memberCard(systemCodes(), nil)))
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		f.Fatal(err)
	}
	if err := sim.Approve(out.text("card_id")); err != nil {
		f.Fatal(err)
	}
	return out.text("card_id")
}
