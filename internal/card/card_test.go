package card_test

import (
	"testing"

	"github.com/addcard/addcard/internal/card"
)

func TestCard_Rules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                 string
		card                 card.Card
		takesCode, claimable bool
		method               string
	}{
		{"system code", card.Card{Status: card.Verified, Quantity: 1}, false, true, "add_card"},
		{"real-time custom code", card.Card{Status: card.Verified, Quantity: 1, UseCustomCode: true}, true, true, "add_card"},
		{"deposited codes", card.Card{Status: card.Verified, Quantity: 1, UseCustomCode: true, Deposit: true}, false, true, "add_card"},
		{"one-click, jumps back", card.Card{Status: card.Verified, Quantity: 1, WxActivate: true, JumpForm: true}, false, true, "open_card"},
		{"one-click, stays there", card.Card{Status: card.Verified, Quantity: 1, WxActivate: true}, false, true, "add_card"},
		{"one-click, real-time code", card.Card{
			Status: card.Verified, Quantity: 1, UseCustomCode: true, WxActivate: true, JumpForm: true,
		}, true, true, "add_card"},
		{"in review", card.Card{Status: card.NotVerified, Quantity: 1}, false, true, "add_card"},
		{"refused", card.Card{Status: card.VerifyFailed, Quantity: 1}, false, false, "add_card"},
		{"deleted", card.Card{Status: card.Deleted, Quantity: 1}, false, false, "add_card"},
		{"a status of tomorrow", card.Card{Status: "CARD_STATUS_NEW", Quantity: 1}, false, true, "add_card"},
		{"sold out", card.Card{Status: card.Verified}, false, false, "add_card"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.card.TakesCode(); got != c.takesCode {
				t.Errorf("TakesCode: got %v", got)
			}
			if got := c.card.Claimable(false); got != c.claimable {
				t.Errorf("Claimable: got %v", got)
			}
			if got := c.card.ClaimMethod(); got != c.method {
				t.Errorf("ClaimMethod: got %v", got)
			}
		})
	}
}

func TestCard_Activation(t *testing.T) {
	t.Parallel()
	on, off := card.Settings{ActivateOnClaim: new(true)}, card.Settings{ActivateOnClaim: new(false)}
	for want, cards := range map[string][]card.Card{
		"auto":      {{AutoActivate: true}, {AutoActivate: true, Settings: off}},
		"on_claim":  {{}, {Settings: on}, {WxActivate: true, JumpForm: true, Settings: on}, {UseCustomCode: true}},
		"component": {{WxActivate: true, JumpForm: true}, {WxActivate: true, JumpForm: true, UseCustomCode: true, Deposit: true}},
		"form":      {{WxActivate: true}, {WxActivate: true, JumpForm: true, UseCustomCode: true}, {Settings: off}},
	} {
		for _, c := range cards {
			if got := c.Activation(); got != want {
				t.Errorf("%+v: got %s, want %s", c, got, want)
			}
		}
	}
}
