package app_test

import (
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// WeChat is often busy with a card that was added a moment ago (45061, −1).
func TestClaim_ActivationIsTriedUntilItWorks(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	added := w.AddCard(s, token, "ming", cardID)
	for _, f := range []wechatsim.Fault{{ErrCode: 45061}, {ErrCode: -1}, {Drop: true, When: "after"}} {
		f.Path = "/card/membercard/activate"
		if err := w.Sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Post("/v1/claims", token, apptest.Claims(added[0])); got.Status != 200 {
		t.Fatalf("claim: %d %s", got.Status, got.Body)
	}
	apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	wallet, err := w.Sim.Cards("ming")
	if err != nil || !wallet[0].HasActive {
		t.Errorf("wallet: %+v, %v", wallet, err)
	}
}
