package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/wechatsim"
)

// overdue makes every card and wallet due to be checked, as if days had passed.
// No server must be running.
func (w *world) overdue() {
	w.t.Helper()
	db, err := sqldb.Open(w.t.Context(), "sqlite:"+w.db)
	if err != nil {
		w.t.Fatal(err)
	}
	err = db.Write(w.t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		for _, query := range []string{"update member_card set check_at = 0", "update identity set check_at = 0", "delete from schedule"} {
			if _, err := tx.Exec(ctx, query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// WeChat's events never come here, and the phone reports nothing: what happened
// is found out, and faces are set right.
func TestReconcile_finds_what_was_missed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID, system := w.card(), w.card(func(base, _ map[string]any) { base["use_custom_code"] = false })
	s := w.serve()
	token, _ := w.login(s, "ming")
	added := w.take(s, token, "ming", cardID) // and nobody tells us
	if _, err := w.sim.AddCard("ming", s.post("/v1/card-ext", token, want(system)).body); err != nil {
		t.Fatal(err)
	}
	if got := s.cards(token); len(got) != 1 || got[0].Status != "issued" {
		t.Fatalf("before: %+v, and %+v was taken", got, added)
	}
	s.stop()
	w.overdue()
	s = w.serve()
	eventually(t, "the claim is found and the card active", func() bool {
		for _, c := range s.cards(token) {
			if c.CardID == cardID && c.Status == "active" {
				return true
			}
		}
		return false
	})
	s.stop()
	w.overdue()
	s = w.serve()
	eventually(t, "the card with a code of WeChat's own is found", func() bool {
		for _, c := range s.cards(token) {
			if c.CardID == system && c.Status == "active" {
				return true
			}
		}
		return false
	})
	metrics := string(s.operator("GET", "/metrics", "").body)
	for _, line := range []string{"addcard_ledger_unbalanced_cards 0", "addcard_drifting_cards 0", "addcard_reconciled_total{outcome="} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// Somebody else, or WeChat itself, changes the figures: that is shown and left
// alone until the operator books what makes both equal. Our own changes come
// back as events too and are no drift; a face that is merely wrong is set right.
func TestReconcile_tells_a_drift_from_a_wrong_face(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{MemberUpdate: "sent"}})
	cardID := w.card()
	s := w.serve()
	w.connect(s)
	_, code := w.held(s, "ming", cardID)
	path := entriesPath(cardID, code)
	s.book(path, "k1", `{"add_bonus":30}`).booked(t)
	w.face("ming", 30, 0)
	w.settled()
	again := func(outcome string) {
		t.Helper()
		s.stop()
		w.overdue()
		s = w.serve()
		w.connect(s)
		eventually(t, "the outcome is "+outcome, func() bool {
			return strings.Contains(string(s.operator("GET", "/metrics", "").body), `addcard_reconciled_total{outcome="`+outcome+`"} 1`)
		})
	}
	drift := func() (bonus int64, there bool) {
		t.Helper()
		var seen struct {
			Drift *struct {
				Bonus  int64
				SeenAt string `json:"seen_at"`
			}
		}
		s.operator("GET", path, "").json(t, &seen)
		if seen.Drift == nil {
			return 0, false
		}
		return seen.Drift.Bonus, seen.Drift.SeenAt != ""
	}
	again("equal")

	w.updateUser(`{"card_id":"` + cardID + `","code":"` + code + `","bonus":35}`)
	w.settled()
	again("drift")
	if bonus, there := drift(); bonus != 35 || !there {
		t.Errorf("drift: %d, %v", bonus, there)
	}
	w.face("ming", 35, 0)
	s.book(path, "k2", `{"add_bonus":5,"notify_bonus":false}`).booked(t)
	eventually(t, "it is sent", func() bool { return len(s.outbox(t, "")) == 0 })
	w.settled()
	again("equal")
	if bonus, there := drift(); there {
		t.Errorf("still a drift: %d", bonus)
	}

	s.stop() // so no event gets through
	w.updateUser(`{"card_id":"` + cardID + `","code":"` + code + `","bonus":1,"notify_optional":{"is_notify_bonus":false}}`)
	w.settled()
	again("repaired")
	if got, want := messages(w.face("ming", 35, 0)), "bonus +30 30 ; bonus +5 35 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
}

// updateUser is a call that another system of the shop makes.
func (w *world) updateUser(body string) {
	w.t.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	a := w.sim.Accounts().Official
	request(w.t, http.MethodGet, w.wechat.URL+"/cgi-bin/token?grant_type=client_credential&appid="+a.AppID+"&secret="+a.Secret, "", nil).json(w.t, &token)
	got := request(w.t, http.MethodPost, w.wechat.URL+"/card/membercard/updateuser?access_token="+token.AccessToken, "", []byte(body))
	if !strings.Contains(string(got.body), `"errcode":0`) {
		w.t.Fatalf("updateuser: %s", got.body)
	}
}
