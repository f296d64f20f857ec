package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Symptoms: an event with a control character in its OuterStr had no effect, and one in
// the unencrypted part of a push got 403.
func TestCallback_TakesEventsWithWhatPeopleWrote(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{push.ModePlain, push.ModeCompat, push.ModeSafe} {
		for _, format := range []string{push.FormatXML, push.FormatJSON} {
			t.Run(mode+" "+format, func(t *testing.T) {
				t.Parallel()
				w := apptest.New(t, wechatsim.Options{})
				if mode != push.ModePlain {
					w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
				}
				cardID := w.Card(func(b, _ map[string]any) { b["use_custom_code"] = false })
				s := w.Serve()
				w.Connect(s)
				if err := w.Sim.SetCallback(push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken",
					EncodingAESKey: w.Env["CALLBACK_AES_KEY"], Mode: mode, Format: format}); err != nil {
					t.Fatal(err)
				}
				dirts := []string{"", push.DirtControl, push.DirtCut, push.DirtMarkup}
				if mode == push.ModePlain {
					dirts = dirts[:3] // the fourth is not well-formed
				}
				for _, dirt := range dirts {
					user := "user" + dirt
					if dirt != "" {
						apptest.Request(t, http.MethodPost, w.WeChat.URL+"/_sim/events/faults", "",
							[]byte(`{"event":"user_get_card","dirt":"`+dirt+`"}`)).Is(t, http.StatusOK)
					}
					w.Phone(user, "scan-qr", `{"card_id":"`+cardID+`","outer_str":"table 7"}`)
					w.WaitEvents()
					token, _ := w.Login(s, user)
					apptest.Eventually(t, "the card is active", func() bool {
						c := s.Cards(token)
						return len(c) == 1 && c[0].Status == "active" && c[0].OuterStr == "table 7"
					})
				}
				for _, d := range w.Sim.Deliveries() {
					if d.State == "failed" {
						t.Errorf("%s: %+v", d.Event, d)
					}
				}
			})
		}
	}
}

func TestCallback_LogsWhatItDropsOnceAMinuteAndReason(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	callback := push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken"}
	wantStatus := func(e push.Trigger, want int) {
		t.Helper()
		if got := send(t, e); got != want {
			t.Errorf("%+v: %d, want %d", e, got, want)
		}
	}
	forger := callback
	forger.Token = "anothertoken"
	began := time.Now()
	for range 3 {
		wantStatus(push.Trigger{Callback: callback, Event: "user_del_card", Omit: []string{"CardId"}}, 200)
		wantStatus(push.Trigger{Callback: callback, Event: "user_del_card", Fields: map[string]string{"UserCardCode": "PERSONAL 1"}}, 200)
		wantStatus(push.Trigger{Callback: callback, Event: "user_view_card", Dirt: push.DirtMarkup}, 200)
		wantStatus(push.Trigger{Callback: callback, Event: "user_view_card", Fields: map[string]string{"Event": "subscribe"}}, 200)
		wantStatus(push.Trigger{Callback: forger, Event: "user_view_card"}, 403)
	}
	log := w.Log()
	for _, want := range []string{"missing_field", "bad_field", "broken_xml", "unknown_event", "forged"} {
		if n := strings.Count(log, want); n == 0 || n > 1 && time.Since(began) < time.Minute {
			t.Errorf("%s is in %d lines of the log", want, n)
		}
	}
	if !strings.Contains(log, "UserCardCode") || strings.Contains(log, "PERSONAL") {
		t.Errorf("the log names no element, or its content:\n%s", log)
	}
}
