package opencard_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestOpenCard_ThroughTheComponentToAnActiveCard(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = "d1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(true))
	s.Operate(http.MethodPut, "/v1/cards/"+id+"/activation-form",
		apptest.Object{"required_form": apptest.Object{"common_field_id_list": []string{"USER_FORM_INFO_FLAG_MOBILE"}}}).Is(t, 204)
	var face struct{ Take string }
	if s.Get("/v1/cards/"+id, "").JSON(t, &face); face.Take != "open_card" {
		t.Errorf("take: %s", face.Take)
	}
	token, me := w.Login(s, "ming")
	back := w.OpenCard(s, "ming", token, id, "a&b=c+d 店")
	if back.Ticket == "" {
		t.Fatalf("back: %+v", back)
	}
	var first, again cardAnswer
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200).JSON(t, &first)
	if first.Card.Status != "active" || first.Card.Code != back.Code {
		t.Errorf("first: %+v", first)
	}
	w.Control("clock/advance", apptest.Object{"seconds": 3600}) // the ticket is over
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200).JSON(t, &again)
	if again != first {
		t.Errorf("again: %+v", again)
	}
	if n := w.Sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("%d activations", n)
	}
	// The operator finds the member by phone number and sees the form. The database
	// file has neither in the clear.
	p := s.Members("?query=13712345678")
	if len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by phone: %+v", p)
	}
	got := s.Operate(http.MethodGet, "/v1/members/"+me, nil).Is(t, 200)
	if !strings.Contains(string(got.Body), `"USER_FORM_INFO_FLAG_NAME":"小明 <&>"`) {
		t.Errorf("form: %s", got.Body)
	}
	for _, file := range []string{w.DB, w.DB + "-wal"} {
		raw, err := os.ReadFile(file)
		if err == nil && (bytes.Contains(raw, []byte("13712345678")) || bytes.Contains(raw, []byte("小明")) ||
			bytes.Contains(raw, []byte(back.Ticket))) {
			t.Errorf("%s shows what was filled in, or the ticket", file)
		}
	}
	s.Operate(http.MethodDelete, "/v1/members/"+me, nil).Is(t, 204)
	if p := s.Members("?query=13712345678"); len(p.Members) != 0 {
		t.Errorf("by phone, erased: %+v", p)
	}
}

func TestOpenCard_WhatAClientSendsProvesNothing(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id, other := w.NewCard(s, apptest.OneClick(true)), w.NewCard(s, apptest.OneClick(true))
	ming, _ := w.Login(s, "ming")
	hong, _ := w.Login(s, "hong")
	a := w.OpenCard(s, "ming", ming, id, "")
	b := w.OpenCard(s, "hong", hong, id, "")
	post := func(token string, body apptest.Object) apptest.Answer { return s.Post("/v1/activations", token, body) }

	post(ming, apptest.Activation(id, "000000000000", a.Ticket)).Problem(t, 403, "code_not_yours")
	post(ming, apptest.Activation(other, a.Code, a.Ticket)).Problem(t, 403, "code_not_yours")
	post(ming, apptest.Activation(id, a.Code, "nonsense")).Problem(t, 422, "activate_ticket_invalid")
	post(hong, apptest.Activation(id, b.Code, b.Ticket)).Is(t, 200)
	// Hong's card is active: Ming cannot claim it with his own good ticket.
	post(ming, apptest.Activation(id, b.Code, a.Ticket)).Problem(t, 403, "code_not_yours")
	post(ming, apptest.Activation(id, a.Code, b.Ticket)).Problem(t, 422, "activate_ticket_invalid")
	post(ming, apptest.Activation(id, a.Code, a.Ticket)).Is(t, 200)
	post(ming, apptest.Activation("pNone", a.Code, a.Ticket)).Problem(t, 404, "card_not_found")
	post("", apptest.Activation(id, a.Code, a.Ticket)).Problem(t, 401, "session_invalid")
	post(ming, apptest.Object{"card_id": id, "code": "1 2", "activate_ticket": ""}).Problem(t, 422, "invalid_input")
	for user, code := range map[string]string{ming: a.Code, hong: b.Code} {
		var me struct {
			Cards []struct{ Code, Status string }
		}
		s.Get("/v1/me", user).JSON(t, &me)
		if len(me.Cards) != 1 || me.Cards[0].Code != code || me.Cards[0].Status != "active" {
			t.Errorf("me: %+v, want %s active", me, code)
		}
	}
}

