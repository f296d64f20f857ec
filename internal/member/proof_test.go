package member_test

import (
	"errors"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// What a phone reports proves nothing: the code must have been issued to the
// member, or WeChat must have named the wallet.
func TestClaim_NeedsAProof(t *testing.T) {
	world.Run(t, func(w *world.World) {
		ming, hong := world.Enroll(w, w.Members, world.Mini, "ming", ""), world.Enroll(w, w.Members, world.Mini, "hong", "")
		mings, hongs := world.IssueCode(w, w.Members, ming, "push"), world.IssueCode(w, w.Members, hong, "push")
		claim := func(memberID, cardID, code string) error {
			_, err := w.Claim(w.Context(), memberID, []member.Claim{{CardID: cardID, Code: code, Plan: member.PlanPush}})
			return err
		}
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "wallet", OpenID: "O9", At: world.At(1)})
		for name, err := range map[string]error{
			"a code in a stranger's wallet": claim(ming, "push", "wallet"),
			"a code of another member":      claim(ming, "push", hongs), "a code that was never issued": claim(ming, "push", "0000000000000000"),
			"the number of another card": claim(ming, "push-b", mings), "the other way round": claim(hong, "push", mings),
		} {
			if !errors.Is(err, member.ErrNotYours) {
				w.Errorf("%s: got %v", name, err)
			}
		}
		if c := w.Card("push", hongs); c.Status != member.Issued || c.MemberID != hong {
			w.Errorf("refused claims have changed the card: %+v", c)
		}
		if _, err := w.Store.Card(w.Context(), "push", "0000000000000000"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("a refused claim has made a card: %v", err)
		}
		if err := claim(ming, "push", mings); err != nil {
			w.Errorf("one's own: %v", err)
		}
	})
}

func TestSubmit_ATicketIsGoodForOneCodeOfOneCard(t *testing.T) {
	runForms(t, func(w *world.World) {
		ming := world.Enroll(w, w.Members, world.Mini, "ming", "")
		submit := func(cardID, code string) error {
			claim := member.Claim{CardID: cardID, Code: code, Plan: member.PlanForm, ProvedOpenID: "O1"}
			_, err := w.Submit(w.Context(), ming, claim, member.Form{TicketHash: "t1"})
			return err
		}
		for range 2 { // a report may be repeated
			if err := submit("form", "s1"); err != nil {
				w.Fatal(err)
			}
		}
		for _, other := range [][2]string{{"form", "s2"}, {"form-b", "s1"}, {"form-b", "s2"}} {
			if err := submit(other[0], other[1]); !errors.Is(err, member.ErrTicketUsed) {
				w.Errorf("%v: got %v", other, err)
			}
			if _, err := w.Store.Card(w.Context(), other[0], other[1]); !errors.Is(err, member.ErrNotFound) {
				w.Errorf("%v was made all the same: %v", other, err)
			}
			if used, err := w.Submitted(w.Context(), "t1", other[0], other[1]); used || !errors.Is(err, member.ErrTicketUsed) {
				w.Errorf("%v: submitted %t, %v", other, used, err)
			}
		}
		if used, err := w.Submitted(w.Context(), "t1", "form", "s1"); !used || err != nil {
			w.Errorf("the code itself: submitted %t, %v", used, err)
		}
		if used, err := w.Submitted(w.Context(), "t2", "form", "s1"); used || err != nil {
			w.Errorf("another ticket: submitted %t, %v", used, err)
		}
	})
}

// A good ticket and the number of a card that is in use do not move that card.
func TestSubmit_ACardInUseStaysWithItsHolder(t *testing.T) {
	runForms(t, func(w *world.World) {
		ming := world.Enroll(w, w.Members, world.Mini, "ming", "")
		for code, cardID := range map[string]string{"booked": "form", "active": "auto", "unused": "form-b"} {
			w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: code, OpenID: "O-" + code, At: world.At(1)})
		}
		w.MustAddEntry("form", "booked", world.Points(5))
		if c := w.Card("auto", "active"); c.ActivatedAt.IsZero() || c.Seq != 0 {
			w.Fatalf("the active card: %+v", c)
		}
		for _, c := range []struct {
			cardID, code string
			want         error
		}{{"form", "booked", member.ErrNotYours}, {"auto", "active", member.ErrNotYours}, {"form-b", "unused", nil}} {
			before := w.Card(c.cardID, c.code)
			claim := member.Claim{CardID: c.cardID, Code: c.code, Plan: member.PlanForm, ProvedOpenID: "O-" + c.code}
			_, err := w.Submit(w.Context(), ming, claim, member.Form{TicketHash: "t " + c.code})
			after := w.Card(c.cardID, c.code)
			if !errors.Is(err, c.want) || (after.MemberID == ming) != (c.want == nil) || c.want != nil && after.MemberID != before.MemberID {
				w.Errorf("%s: got %v, it was %s's and is %s's", c.code, err, before.MemberID, after.MemberID)
			}
		}
	})
}
