package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func oneClick(jump bool) func(base, member object) {
	return func(_, member object) {
		delete(member, "activate_url")
		member["wx_activate"] = true
		if jump {
			member["wx_activate_after_submit"], member["wx_activate_after_submit_url"] = true, "https://shop.example/after"
		}
	}
}

// sim posts to the simulator's control API.
func (w *world) control(path string, body any) answer {
	w.t.Helper()
	s := &server{t: w.t, base: w.wechat.URL}
	return s.post("/_sim/"+path, "", body)
}

// through has the user go through the component, and returns what App.onShow gets.
func (w *world) through(s *server, user, token, cardID, outerStr string) (back struct {
	Ticket string `json:"activate_ticket"`
	CardID string `json:"card_id"`
	Code   string
}) {
	w.t.Helper()
	got := s.get("/v1/cards/"+cardID+"/open-card?outer_str="+url.QueryEscape(outerStr), token)
	var p struct {
		AppID     string            `json:"appId"`
		ExtraData map[string]string `json:"extraData"`
	}
	if got.json(w.t, &p); got.status != 200 || p.AppID != "wxeb490c6f9b154ef9" || p.ExtraData["outer_str"] != outerStr {
		w.t.Fatalf("open-card: %d %s", got.status, got.body)
	}
	w.control("phones/"+user+"/open-card-component", object{"appId": p.AppID, "extraData": p.ExtraData,
		"form": object{"USER_FORM_INFO_FLAG_MOBILE": "13712345678", "USER_FORM_INFO_FLAG_NAME": "小明 <&>"}}).json(w.t, &back)
	return back
}

// codeOf is the code of the card in the user's wallet.
func (w *world) codeOf(user string) string {
	w.t.Helper()
	faces, err := w.sim.Cards(user)
	if err != nil || len(faces) == 0 {
		w.t.Fatalf("%s's wallet: %v, %v", user, faces, err)
	}
	return faces[len(faces)-1].Code
}

type cardAnswer struct {
	Card struct{ Code, Status string }
}

func activation(cardID, code, ticket string) object {
	return object{"card_id": cardID, "code": code, "activate_ticket": ticket}
}

func TestOpenCard_through_the_component_to_an_active_card(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["DATA_KEYS"] = "d1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	s := w.serve()
	id := w.newCard(s, oneClick(true))
	s.operate(http.MethodPut, "/v1/cards/"+id+"/activation-form", object{"required_form": object{"common_field_id_list": []string{"USER_FORM_INFO_FLAG_MOBILE"}}}).is(t, 204)
	var face struct{ Take string }
	if s.get("/v1/cards/"+id, "").json(t, &face); face.Take != "open_card" {
		t.Errorf("take: %s", face.Take)
	}
	token, me := w.login(s, "ming")
	back := w.through(s, "ming", token, id, "a&b=c+d 店")
	if back.Ticket == "" {
		t.Fatalf("back: %+v", back)
	}
	var first, again cardAnswer
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).is(t, 200).json(t, &first)
	if first.Card.Status != "active" || first.Card.Code != back.Code {
		t.Errorf("first: %+v", first)
	}
	w.control("clock/advance", object{"seconds": 3600}) // the ticket is over
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).is(t, 200).json(t, &again)
	if again != first {
		t.Errorf("again: %+v", again)
	}
	if n := w.sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("%d activations", n)
	}
	// The operator finds the member by phone and sees the form; the database shows neither.
	p := s.people("?query=13712345678")
	if len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by phone: %+v", p)
	}
	got := s.operate(http.MethodGet, "/v1/members/"+me, nil).is(t, 200)
	if !strings.Contains(string(got.body), `"USER_FORM_INFO_FLAG_NAME":"小明 <&>"`) {
		t.Errorf("form: %s", got.body)
	}
	for _, file := range []string{w.db, w.db + "-wal"} {
		raw, err := os.ReadFile(file)
		if err == nil && (bytes.Contains(raw, []byte("13712345678")) || bytes.Contains(raw, []byte("小明")) || bytes.Contains(raw, []byte(back.Ticket))) {
			t.Errorf("%s shows what was filled in, or the ticket", file)
		}
	}
	s.operate(http.MethodDelete, "/v1/members/"+me, nil).is(t, 204)
	if p := s.people("?query=13712345678"); len(p.Members) != 0 {
		t.Errorf("by phone, erased: %+v", p)
	}
}