func TestOpenCard_RefusesCardsThatTheComponentCannotShow(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	custom, plain, gone := w.NewCard(s, apptest.RealTime, apptest.OneClick(true)), w.NewCard(s), w.NewCard(s, apptest.OneClick(true))
	s.Operate(http.MethodDelete, "/v1/cards/"+gone, nil).Is(t, 204)
	for id, code := range map[string]string{custom: "code_mode_unsupported", plain: "not_one_click", gone: "card_not_claimable"} {
		s.Get("/v1/cards/"+id+"/open-card", token).Problem(t, 409, code)
	}
	for id, code := range map[string]string{custom: "code_mode_unsupported", plain: "not_one_click"} {
		s.Post("/v1/activations", token, apptest.Activation(id, "1", "t")).Problem(t, 409, code)
	}
	s.Get("/v1/cards/pNone/open-card", token).Problem(t, 404, "card_not_found")
	s.Get("/v1/cards/"+plain+"/open-card", "").Problem(t, 401, "session_invalid")
	s.Get("/v1/cards/"+plain+"/open-card?outer_str="+strings.Repeat("x", 129), token).Problem(t, 422, "invalid_input")
	if n := w.Sim.Calls()["/card/membercard/activate/geturl"].Total; n != 0 {
		t.Errorf("WeChat was asked %d times", n)
	}
}

func TestOpenCard_AsksOnceForEachChannelAndSixTimesAMinute(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(true))
	token, _ := w.Login(s, "ming")
	limited := 0
	for range 2 {
		for i := range 8 {
			got := s.Get(fmt.Sprintf("/v1/cards/%s/open-card?outer_str=c%d", id, i), token)
			switch got.Status {
			case 200:
			case 429:
				limited++
				if got.Problem(t, 429, "rate_limited"); got.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			default:
				t.Errorf("%d %s", got.Status, got.Body)
			}
		}
	}
	calls := w.Sim.Calls()["/card/membercard/activate/geturl"].Total
	if calls > 12 || calls+limited < 8 || limited == 0 && calls > 8 { // the minute may end in between
		t.Errorf("%d calls, %d refused", calls, limited)
	}
	hong, _ := w.Login(s, "hong")
	s.Get("/v1/cards/"+id+"/open-card?outer_str=c0", hong).Is(t, 200)
}

// Symptom: when a page sent many equal requests at once, most got 429.
func TestOpenCard_ManyAtOnceAreOneQuestion(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(true))
	token, _ := w.Login(s, "ming")
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/activate/geturl", LatencyMS: 500}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := s.Get("/v1/cards/"+id+"/open-card?outer_str=once", token); got.Status != 200 {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	if n := w.Sim.Calls()["/card/membercard/activate/geturl"].Total; n != 1 {
		t.Errorf("WeChat was asked %d times", n)
	}
}

// Events and the report may come in any order and end in the same state.
func TestOpenCard_EventsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	for _, jump := range []bool{true, false} {
		for _, report := range []string{"before", "after", "never"} {
			t.Run(fmt.Sprint("jump ", jump, ", reported ", report), func(t *testing.T) {
				t.Parallel()
				w := apptest.New(t, wechatsim.Options{})
				s := w.Serve()
				if report != "before" {
					w.Connect(s)
				}
				id := w.NewCard(s, apptest.OneClick(jump))
				token, _ := w.Login(s, "ming")
				back := w.OpenCard(s, "ming", token, id, "door")
				if jump && report != "never" {
					s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200)
				}
				if report == "before" {
					w.Connect(s)
					w.Control("phones/ming/submit-form", apptest.Object{"card_id": id, "code": w.CodeOf("ming"), "form": apptest.Object{}}).Is(t, 200)
				}
				apptest.Eventually(t, "the card is active for its holder", func() bool {
					p := s.Members("?query=" + w.CodeOf("ming"))
					return len(p.Members) == 1 && len(p.Members[0].Cards) == 1 && p.Members[0].Cards[0].Status == "active"
				})
			})
		}
	}
}
