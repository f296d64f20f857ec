package member_test

import (
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

func TestErase_whoever_comes_later_is_somebody_new(t *testing.T) {
	bubble(t, func(w *world) {
		was, code := w.claimed("push")
		w.hear(member.Event{Name: "user_get_card", CardID: "push", Code: code, UnionID: "U1", At: time.Now()})
		w.send()
		if err := w.Erase(w.Context(), was); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cards(w.Context(), was); !errors.Is(err, member.ErrMemberUnknown) {
			t.Errorf("the old session: got %v, want ErrMemberUnknown", err)
		}
		if err := w.Erase(w.Context(), was); !errors.Is(err, member.ErrNobody) {
			t.Errorf("once more: got %v, want ErrNobody", err)
		}
		before := w.card("push", code)

		// WeChat goes on telling of the card, and the person logs in again.
		for _, name := range []string{"user_del_card", "user_get_card", "submit_membercard_user_info", "user_view_card"} {
			w.hear(member.Event{Name: name, CardID: "push", Code: code, UnionID: "U1", Restored: name == "user_get_card", At: time.Now().Add(time.Minute)})
		}
		w.send()
		now := enroll(w, w.Service, mini, "ming", "U1")
		if now == was {
			t.Error("the same member as before")
		}
		_, err := w.Claim(w.Context(), now, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush, ProvedOpenID: "O1"}})
		if !errors.Is(err, member.ErrNotYours) {
			t.Errorf("a claim of the old code: got %v, want ErrNotYours", err)
		}
		if after := w.card("push", code); after != before || after.Status != member.Unavailable || after.MemberID == was {
			t.Errorf("the card was %+v, is %+v", before, after)
		}
		if fresh := codeOf(w, w.Service, now, "push"); fresh == code {
			t.Error("the old code was issued again")
		}
		people, err := w.Find(w.Context(), "O1", 10)
		if len(people) != 0 || err != nil {
			t.Errorf("the wallet's openid is known again: %+v, %v", people, err)
		}
		if people, err = w.Find(w.Context(), now, 10); len(people) != 1 || err != nil || people[0].ID != now || len(people[0].Cards) != 1 {
			t.Errorf("got %+v, %v", people, err)
		}
	})
}
