package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// rationed returns a server with a limit of requests per member that is not reached.
func rationed(t *testing.T) (*apptest.World, *apptest.Server) {
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_MEMBER"] = "1000"
	return w, w.Serve()
}

func limited(t *testing.T, got apptest.Answer) {
	t.Helper()
	if got.Problem(t, 429, "rate_limited"); got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// calls returns how often WeChat was called.
func calls(w *apptest.World, path string) int { return w.Sim.Calls()[path].Total }

// Symptom: a code that was named ten times in each of 30 claims was decrypted 300 times.
func TestRation_ACodeIsDecryptedOnce(t *testing.T) {
	t.Parallel()
	w, s := rationed(t)
	cardID := w.Card(func(base, _ map[string]any) { base["use_custom_code"] = false })
	ming, _ := w.Login(s, "ming")
	added := w.AddCard(s, ming, "ming", cardID)[0]
	list := make([]any, 10)
	for i := range list {
		list[i] = added
	}
	for range 30 {
		var out struct{ Cards []apptest.MemberCard }
		s.Post("/v1/claims", ming, apptest.Claims(list...)).Is(t, 200).JSON(t, &out)
		if len(out.Cards) != 10 || out.Cards[0].Code == "" || out.Cards[9] != out.Cards[0] {
			t.Fatalf("cards: %+v", out.Cards)
		}
	}
	if d, g := calls(w, "/card/code/decrypt"), calls(w, "/card/code/get"); d != 1 || g != 1 {
		t.Errorf("%d decrypted, %d looked up", d, g)
	}
	junk := added
	junk.Code = base64.StdEncoding.EncodeToString([]byte("junk"))
	for range 5 {
		p := s.Post("/v1/claims", ming, apptest.Claims(added, added, junk, junk)).Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != "body.cardList[2].code" {
			t.Errorf("errors: %+v", p.Errors)
		}
	}
	if n := calls(w, "/card/code/decrypt"); n != 2 {
		t.Errorf("%d decrypted with the junk, want 2", n)
	}
}

func TestRation_OneMemberSpendsNoMoreThanAShareOfTheCallsForCodes(t *testing.T) {
	t.Parallel()
	w, s := rationed(t)
	cardID := w.Card()
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	refused := 0
	for i := range 300 {
		got := s.Post("/v1/claims", ming, apptest.Claims(apptest.Object{"cardId": cardID, "code": fmt.Sprint("junk", i)}))
		if got.Status == 429 {
			limited(t, got)
			refused++
		} else {
			got.Problem(t, 422, "invalid_input")
		}
	}
	if n := calls(w, "/card/code/decrypt"); n > 80 || n+refused != 300 { // the minute may end in between
		t.Errorf("%d calls, %d refused", n, refused)
	}
	w.Claim(s, "hong", cardID)
	s.Get("/v1/me", hong).Is(t, 200)
}

func TestRation_OneMemberSpendsNoMoreThanAShareOfTheCallsForActivations(t *testing.T) {
	t.Parallel()
	w, s := rationed(t)
	id := w.NewCard(s, apptest.OneClick(true))
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	refused := 0
	paths := []string{"/card/code/get", "/card/membercard/userinfo/get", "/card/membercard/activatetempinfo/get"}
	mine := w.OpenCard(s, "ming", ming, id, "")
	for i := range 100 {
		for _, code := range []string{fmt.Sprint("1000", i), mine.Code} {
			got := s.Post("/v1/activations", ming, apptest.Activation(id, code, fmt.Sprint("junk", i)))
			switch got.Status {
			case 429:
				limited(t, got)
				refused++
			case 403, 422:
			default:
				t.Fatalf("%d %s", got.Status, got.Body)
			}
		}
	}
	all := 0
	for _, path := range paths {
		all += calls(w, path)
	}
	if all > 50 || refused < 100 { // the minute may end in between
		t.Errorf("%d calls, %d refused", all, refused)
	}
	back := w.OpenCard(s, "hong", hong, id, "")
	s.Post("/v1/activations", hong, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200)
}

// Symptom: a member whose card was deleted caused a call to WeChat with every claim.
func TestRation_ClaimsOfADeletedCardAreCounted(t *testing.T) {
	t.Parallel()
	w, s := rationed(t)
	w.Connect(s)
	cardID := w.Card()
	token, _ := w.Login(s, "ming")
	added := w.AddCard(s, token, "ming", cardID)[0]
	s.Post("/v1/claims", token, apptest.Claims(added)).Is(t, 200)
	code := w.CodeOf("ming")
	w.Phone("ming", "delete-card", `{"card_id":"`+cardID+`","code":"`+code+`"}`)
	w.WaitEvents()
	apptest.Eventually(t, "the card is deleted", func() bool { return s.Cards(token)[0].Status == "deleted" })
	refused := 0
	for range 200 {
		if got := s.Post("/v1/claims", token, apptest.Claims(added)); got.Status == 429 {
			refused++
		} else {
			got.Is(t, 200)
		}
	}
	if refused < 100 {
		t.Errorf("%d of 200 refused", refused)
	}
}

// Symptom: 40 anonymous requests for invented cards used up the reads of the fleet,
// and members got 429 for real cards.
func TestRation_TheAnonymousLeaveTheMembersTheirReadsOfCards(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["TRUSTED_PROXIES"] = "127.0.0.1"
	s, other := w.Serve(), w.Serve()
	cards := []string{w.Card(), w.Card(), w.Card(), w.Card()}
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	face := func(s *apptest.Server, cardID, token, from string) apptest.Answer {
		return apptest.Request(t, http.MethodGet, s.Public+"/v1/cards/"+cardID, token, nil,
			func(r *http.Request) { r.Header.Set("X-Forwarded-For", from) })
	}
	before := calls(w, "/card/get")
	for i := range 200 {
		from, server := "192.0.2.1", s
		if i >= 40 {
			from, server = fmt.Sprint("198.51.100.", i), other
		}
		got := face(server, fmt.Sprint("invented", i), "", from)
		if got.Status == 429 {
			limited(t, got)
		} else {
			got.Problem(t, 404, "card_not_found")
		}
		if n := calls(w, "/card/get") - before; i == 39 && n > 6 { // the minute may end in between
			t.Errorf("one address caused %d reads", n)
		}
	}
	spent := calls(w, "/card/get") - before
	if spent > 20 {
		t.Errorf("the anonymous caused %d reads", spent)
	}
	face(s, cards[0], ming, "192.0.2.1").Is(t, 200) // a member, behind the same address
	s.Post("/v1/card-ext", hong, apptest.CardIDs(cards[1], cards[2])).Is(t, 200)
	for i := range 60 {
		face(s, fmt.Sprint("mings", i), ming, "203.0.113.1")
	}
	if n := calls(w, "/card/get") - before - spent; n > 2+2*15 {
		t.Errorf("the members caused %d reads", n)
	}
	s.Post("/v1/card-ext", hong, apptest.CardIDs(cards[3])).Is(t, 200)
}
