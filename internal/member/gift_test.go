package member_test

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// A given card brings its ledger along and gets no second initial grant.
func TestGift_BringsTheLedgerAlong(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push-grant")
		w.MustAddEntry("push-grant", code, world.Points(5))
		w.SendAll()
		w.WeChat.SetStatus(code, "GIFT_SUCC")
		w.ReceiveEvent(
			member.Event{Name: world.Taken, OpenID: "O2", CardID: "push-grant", Code: "g1", At: world.At(9), OldCode: code, FriendOpenID: "O1"},
		)
		w.SendAll()
		w.WantFace("g1", 105, 7)
		if list, err := w.Entries(w.Context(), "push-grant", "g1", 0, 9); len(list) != 2 || list[0].Sent != ledger.SentDone || err != nil {
			w.Errorf("the successor's entries: %+v, %v", list, err)
		}
		if list, err := w.Entries(w.Context(), "push-grant", code, 0, 9); len(list) != 0 || err != nil {
			w.Errorf("the predecessor's entries: %+v, %v", list, err)
		}
		w.WantBalanced()
	})
}

// Whatever event comes first, the initial grant is added once, and is on the last of
// the codes.
func TestInitialGrant_OfACardThatWasGivenAway(t *testing.T) {
	take := member.Event{Name: world.Taken, OpenID: "O1", CardID: "auto-grant", Code: "s1", At: world.At(1)}
	give := member.Event{Name: world.Taken, OpenID: "O2", CardID: "auto-grant", Code: "g1", At: world.At(2), OldCode: "s1", FriendOpenID: "O1"}
	again := member.Event{
		Name:         world.Taken,
		OpenID:       "O2",
		CardID:       "auto-grant",
		Code:         "g1",
		At:           world.At(4),
		OldCode:      "s1",
		FriendOpenID: "O1",
		Restored:     true,
	}
	plain := member.Event{Name: world.Taken, OpenID: "O2", CardID: "auto-grant", Code: "g1", At: world.At(3), Restored: true}
	for name, events := range map[string][]member.Event{
		"in order": {take, give, again}, "the gift first": {give, take, plain}, "repeated": {give, take, give, take},
		"as two cards": {plain, take, give, again}, "the successor first": {plain, give, again, take},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				w.WeChat.Activated["s1"], w.WeChat.Activated["g1"] = 1, 1
				w.WeChat.SetStatus("s1", "GIFT_SUCC")
				for _, e := range events {
					w.ReceiveEvent(e)
				}
				w.SendAll()
				if f := w.WeChat.Face("g1"); f.Bonus != 100 || f.Balance != 7 {
					w.Errorf("the face: %+v", f)
				}
				if c := w.Card("auto-grant", "s1"); c.Status != member.Gifted || c.Bonus != 0 || c.Balance != 0 {
					w.Errorf("the predecessor: %+v", c)
				}
				w.WantBalanced()
			})
		})
	}
}

// The card is given away while the predecessor code is being activated.
func TestInitialGrant_OfACardThatIsGivenAwayMeanwhile(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push-grant")
		w.WeChat.After = func(_ context.Context, c world.Call) error {
			if c.Name == "activate" && c.Code == code {
				w.ReceiveEvent(
					member.Event{Name: world.Taken, OpenID: "O2", CardID: "push-grant", Code: "g1", At: world.At(9), OldCode: code, FriendOpenID: "O1"},
				)
			}
			return nil
		}
		w.SendAll()
		if c := w.Card("push-grant", code); c.Status != member.Gifted || c.Bonus != 0 || c.Balance != 0 {
			w.Errorf("the predecessor: %+v", c)
		}
		if c, f := w.Card("push-grant", "g1"), w.WeChat.Face("g1"); c.Bonus != 100 || c.Balance != 7 || f.Bonus != 100 || f.Balance != 7 {
			w.Errorf("the successor: %+v, face %+v", c, f)
		}
		w.WantBalanced()
	})
}

// The successor code had entries before the event said that it was a gift.
func TestGift_ToOneWhoHasALedger(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.MustAddEntry("push", code, world.Points(5))
		w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O2", CardID: "push", Code: "g1", At: world.At(9)})
		w.SendAll()
		w.MustAddEntry("push", "g1", world.Points(2))
		w.WeChat.SetStatus(code, "GIFT_SUCC")
		w.ReceiveEvent(
			member.Event{
				DedupeKey:    "gift",
				Name:         world.Taken,
				OpenID:       "O2",
				CardID:       "push",
				Code:         "g1",
				At:           world.At(9),
				OldCode:      code,
				FriendOpenID: "O1",
			},
		)
		w.SendAll()
		w.WantFace("g1", 7, 0, "bonus +2 2 r2")
		if c := w.Card("push", code); c.Status != member.Gifted || c.Bonus != 0 || c.Seq != 2 {
			w.Errorf("the predecessor: %+v", c)
		}
		w.WantBalanced()
	})
}
