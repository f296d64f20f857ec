package app_test

import (
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Symptom: a member with U+0008 in the nickname could not claim the card (503), and
// the messages about it were retried for ever.
func TestWeChat_NamesInItsAnswersDoNoHarm(t *testing.T) {
	t.Parallel()
	for _, dirt := range []string{"control", "cut", "escapes", "surrogates", "bom,nul", "numbers", "fractions",
		"control,cut,escapes,surrogates,bom,nul,numbers,fractions"} {
		t.Run(dirt, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Seed: 3})
			cardID := w.Card(apptest.WithBalance)
			s := w.Serve()
			oneClick := w.NewCard(s, apptest.OneClick(true))
			if err := w.Sim.AddFault(wechatsim.Fault{Path: "*", Dirt: dirt, Times: -1}); err != nil {
				t.Fatal(err)
			}
			token, code := w.Claim(s, "ming", cardID)
			w.WaitTotals("ming", 0, 0)
			s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30,"add_balance":5}`).Entry(t)
			w.WaitTotals("ming", 30, 5)
			apptest.Eventually(t, "the outbox is empty", func() bool { return len(s.Outbox("")) == 0 })
			apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })

			hong, _ := w.Login(s, "hong")
			back := w.OpenCard(s, "hong", hong, oneClick, "")
			s.Post("/v1/activations", hong, apptest.Activation(oneClick, back.Code, back.Ticket)).Is(t, http.StatusOK)
			s.Post("/v1/session", "", apptest.Object{"code": "never-issued"}).Problem(t, http.StatusUnauthorized, "login_code_invalid")
		})
	}
}
