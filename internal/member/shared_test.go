package member_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// In these stories WeChat gives one unionid, U, to several people. It did so once, in
// the events that cards were taken.
var sharedStories = map[string]story{
	"in events; each person has a unionid of its own": {
		early: []step{login("ming", "u1"), login("hong", "u2"), issue("ming", "push", "c1"), issue("hong", "push", "c2")},
		steps: []step{
			claim("ming", "push", "c1"),
			claim("hong", "push", "c2"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "c2", second: 1}),
		},
		want: `
push/c1 active of ming+O1
push/c2 active of hong+O2
hong+O2, ming+O1`,
	},
	"in events; no person has a unionid": {
		early: []step{login("ming", ""), login("hong", ""), issue("ming", "push", "c1"), issue("hong", "push", "c2")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "c2", second: 1}),
		},
		want: `
push/c1 active of ming+O1
push/c2 active of hong+O2
hong+O2, ming+O1`,
	},
	"in events; it is the unionid of a third person": {
		early: []step{
			login("ming", "u1"), login("hong", ""), login("lei", "U"),
			issue("ming", "push", "c1"), issue("hong", "push", "c2"), issue("lei", "push-2", "c3"),
		},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "c2", second: 1}),
			event(ev{name: world.Taken, openID: "O3", union: "U", cardID: "push-2", code: "c3", second: 2}),
			event(ev{name: world.Deleted, openID: "O3", cardID: "push-2", code: "c3", second: 3}),
		},
		wallet: map[string]string{"c3": "DELETE"},
		want: `
push-2/c3 deleted of lei+O3
push/c1 active of ming+O1
push/c2 active of hong+O2
hong+O2, lei+O3, ming+O1`,
	},
	"in events; the login of the third person comes late": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			login("lei", "U"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 1}),
		},
		want: `
push/c1 active of ming+O1
push/s2 active of O2
O2, lei, ming+O1`,
	},
	"in events; a card from a QR code joins no members": {
		steps: []step{
			login("ming", "U"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push-2", code: "s3", second: 2}),
		},
		want: `
push-2/s3 active of O1
push/s1 active of O1
push/s2 active of O2
O1, O2, ming`,
	},
	"in events, between those with the right one": {
		steps: []step{
			login("ming", "u1"),
			login("hong", "u2"),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push-2", code: "s2", second: 2}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s3", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push-2", code: "s4", second: 2}),
		},
		want: `
push-2/s2 active of ming+O1
push-2/s4 active of hong+O2
push/s1 active of ming+O1
push/s3 active of hong+O2
hong+O2, ming+O1`,
	},
	"in logins": {
		steps: []step{
			login("ming", "U"),
			login("hong", "U"),
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "s1", second: 1}),
		},
		want: `
push/s1 active of O1
O1, hong, ming`,
	},
	"in logins, between those with the right one": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			login("ming", "u1"), login("ming", "U"), login("hong", "U"), login("hong", "u2"),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "s2", second: 1}),
		},
		want: `
push/c1 active of ming+O1
push/s2 active of hong+O2
hong+O2, ming+O1`,
	},
	"and its join took the place of a join by a code": {
		early: []step{
			login("ming", ""), issue("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
		},
		steps: []step{
			login("ming", "U"),
			event(ev{name: world.Taken, openID: "O3", union: "U", cardID: "push", code: "s3", second: 2}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 2}),
		},
		want: `
push/c1 active of ming+O1
push/s2 active of O2
push/s3 active of O3
O2, O3, ming+O1`,
	},
	"and its join was ended before it was known to be wrong": {
		early: []step{login("ming", "u1"), issue("ming", "push", "c1")},
		steps: []step{
			login("ming", "U"),
			login("ming", "u1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O3", union: "U", cardID: "push", code: "s3", second: 2}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 2}),
		},
		want: `
push/c1 active of ming+O1
push/s2 active of O2
push/s3 active of O3
O2, O3, ming+O1`,
	},
	"and a code that was proved by a claim": {
		early: []step{login("ming", "u1"), prove("ming", "push", "s1", "O1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 1}),
		},
		want: `
push/s1 active of ming+O1
push/s2 active of O2
O2, ming+O1`,
	},
	"and a form": {
		early: []step{login("ming", "u1"), submit("ming", "form", "s1", "O1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "form", code: "s1", second: 1}),
			event(ev{name: world.Submitted, openID: "O1", cardID: "form", code: "s1", second: 2}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "s2", second: 1}),
		},
		want: `
form/s1 active of ming+O1
push/s2 active of O2
O2, ming+O1`,
	},
	"and a card that is given away": {
		early: []step{
			login("ming", "u1"), login("hong", "U"), issue("ming", "push", "c1"), claim("ming", "push", "c1"), credit("push", "c1", 30, 500),
			issue("hong", "push-2", "c2"),
		},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", union: "U", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push", code: "g1", second: 4, oldCode: "c1", friend: "O1"}),
			event(ev{name: world.Taken, openID: "O2", union: "U", cardID: "push-2", code: "c2", second: 5}),
		},
		wallet: map[string]string{"c1": "GIFT_SUCC"},
		want: `
push-2/c2 active of hong+O2
push/c1 gifted of ming+O1
push/g1 active 30 points 500 fen gold of hong+O2
hong+O2, ming+O1`,
	},
}

