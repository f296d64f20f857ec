package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// overdue makes every card and wallet due for reconciliation, as if days had
// passed. No server may be running.
func overdue(w *apptest.World) {
	w.T.Helper()
	db, err := sqldb.Open(w.T.Context(), "sqlite:"+w.DB)
	if err != nil {
		w.T.Fatal(err)
	}
	err = db.Write(w.T.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		for _, query := range []string{"update member_card set check_at = 0", "update identity set check_at = 0", "delete from schedule"} {
			if _, err := tx.Exec(ctx, query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.T.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.T.Fatal(err)
	}
}

// Without events from WeChat and reports from the phone, the reconciler finds
// claims and WeChat's own codes.
func TestReconcile_FindsWhatWasMissed(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID, system := w.Card(), w.Card(func(base, _ map[string]any) { base["use_custom_code"] = false })
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	added := w.AddCard(s, token, "ming", cardID) // without a claim
	if _, err := w.Sim.AddCard("ming", s.Post("/v1/card-ext", token, apptest.CardIDs(system)).Body); err != nil {
		t.Fatal(err)
	}
	if got := s.Cards(token); len(got) != 1 || got[0].Status != "issued" {
		t.Fatalf("before: %+v, and %+v was taken", got, added)
	}
	s.Stop()
	overdue(w)
	s = w.Serve()
	apptest.Eventually(t, "the claim is found and the card active", func() bool {
		for _, c := range s.Cards(token) {
			if c.CardID == cardID && c.Status == "active" {
				return true
			}
		}
		return false
	})
	s.Stop()
	overdue(w)
	s = w.Serve()
	apptest.Eventually(t, "the card with a code of WeChat's own is found", func() bool {
		for _, c := range s.Cards(token) {
			if c.CardID == system && c.Status == "active" {
				return true
			}
		}
		return false
	})
	metrics := string(s.Operate("GET", "/metrics", "").Body)
	for _, line := range []string{"addcard_ledger_unbalanced_cards 0", "addcard_drifting_cards 0", "addcard_reconciled_total{outcome="} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// A change of the figures by WeChat or another system is a drift: it is shown, and
// stays until the operator adds an entry that makes both equal. Our own changes
// come back as events, too, and are no drift. A difference without an event,
// of totals that the ledger had, is repaired.
func TestReconcile_TellsADriftFromAWrongFace(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{MemberUpdate: "sent"}})
	cardID := w.Card()
	s := w.Serve()
	w.Connect(s)
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	s.AddEntry(path, "k1", `{"add_bonus":30}`).Entry(t)
	w.WaitTotals("ming", 30, 0)
	w.WaitEvents()
	again := func(outcome string) {
		t.Helper()
		s.Stop()
		overdue(w)
		s = w.Serve()
		w.Connect(s)
		apptest.Eventually(t, "the outcome is "+outcome, func() bool {
			return strings.Contains(string(s.Operate("GET", "/metrics", "").Body), `addcard_reconciled_total{outcome="`+outcome+`"} 1`)
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
		s.Operate("GET", path, "").JSON(t, &seen)
		if seen.Drift == nil {
			return 0, false
		}
		return seen.Drift.Bonus, seen.Drift.SeenAt != ""
	}
	again("equal")

	updateUser(w, `{"card_id":"`+cardID+`","code":"`+code+`","bonus":35}`)
	w.WaitEvents()
	again("drift")
	if bonus, there := drift(); bonus != 35 || !there {
		t.Errorf("drift: %d, %v", bonus, there)
	}
	w.WaitTotals("ming", 35, 0)
	s.AddEntry(path, "k2", `{"add_bonus":5,"notify_bonus":false}`).Entry(t)
	apptest.Eventually(t, "it is sent", func() bool { return len(s.Outbox("")) == 0 })
	w.WaitEvents()
	again("equal")
	if bonus, there := drift(); there {
		t.Errorf("still a drift: %d", bonus)
	}

	s.Stop() // so no event gets through
	updateUser(w, `{"card_id":"`+cardID+`","code":"`+code+`","bonus":30,"notify_optional":{"is_notify_bonus":false}}`)
	w.WaitEvents()
	again("repaired")
	if got, want := apptest.Messages(w.WaitTotals("ming", 35, 0)), "bonus +30 30 ; bonus +5 35 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
}

// updateUser changes a card as another system of the shop does.
func updateUser(w *apptest.World, body string) {
	w.T.Helper()
	got := w.CallWeChat("/card/membercard/updateuser", body)
	if !strings.Contains(string(got.Body), `"errcode":0`) {
		w.T.Fatalf("updateuser: %s", got.Body)
	}
}