func TestOpenCard_what_a_client_sends_proves_nothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id, other := w.newCard(s, oneClick(true)), w.newCard(s, oneClick(true))
	ming, _ := w.login(s, "ming")
	hong, _ := w.login(s, "hong")
	a := w.through(s, "ming", ming, id, "")
	b := w.through(s, "hong", hong, id, "")
	post := func(token string, body object) answer { return s.post("/v1/activations", token, body) }

	post(ming, activation(id, "000000000000", a.Ticket)).problem(t, 403, "code_not_yours")
	post(ming, activation(other, a.Code, a.Ticket)).problem(t, 403, "code_not_yours")
	post(ming, activation(id, a.Code, "nonsense")).problem(t, 422, "activate_ticket_invalid")
	post(hong, activation(id, b.Code, b.Ticket)).is(t, 200)
	// Hong's card is active: Ming's own good ticket does not make it his.
	post(ming, activation(id, b.Code, a.Ticket)).problem(t, 403, "code_not_yours")
	post(ming, activation(id, a.Code, b.Ticket)).problem(t, 422, "activate_ticket_invalid")
	post(ming, activation(id, a.Code, a.Ticket)).is(t, 200)
	post(ming, activation("pNone", a.Code, a.Ticket)).problem(t, 404, "card_not_found")
	post("", activation(id, a.Code, a.Ticket)).problem(t, 401, "session_invalid")
	post(ming, object{"card_id": id, "code": "1 2", "activate_ticket": ""}).problem(t, 422, "invalid_input")
	for user, code := range map[string]string{ming: a.Code, hong: b.Code} {
		var me struct {
			Cards []struct{ Code, Status string }
		}
		s.get("/v1/me", user).json(t, &me)
		if len(me.Cards) != 1 || me.Cards[0].Code != code || me.Cards[0].Status != "active" {
			t.Errorf("me: %+v, want %s active", me, code)
		}
	}
}

func TestOpenCard_refuses_cards_that_the_component_cannot_show(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	token, _ := w.login(s, "ming")
	custom, plain, gone := w.newCard(s, realTime, oneClick(true)), w.newCard(s), w.newCard(s, oneClick(true))
	s.operate(http.MethodDelete, "/v1/cards/"+gone, nil).is(t, 204)
	for id, code := range map[string]string{custom: "code_mode_unsupported", plain: "not_one_click", gone: "card_not_claimable"} {
		s.get("/v1/cards/"+id+"/open-card", token).problem(t, 409, code)
	}
	for id, code := range map[string]string{custom: "code_mode_unsupported", plain: "not_one_click"} {
		s.post("/v1/activations", token, activation(id, "1", "t")).problem(t, 409, code)
	}
	s.get("/v1/cards/pNone/open-card", token).problem(t, 404, "card_not_found")
	s.get("/v1/cards/"+plain+"/open-card", "").problem(t, 401, "session_invalid")
	s.get("/v1/cards/"+plain+"/open-card?outer_str="+strings.Repeat("x", 129), token).problem(t, 422, "invalid_input")
	if n := w.sim.Calls()["/card/membercard/activate/geturl"].Total; n != 0 {
		t.Errorf("WeChat was asked %d times", n)
	}
}

func TestOpenCard_asks_once_for_each_channel_and_six_times_a_minute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, oneClick(true))
	token, _ := w.login(s, "ming")
	limited := 0
	for range 2 {
		for i := range 8 {
			got := s.get(fmt.Sprintf("/v1/cards/%s/open-card?outer_str=c%d", id, i), token)
			switch got.status {
			case 200:
			case 429:
				limited++
				if got.problem(t, 429, "rate_limited"); got.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			default:
				t.Errorf("%d %s", got.status, got.body)
			}
		}
	}
	calls := w.sim.Calls()["/card/membercard/activate/geturl"].Total
	if calls > 12 || calls+limited < 8 || limited == 0 && calls > 8 { // a minute may end in between
		t.Errorf("%d calls, %d refused", calls, limited)
	}
	hong, _ := w.login(s, "hong")
	s.get("/v1/cards/"+id+"/open-card?outer_str=c0", hong).is(t, 200)
}

