package member_test

import (
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestInitialGrant_OfACardThatActivatesItself(t *testing.T) {
	for _, plan := range []member.Plan{member.PlanAuto, member.PlanForm} {
		t.Run(string(plan), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				cardID := string(plan) + "-grant"
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1)})
				w.WeChat.Activated["s1"] = 1
				w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: cardID, Code: "s1", At: world.At(2)})
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(3), Restored: true})
				w.SendAll()
				w.WantFace("s1", 100, 7, "bonus +100 100 开卡送积分", "balance +7 7 ")
				if c := w.Card(cardID, "s1"); c.Bonus != 100 || c.Seq != 1 {
					w.Errorf("got %+v", c)
				}
				w.WantBalanced()
			})
		})
	}
}
