package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/recovery"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// core opens the services of the world's database, as a command does.
func core(w *apptest.World) *app.Core {
	w.T.Helper()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		w.T.Fatal(err)
	}
	c, err := app.Open(w.T.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { _ = c.Close() })
	return c
}

// looked waits until the server has compared everything, and returns the state.
func looked(w *apptest.World, c *app.Core) (st recovery.Status) {
	w.T.Helper()
	apptest.Eventually(w.T, "everything is compared", func() bool {
		var err error
		if st, err = c.Recovery.Status(w.T.Context()); err != nil {
			w.T.Fatal(err)
		}
		return st.Phase == recovery.PhaseDone
	})
	return st
}

// differences returns the states of the differences, by code.
func differences(w *apptest.World, c *app.Core) map[string]string {
	w.T.Helper()
	list, err := c.Recovery.Differences(w.T.Context(), recovery.Key{}, 100)
	if err != nil {
		w.T.Fatal(err)
	}
	states := map[string]string{}
	for _, d := range list {
		states[d.Code] = fmt.Sprintf("%s %d→%d", d.State, d.Bonus, d.FaceBonus)
	}
	return states
}

// A shop lives on for a while after a backup, loses its database and restores the
// backup. Nothing that its members have may be lost or set back.
func TestRecovery_AnOldCopyHarmsNobody(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(base, _ map[string]any) { base["need_push_on_view"] = true })
	s := w.Serve()
	w.Connect(s)
	bonus := func(user, code, key string, add int, total int64) {
		t.Helper()
		s.AddEntry(apptest.EntriesPath(cardID, code), key, fmt.Sprintf(`{"add_bonus":%d}`, add)).Entry(t)
		w.WaitTotals(user, total, 0)
	}
	quietToken, quiet := w.Claim(s, "quiet", cardID)
	_, richer := w.Claim(s, "richer", cardID)
	_, poorer := w.Claim(s, "poorer", cardID)
	bonus("quiet", quiet, "q1", 100, 100)
	bonus("richer", richer, "r1", 100, 100)
	bonus("poorer", poorer, "p1", 100, 100)
	later, _ := w.Login(s, "later")
	laterSigned := s.Post("/v1/card-ext", later, apptest.CardIDs(cardID)) // issued before the copy, taken after it
	w.WaitEvents()

	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := sqldb.Backup(t.Context(), "sqlite:"+w.DB, backup, func(string) {}); err != nil {
		t.Fatal(err)
	}

	bonus("richer", richer, "r2", 50, 150)
	bonus("poorer", poorer, "p2", -60, 40)
	if _, err := w.Sim.AddCard("later", laterSigned.Body); err != nil {
		t.Fatal(err)
	}
	token, _ := w.Login(s, "newcomer")
	added := apptest.Claims(w.AddCard(s, token, "newcomer", cardID)[0])
	s.Post("/v1/claims", token, added).Is(t, http.StatusOK)
	newcomer := w.CodeOf("newcomer")
	bonus("newcomer", newcomer, "n1", 70, 70)
	w.WaitTotals("later", 0, 0)
	w.WaitEvents()
	faces := map[string]int64{"quiet": 100, "richer": 150, "poorer": 40, "later": 0, "newcomer": 70}
	unchanged := func(when string) {
		t.Helper()
		got := map[string]int64{}
		for user := range faces {
			got[user] = w.WaitTotals(user, faces[user], 0).Bonus
		}
		if !maps.Equal(got, faces) {
			t.Errorf("%s the faces show %v, want %v", when, got, faces)
		}
	}
	s.Stop()
	w.Control("expire", apptest.Object{"credential": "api_ticket"}) // the ticket of the copy is none any more

	if _, err := sqldb.Restore(t.Context(), backup, "sqlite:"+w.DB, func(string) {}); err != nil {
		t.Fatal(err)
	}
	s = w.Serve()
	w.Connect(s)
	c := core(w)
	s.Get("/v1/me", quietToken).Problem(t, http.StatusUnauthorized, "session_invalid")
	if st := looked(w, c); st.Cards["equal"] != 1 || st.Cards[recovery.Differs] != 2 || st.Found != 1 || st.CopiedAt.IsZero() {
		t.Errorf("compared: %+v", st)
	}
	if got, want := differences(w, c), map[string]string{richer: "differs 100→150", poorer: "differs 100→40"}; !maps.Equal(got, want) {
		t.Errorf("differences: %v, want %v", got, want)
	}
	bonus("quiet", quiet, "q2", 1, 101) // a card without a difference can be used at once
	faces["quiet"] = 101
	s.AddEntry(apptest.EntriesPath(cardID, richer), "r3", `{"add_bonus":5}`).Problem(t, http.StatusServiceUnavailable, "unavailable")
	s.AddEntry(apptest.EntriesPath(cardID, quiet), "q2", `{"add_bonus":1}`).Is(t, http.StatusCreated)

	// Who took a card since the copy has it again, and gets no second one.
	token, _ = w.Login(s, "later")
	apptest.Eventually(t, "the card of later is active", func() bool {
		cards := s.Cards(token)
		return len(cards) == 1 && cards[0].Status == "active" && cards[0].Code == w.CodeOf("later")
	})
	token, _ = w.Login(s, "newcomer")
	w.Phone("newcomer", "open-card", `{"cardList":[{"cardId":"`+cardID+`","code":"`+newcomer+`"}]}`)
	w.WaitEvents()
	s.Post("/v1/claims", token, added).Is(t, http.StatusOK) // as when the mini-program is opened from the card
	apptest.Eventually(t, "the card of newcomer is there", func() bool {
		cards := s.Cards(token)
		return len(cards) == 1 && cards[0].Status == "active" && cards[0].Code == newcomer
	})
	exts := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))
	if exts[0].Code != newcomer {
		t.Errorf("newcomer gets the code %s, has %s", exts[0].Code, newcomer)
	}
	unchanged("while cards differ")

	if err := c.Recovery.Finish(t.Context(), false); err == nil {
		t.Error("the recovery ends although cards differ")
	}
	adopted := 0
	if err := c.Recovery.Adopt(t.Context(), func(recovery.Difference) { adopted++ }); err != nil || adopted != 2 {
		t.Errorf("adopted %d, %v", adopted, err)
	}
	if err := c.Recovery.Finish(t.Context(), false); err != nil {
		t.Error(err)
	}
	if got, want := differences(w, c), map[string]string{richer: "adopted 100→150", poorer: "adopted 100→40"}; !maps.Equal(got, want) {
		t.Errorf("differences: %v, want %v", got, want)
	}
	unchanged("after the recovery")
	apptest.Eventually(t, "the server sees that the recovery has ended", func() bool {
		return s.AddEntry(apptest.EntriesPath(cardID, richer), "r4", `{"add_bonus":-150}`).Status == http.StatusCreated
	})
	w.WaitTotals("richer", 0, 0)
	bonus("newcomer", newcomer, "n2", 5, 75)
	if wrong, err := c.Ledger.Unbalanced(context.WithoutCancel(t.Context()), 9); len(wrong) != 0 || err != nil {
		t.Errorf("do not add up: %v, %v", wrong, err)
	}
}