// Symptom: of a page that asked many times at once for the same most were refused.
func TestOpenCard_many_at_once_are_one_question(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, oneClick(true))
	token, _ := w.login(s, "ming")
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/membercard/activate/geturl", LatencyMS: 500}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := s.get("/v1/cards/"+id+"/open-card?outer_str=once", token); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	if n := w.sim.Calls()["/card/membercard/activate/geturl"].Total; n != 1 {
		t.Errorf("WeChat was asked %d times", n)
	}
}

// An impatient client sends the report twice. The first is still asking whether
// the card is active when the second has made it so.
func TestActivations_twice_at_once_are_one(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, oneClick(true))
	token, _ := w.login(s, "ming")
	back := w.through(s, "ming", token, id, "")
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/membercard/userinfo/get", LatencyMS: 1000}); err != nil {
		t.Fatal(err)
	}
	first := make(chan answer)
	go func() { first <- s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)) }()
	eventually(t, "the first report is under way", func() bool { return w.sim.Calls()["/card/code/get"].Total > 0 })
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).is(t, 200)
	(<-first).is(t, 200)
}

// 72012 and −1 come of good tickets, too; 45061 is left to the outbox.
func TestActivations_moods_of_WeChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, oneClick(true))
	token, _ := w.login(s, "ming")
	back := w.through(s, "ming", token, id, "")
	fault := func(path string, code, times int) {
		t.Helper()
		if err := w.sim.AddFault(wechatsim.Fault{Path: path, ErrCode: code, Times: times}); err != nil {
			t.Fatal(err)
		}
	}
	const info = "/card/membercard/activatetempinfo/get"
	fault(info, 72012, 3)
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).problem(t, 422, "activate_ticket_invalid")
	fault(info, -1, 3)
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).problem(t, 503, "wechat_unavailable")
	fault(info, 72012, 1)
	fault(info, -1, 1)
	fault("/card/membercard/activate", 45061, 12)
	var got cardAnswer
	s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).is(t, 200).json(t, &got)
	if got.Card.Status != "claimed" {
		t.Errorf("while WeChat says 45061: %+v", got)
	}
	request(t, http.MethodDelete, w.wechat.URL+"/_sim/faults", "", nil).is(t, 200)
	eventually(t, "the outbox has activated the card", func() bool {
		var me struct{ Cards []struct{ Status string } }
		s.get("/v1/me", token).json(t, &me)
		return len(me.Cards) == 1 && me.Cards[0].Status == "active"
	})
}

// Events and the activation may come in any order: the end is the same.
func TestOpenCard_events_before_and_after(t *testing.T) {
	t.Parallel()
	for _, jump := range []bool{true, false} {
		for _, report := range []string{"before", "after", "never"} {
			t.Run(fmt.Sprint("jump ", jump, ", reported ", report), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, wechatsim.Options{})
				s := w.serve()
				if report != "before" {
					w.connect(s)
				}
				id := w.newCard(s, oneClick(jump))
				token, _ := w.login(s, "ming")
				back := w.through(s, "ming", token, id, "door")
				if jump && report != "never" {
					s.post("/v1/activations", token, activation(id, back.Code, back.Ticket)).is(t, 200)
				}
				if report == "before" {
					w.connect(s)
					w.control("phones/ming/submit-form", object{"card_id": id, "code": w.codeOf("ming"), "form": object{}}).is(t, 200)
				}
				eventually(t, "the card is active for its holder", func() bool {
					p := s.people("?query=" + w.codeOf("ming"))
					return len(p.Members) == 1 && len(p.Members[0].Cards) == 1 && p.Members[0].Cards[0].Status == "active"
				})
			})
		}
	}
}

func TestJSSDKConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.env["JSSDK_HOSTS"] = "shop.example"
	s := w.serve()
	const page = "https://shop.example/card?from=店"
	var got struct {
		AppID, NonceStr, Signature string
		Timestamp                  int64
	}
	s.get("/v1/jssdk-config?url="+url.QueryEscape(page+"#top"), "").is(t, 200).json(t, &got)
	if got.AppID != w.sim.Accounts().Official.AppID || !w.sim.CheckWebConfig(page, got.NonceStr, got.Timestamp, got.Signature) {
		t.Errorf("got %+v", got)
	}
	p := s.get("/v1/jssdk-config?url=https://evil.example/", "").problem(t, 422, "invalid_input")
	if len(p.Errors) != 1 || p.Errors[0].Location != "query.url" {
		t.Errorf("errors: %+v", p.Errors)
	}
	s.get("/v1/jssdk-config", "").problem(t, 422, "invalid_input")
}
