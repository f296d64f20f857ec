package cardsync_test

import (
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// WeChat gives nobody two openids in one app. Should it look so, nobody gets
// another's cards, and an operator is told.
func TestEnroll_two_openids_of_one_app_stay_two_members(t *testing.T) {
	for name, order := range map[string][][3]string{
		"mini-program":     {{official, "O1", "u1"}, {mini, "ming", "u1"}, {mini, "hong", "u1"}},
		"Official Account": {{mini, "ming", "u1"}, {official, "O1", "u1"}, {official, "hong", "u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				var ids []string
				for range 2 { // logins are repeated
					for _, who := range order {
						ids = append(ids, enroll(w, w.services, who[0], who[1], who[2]))
					}
				}
				if ids[0] == ids[2] || ids[1] == ids[2] || ids[2] != ids[5] || ids[4] != ids[1] {
					w.Errorf("members: %v", ids)
				}
				if got := w.conflicts(); len(got) != 1 || got[0] != "hong" {
					w.Errorf("conflicts: %v", got)
				}
			})
		})
	}
}

// With a test account the mini-program and the Official Account can be one app.
func TestReceive_where_both_apps_are_one(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.services
		s.memberService = member.New(s.on.members, member.Apps{MiniProgram: mini, Official: mini}, w.cards, s.Wake)
		ming, hong := enroll(w, s, mini, "ming", "u1"), enroll(w, s, mini, "hong", "u2")
		code := codeOf(w, s, ming, "push")
		for _, e := range []member.Event{
			{DedupeKey: "1", Name: taken, CardID: "push", Code: code, OpenID: "ming", UnionID: "u1", At: at(1)},
			{DedupeKey: "2", Name: taken, CardID: "push", Code: "s1", OpenID: "hong", UnionID: "u2", At: at(1)},
			{DedupeKey: "3", Name: taken, CardID: "push", Code: "s2", OpenID: "lei", UnionID: "u3", At: at(1)},
		} {
			if err := s.Receive(w.Context(), e); err != nil {
				w.Error(err)
			}
		}
		lei := enroll(w, s, mini, "lei", "u3")
		for code, want := range map[string]string{code: ming, "s1": hong, "s2": lei} {
			if c := w.card("push", code); c.MemberID != want {
				w.Errorf("card %s: got member %s, want %s", code, c.MemberID, want)
			}
		}
	})
}

// WeChat says that the card is in the member's wallet, but another user of the
// mini-program was issued the code: the shop has to sort that out.
func TestClaim_of_a_code_issued_to_another_is_refused_even_with_proof(t *testing.T) {
	bubble(t, func(w *world) {
		ming, hong := enroll(w, w.services, mini, "ming", ""), enroll(w, w.services, mini, "hong", "")
		code := codeOf(w, w.services, hong, "push")
		claims := []member.Claim{{CardID: "push", Code: "s1", ProvedOpenID: "O1"}, {CardID: "push", Code: code, ProvedOpenID: "O1"}}
		_, err := w.Claim(w.Context(), ming, claims)
		if refused := (*member.ClaimError)(nil); !errors.As(err, &refused) || refused.Index != 1 || !errors.Is(err, member.ErrNotYours) {
			w.Errorf("got %v, want ErrNotYours of the second", err)
		}
		if _, err := w.store.Card(w.Context(), "push", "s1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("all or nothing: the first was claimed: %v", err)
		}
		if _, err := w.OpenID(w.Context(), ming, official); !errors.Is(err, member.ErrOpenIDUnknown) {
			w.Errorf("all or nothing: the openid was kept: %v", err)
		}
		if _, err := w.Claim(w.Context(), "nobody", claims); !errors.Is(err, member.ErrMemberUnknown) {
			w.Errorf("a stranger: got %v", err)
		}
	})
}

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
		if err := w.Erase(w.Context(), was); !errors.Is(err, member.ErrMemberUnknown) {
			t.Errorf("once more: got %v, want ErrNobody", err)
		}
		before := w.card("push", code)

		// WeChat goes on telling of the card, and the person logs in again.
		for _, name := range []string{"user_del_card", "user_get_card", "submit_membercard_user_info", "user_view_card"} {
			w.hear(member.Event{Name: name, CardID: "push", Code: code, UnionID: "U1", Restored: name == "user_get_card", At: time.Now().Add(time.Minute)})
		}
		w.send()
		now := enroll(w, w.services, mini, "ming", "U1")
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
		if fresh := codeOf(w, w.services, now, "push"); fresh == code {
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
