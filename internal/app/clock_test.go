package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// addCard makes the user sign in and take the card, and returns what the phone
// says.
func addCard(w *apptest.World, s *apptest.Server, user, cardID string) error {
	token, _ := w.Login(s, user)
	_, err := w.Sim.AddCard(user, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Body)
	return err
}

// Symptom: two hours forward at WeChat, no ticket was fetched again, and the phone
// said that it had expired.
func TestClock_MovedAtWeChat(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s, other := w.Serve(), w.Serve()
	for _, user := range []string{"ming", "hong"} {
		if err := addCard(w, s, user, cardID); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"fang", "lei", "na"} {
		seconds := []int{7200, 100 * 60, 30 * 3600}[i]
		w.Control("clock/advance", apptest.Object{"seconds": seconds})
		for _, s := range []*apptest.Server{s, other} {
			if err := addCard(w, s, user, cardID); err != nil {
				t.Errorf("%d s later: %v", seconds, err)
			}
			user += "2"
		}
	}
	if n := w.Sim.Calls()["/cgi-bin/ticket/getticket"].Total; n > 8 { // wx_card and jsapi
		t.Errorf("%d tickets were fetched, want 8 at most", n)
	}
}

// Symptom: after a restart with the right AppSecret the server had no ticket for
// another 230 s.
func TestSecret_CorrectedIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	right := w.Env["OFFICIAL_APP_SECRET"]
	w.Env["OFFICIAL_APP_SECRET"] = "0123456789abcdef0123456789abcdef"
	wrong := w.Serve()
	token, _ := w.Login(wrong, "ming")
	apptest.Eventually(t, "WeChat refuses the secret", func() bool {
		return wrong.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Status == http.StatusServiceUnavailable
	})
	if right == "" {
		delete(w.Env, "OFFICIAL_APP_SECRET")
	} else {
		w.Env["OFFICIAL_APP_SECRET"] = right
	}
	start := time.Now()
	if err := addCard(w, w.Serve(), "ming", cardID); err != nil {
		t.Errorf("with the right secret: %v", err)
	}
	t.Logf("served after %v", time.Since(start))
}