func TestSharedUnionID_AnyOrderEndsTheSame(t *testing.T) {
	t.Parallel()
	anyOrder(t, sharedStories)
}

// Any history in which some of the answers and events have U ends as if they had no
// unionid. No cardExt is forwarded in it: without unionids, the outcome of that
// depends on the order.
func TestSharedUnionID_AnyHistoryEndsAsWithoutIt(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				run := 0
				rapid.Check(w, func(rt *rapid.T) {
					run++
					replay(w, rt, newSharedHistory(rt), fmt.Sprintf("%d ", run))
				})
			})
		})
	}
}

// newSharedHistory returns a history in which people ask for a card and take it, take
// one from a QR code, and log in again. Of each person WeChat says nothing, the right
// unionid, or U, each time anew. At least two openids of the Official Account get U.
func newSharedHistory(rt *rapid.T) *history {
	h := emptyHistory(rt)
	right := map[string]bool{} // by person and app
	says := func(who, app string) string {
		union := rapid.SampledFrom([]string{"", "u" + who, "U", "U"}).Draw(rt, "unionid")
		right[who+app] = right[who+app] || union == "u"+who
		return union
	}
	scans := func(who, union string) { h.take(who, fmt.Sprint("s", len(h.copies)), "qr", union) }
	for range rapid.IntRange(1, 6).Draw(rt, "happenings") {
		h.second++
		who := rapid.SampledFrom(persons).Draw(rt, "who")
		switch what := rapid.SampledFrom([]string{"asks", "asks", "scans", "logs in"}).Draw(rt, "what"); {
		case what == "asks" && h.issued[who] == "":
			name := h.issue(who, says(who, world.Mini))
			h.take(who, name, "home", says(who, world.Official))
			h.steps = append(h.steps, claim(miniOf[who], "push", name))
		case what == "scans":
			scans(who, says(who, world.Official))
		default:
			h.steps = append(h.steps, login(miniOf[who], says(who, world.Mini)))
			h.loggedIn[who] = true
		}
	}
	for _, who := range rapid.Permutation(persons).Draw(rt, "who gets U")[:2] {
		scans(who, "U")
	}
	for _, who := range persons {
		h.joined[who] = h.issued[who] != "" || right[who+world.Mini] && right[who+world.Official]
	}
	return h
}

// An older version recorded the conflict, and went on using the unionid.
func TestResolveConflicts_UndoesWhatAnOlderVersionDid(t *testing.T) {
	world.Run(t, func(w *world.World) {
		err := w.Stores.Members.Write(w.Context(), func(ctx context.Context, tx member.Tx) error {
			for _, id := range []member.Identity{
				{AppID: world.Mini, OpenID: "ming", UnionID: "U", MemberID: "m1"},
				{AppID: world.Official, OpenID: "O1", UnionID: "U", MemberID: "m1"},
				{AppID: world.Official, OpenID: "O2", UnionID: "U", MemberID: "m2"},
				{AppID: world.Mini, OpenID: "hong", MemberID: "m3"},
			} {
				if there, err := tx.Exists(ctx, id.MemberID); !there && err == nil {
					if err := tx.AddMember(ctx, id.MemberID); err != nil {
						return err
					}
				}
				if _, err := tx.AddIdentity(ctx, id); err != nil {
					return err
				}
			}
			return tx.AddProof(ctx, member.Proof{MemberID: "m3", OpenID: "O1"})
		})
		if err != nil {
			w.Fatal(err)
		}
		sqldbtest.Exec(w.T, w.DB, `insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
			values ('wxofficial', 'O2', 'm2', 'm1', 1)`)
		for range 2 {
			if err := w.ResolveConflicts(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		for openID, want := range map[string]string{"O1": "m3", "O2": "m2"} {
			if id, err := w.Store.Identity(w.Context(), world.Official, openID); id.MemberID != want || id.UnionID != "" || err != nil {
				w.Errorf("%s: got %+v, %v, want member %s without a unionid", openID, id, err, want)
			}
		}
		if got, err := w.SharedUnionIDs(w.Context(), 9); len(got) != 1 || err != nil {
			w.Errorf("shared unionids: %v, %v", got, err)
		}
		if left, err := w.Store.Conflicts(w.Context()); len(left) != 0 || err != nil {
			w.Errorf("conflicts: %v, %v", left, err)
		}
	})
}
