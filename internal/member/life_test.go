package member_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/testing/world"
)

// These stories leave out what cannot end the same in every order. Without unionids
// (the account and the mini-program are not bound to one Open Platform account), a
// cardExt that its member forwarded and a friend used looks exactly like one that its
// member used. If the member's own Official Account openid is known by then, the
// friend stays another person; if not, the friend is mistaken for the member. The same
// holds for the first person to post a system code that is not in their wallet. A
// unionid that comes later, from either side, corrects both; those orders are here.
var stories = map[string]story{
	"taken through the mini-program": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1, outer: "home"}),
			event(ev{name: "user_view_card", openID: "O1", cardID: "push", code: "c1", second: 2}),
		},
		want: `
push/c1 active home of ming+O1
ming+O1`,
	},
	// The database was restored, or the events were lost.
	"a card that only later events show": {
		early: []step{login("ming", "u1")},
		steps: []step{
			event(ev{name: "user_view_card", openID: "O1", union: "u1", cardID: "push", code: "c1", second: 2}),
			event(ev{name: "update_member_card", openID: "O1", union: "u1", cardID: "push", code: "c1", second: 3}),
		},
		want: `
push/c1 active of ming+O1
ming+O1`,
	},
	"taken, and activated by itself": {
		early: []step{login("ming", ""), issue("ming", "auto", "c1")},
		steps: []step{
			claim("ming", "auto", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "auto", code: "c1", second: 1}),
		},
		want: `
auto/c1 active of ming+O1
ming+O1`,
	},
	"taken, and never activated": {
		early: []step{login("ming", ""), issue("ming", "manual", "c1")},
		steps: []step{
			claim("ming", "manual", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "manual", code: "c1", second: 1}),
		},
		want: `
manual/c1 claimed of ming+O1
ming+O1`,
	},
	"through the open-card component": {
		steps: []step{
			submit("ming", "form", "s1", "O1"),
			submit("ming", "form", "s1", "O1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "form", code: "s1", second: 1, outer: "door"}),
			event(ev{name: world.Submitted, openID: "O1", cardID: "form", code: "s1", second: 2}),
		},
		want: `
form/s1 active door of ming+O1
ming+O1`,
	},
	"a form to fill in": {
		steps: []step{
			login("ming", "u1"),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "form", code: "s1", second: 1}),
			event(ev{name: world.Submitted, openID: "O1", cardID: "form", code: "s1", second: 2}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "form-2", code: "s2", second: 3}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "form-2", code: "s2", second: 9, restored: true}),
		},
		want: `
form-2/s2 claimed of ming+O1
form/s1 active of ming+O1
ming+O1`,
	},
	"deleted": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1, outer: "home"}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "c1", second: 5}),
		},
		wallet: map[string]string{"c1": "DELETE"},
		want: `
push/c1 deleted home of ming+O1
ming+O1`,
	},
	// WeChat is not asked about a manual card, so the events alone decide.
	"taken and deleted in one second": {
		early: []step{login("ming", ""), issue("ming", "manual", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "manual", code: "c1", second: 5}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "manual", code: "c1", second: 5}),
		},
		want: `
manual/c1 deleted of ming+O1
ming+O1`,
	},
	"deleted and restored in one second": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1, outer: "home"}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "c1", second: 5}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 5, restored: true}),
		},
		wallet: map[string]string{"c1": "not said"},
		want: `
push/c1 active home of ming+O1
ming+O1`,
	},
	"deleted, restored and taken again through another channel": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1, outer: "home"}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "s1", second: 5}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 6, restored: true, outer: "qr"}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "s1", second: 7}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 8, restored: true}),
		},
		wallet: map[string]string{"s1": "not said"},
		want: `
push/s1 active qr of O1
O1`,
	},
	"restored, which only the phone says": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "c1", second: 5}),
		},
		late: []step{claim("ming", "push", "c1"), claim("ming", "push", "c1")},
		want: `
push/c1 active of ming+O1
ming+O1`,
	},
	"made unavailable": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 7, restored: true}),
		},
		wallet: map[string]string{"c1": "UNAVAILABLE"},
		want: `
push/c1 unavailable of ming+O1
ming+O1`,
	},
	"of a card that is fetched late": {
		early: []step{login("ming", ""), issue("ming", "late-1", "c1")},
		steps: []step{
			claim("ming", "late-1", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "late-1", code: "c1", second: 1, outer: "home"}),
			event(ev{name: world.Taken, openID: "O1", cardID: "late-2", code: "s1", second: 1}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "late-2", code: "s1", second: 2}),
			event(ev{name: world.Taken, openID: "O3", cardID: "foreign", code: "f1", second: 2}),
		},
		wallet: map[string]string{"s1": "DELETE"},
		want: `
late-1/c1 active home of ming+O1
late-2/s1 deleted of ming+O1
ming+O1`,
	},

	// Which openids are one member.

	"met in the shop, joined by unionid": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push-2", code: "s1", second: 1, outer: "qr"}),
			login("ming", "u1"),
			event(ev{name: world.Submitted, openID: "O1", cardID: "push-2", code: "s1", second: 2}),
		},
		want: `
push-2/s1 active qr of ming+O1
ming+O1`,
	},
	"met in the shop, joined by a code": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push-2", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 2}),
			claim("ming", "push", "c1"),
		},
		want: `
push-2/s1 active of ming+O1
push/c1 active of ming+O1
ming+O1`,
	},
	"the unionid comes late, with a login and with the second card": {
		early: []step{login("ming", "")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push-2", code: "s2", second: 2}),
			login("ming", "u1"),
		},
		want: `
push-2/s2 active of ming+O1
push/s1 active of ming+O1
ming+O1`,
	},
	"a system code proved by a claim": {
		early: []step{login("ming", "")},
		steps: []step{
			prove("ming", "push", "s1", "O1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1, outer: "qr"}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push-2", code: "s2", second: 2}),
		},
		want: `
push-2/s2 active of ming+O1
push/s1 active qr of ming+O1
ming+O1`,
	},
	"a system code proved by a claim, with unionids": {
		early: []step{login("ming", "u1")},
		steps: []step{
			prove("ming", "push", "s1", "O1"),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Deleted, openID: "O1", cardID: "push", code: "s1", second: 5}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push", code: "s1", second: 6, restored: true}),
		},
		want: `
push/s1 active of ming+O1
ming+O1`,
	},
	"the issued code of another is refused": {
		early: []step{login("ming", ""), login("hong", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			claim("ming", "push", "c1"),
			refused("hong", "push", "c1", ""),
			refused("hong", "push", "never issued", ""),
		},
		want: `
push/c1 active of ming+O1
hong, ming+O1`,
	},
	"the code of a person met in the shop is refused": {
		early: []step{login("ming", ""), event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "s1", second: 1})},
		steps: []step{
			refused("ming", "push", "s1", ""),
			event(ev{name: world.Taken, openID: "O2", cardID: "push-2", code: "s2", second: 2}),
		},
		want: `
push-2/s2 active of O2
push/s1 active of O2
O2, ming`,
	},
	"the system code of a user is refused": {
		early: []step{
			login("ming", ""),
			login("hong", "u2"),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "s1", second: 1}),
		},
		steps: []step{
			refused("ming", "push", "s1", "O2"),
			prove("hong", "push", "s1", "O2"),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push-2", code: "s2", second: 2}),
			refused("ming", "push-2", "s2", "O2"),
		},
		want: `
push-2/s2 active of hong+O2
push/s1 active of hong+O2
hong+O2, ming`,
	},
	// ming may be the first to post it, and has it until WeChat says that it is hong's.
	"the system code of another, claimed before the event": {
		early: []step{login("ming", "u1"), login("hong", "u2")},
		steps: []step{
			prove("ming", "push", "s1", "O2"),
			prove("hong", "push", "s1", "O2"),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push-2", code: "s2", second: 1}),
		},
		want: `
push-2/s2 active of ming+O1
push/s1 active of hong+O2
hong+O2, ming+O1`,
	},
	"a forwarded cardExt": {
		early: []step{login("ming", "u1"), login("hong", "u2"), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push-2", code: "s1", second: 2}),
			claim("ming", "push", "c1"),
			claim("hong", "push", "c1"),
		},
		want: `
push-2/s1 active of ming+O1
push/c1 active of hong+O2
hong+O2, ming+O1`,
	},
	// Only user_get_card has a UnionId, so any other event that comes first says less.
	"a forwarded cardExt, its form and its deletion": {
		early: []step{login("ming", "u1"), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Submitted, openID: "O2", cardID: "push", code: "c1", second: 2}),
			event(ev{name: world.Deleted, openID: "O2", cardID: "push", code: "c1", second: 3}),
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push-2", code: "s1", union: "u1", second: 2}),
		},
		wallet: map[string]string{"c1": "DELETE"},
		want: `
push-2/s1 active of ming+O1
push/c1 deleted of O2
O2, ming+O1`,
	},
	"a forwarded cardExt, taken by a person with another unionid": {
		early: []step{login("ming", "u1"), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Submitted, openID: "O2", cardID: "push", code: "c1", second: 2}),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "c1", second: 1}),
		},
		want: `
push/c1 active of O2
O2, ming`,
	},
	"a forwarded cardExt, taken by a person without one": {
		early: []step{login("ming", "u1"), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Submitted, openID: "O2", cardID: "push", code: "c1", second: 2}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push-2", code: "s1", union: "u1", second: 2}),
		},
		want: `
push-2/s1 active of ming+O1
push/c1 active of O2
O2, ming+O1`,
	},
	"a forwarded cardExt, of a member who is known": {
		early: []step{
			login("ming", ""), issue("ming", "push", "c1"), event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			issue("ming", "push-2", "c2"),
		},
		steps: []step{
			claim("ming", "push-2", "c2"),
			event(ev{name: world.Taken, openID: "O2", cardID: "push-2", code: "c2", second: 2}),
		},
		want: `
push-2/c2 active of O2
push/c1 active of ming+O1
O2, ming+O1`,
	},
	"a forwarded cardExt, and the member's unionid comes late": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push-2", code: "s1", second: 2}),
			claim("ming", "push", "c1"),
			login("ming", "u1"),
		},
		want: `
push-2/s1 active of ming+O1
push/c1 active of O2
O2, ming+O1`,
	},
	"a forwarded cardExt, and the friend's login comes late": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "c1", second: 1}),
			claim("ming", "push", "c1"),
			login("hong", "u2"),
		},
		want: `
push/c1 active of hong+O2
hong+O2, ming`,
	},
	"a code issued, and another of that card taken": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 2}),
			claim("ming", "push", "c1"),
		},
		want: `
push/c1 active of ming+O1
push/s1 active of ming+O1
ming+O1`,
	},
	"a code issued and not taken, another of that card taken": {
		early: []step{login("ming", ""), issue("ming", "push", "c1")},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", union: "u1", cardID: "push", code: "s1", second: 1}),
			login("ming", "u1"),
		},
		want: `
push/s1 active of ming+O1
ming+O1`,
	},
	"two people, the same second": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push-2", code: "s2", second: 1}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "s3", second: 1}),
		},
		want: `
push-2/s2 active of O1
push/s1 active of O1
push/s3 active of O2
O1, O2`,
	},

	// Gifts.

	"given to a friend": {
		early: []step{login("ming", ""), issue("ming", "push", "c1"), claim("ming", "push", "c1"), credit("push", "c1", 30, 500)},
		steps: []step{
			claim("ming", "push", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1, outer: "home"}),
			event(ev{name: world.Gifting, openID: "O1", cardID: "push", code: "c1", second: 3, friend: "O2"}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 4, oldCode: "c1", friend: "O1"}),
		},
		wallet: map[string]string{"c1": "GIFT_SUCC"},
		want: `
push/c1 gifted home of ming+O1
push/g1 active 30 points 500 fen gold of O2
O2, ming+O1`,
	},
	"given to a friend who had asked for a card": {
		early: []step{
			login("ming", ""),
			login("hong", "u2"),
			issue("ming", "push", "c1"),
			issue("hong", "push", "c2"),
			claim("ming", "push", "c1"),
			credit("push", "c1", 30, 500),
		},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", union: "u2", cardID: "push", code: "g1", second: 4, oldCode: "c1", friend: "O1"}),
			prove("hong", "push", "g1", "O2"),
		},
		wallet: map[string]string{"c1": "GIFT_SUCC"},
		want: `
push/c1 gifted of ming+O1
push/g1 active 30 points 500 fen gold of hong+O2
hong+O2, ming+O1`,
	},
	"given to a friend who deletes it": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 4, oldCode: "s1", friend: "O1"}),
			event(ev{name: world.Deleted, openID: "O2", cardID: "push", code: "g1", second: 9}),
		},
		wallet: map[string]string{"s1": "GIFT_SUCC", "g1": "DELETE"},
		want: `
push/g1 deleted of O2
push/s1 gifted of O1
O1, O2`,
	},
	"given to a friend who deletes and restores it": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1, outer: "qr"}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 4, oldCode: "s1", friend: "O1"}),
			event(ev{name: world.Deleted, openID: "O2", cardID: "push", code: "g1", second: 9}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 9, oldCode: "s1", friend: "O1", restored: true}),
		},
		wallet: map[string]string{"s1": "GIFT_SUCC"},
		want: `
push/g1 active of O2
push/s1 gifted qr of O1
O1, O2`,
	},
	"given by a person who is not named": {
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "s1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 4, oldCode: "s1"}),
		},
		wallet: map[string]string{"s1": "GIFT_SUCC"},
		want: `
push/g1 active of O2
push/s1 gifted of O1
O1, O2`,
	},
	"given on and on, with its initial grant": {
		early: []step{login("ming", ""), issue("ming", "push-grant", "c1")},
		steps: []step{
			claim("ming", "push-grant", "c1"),
			event(ev{name: world.Taken, openID: "O1", cardID: "push-grant", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push-grant", code: "g1", second: 2, oldCode: "c1", friend: "O1"}),
			event(ev{name: world.Taken, openID: "O3", cardID: "push-grant", code: "g2", second: 3, oldCode: "g1", friend: "O2"}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push-grant", code: "g3", second: 4, oldCode: "g2", friend: "O3"}),
			event(ev{name: world.Deleted, openID: "O2", cardID: "push-grant", code: "g3", second: 5}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push-grant", code: "g3", second: 6, restored: true}),
		},
		wallet: map[string]string{"g1": "GIFT_SUCC", "g2": "GIFT_SUCC"},
		want: `
push-grant/c1 gifted of ming+O1
push-grant/g1 gifted of O2
push-grant/g2 gifted of O3
push-grant/g3 active 100 points 7 fen  of O2
O2, O3, ming+O1`,
	},
	"given on, and back to the first": {
		early: []step{login("ming", ""), issue("ming", "push", "c1"), claim("ming", "push", "c1"), credit("push", "c1", 30, 500)},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Taken, openID: "O2", cardID: "push", code: "g1", second: 2, oldCode: "c1", friend: "O1"}),
			event(ev{name: world.Taken, openID: "O3", cardID: "push", code: "g2", second: 3, oldCode: "g1", friend: "O2"}),
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "g3", second: 4, oldCode: "g2", friend: "O3"}),
		},
		wallet: map[string]string{"c1": "GIFT_SUCC", "g1": "GIFT_SUCC", "g2": "GIFT_SUCC"},
		want: `
push/c1 gifted of ming+O1
push/g1 gifted of O2
push/g2 gifted of O3
push/g3 active 30 points 500 fen gold of ming+O1
O2, O3, ming+O1`,
	},
	"a gift that came back": {
		early: []step{login("ming", ""), issue("ming", "push", "c1"), claim("ming", "push", "c1"), credit("push", "c1", 30, 500)},
		steps: []step{
			event(ev{name: world.Taken, openID: "O1", cardID: "push", code: "c1", second: 1}),
			event(ev{name: world.Gifting, openID: "O1", cardID: "push", code: "c1", second: 3, friend: "O2"}),
			event(ev{name: world.Gifting, openID: "O1", cardID: "push", code: "c1", second: 8, friend: "O2", outer: "IsReturnBack"}),
		},
		want: `
push/c1 active 30 points 500 fen gold of ming+O1
ming+O1`,
	},
}

// Whatever the order in which claims and events arrive, and however often, the wallets
// and the members end the same.
func TestLife_AnyOrderWithDuplicatesEndsTheSame(t *testing.T) {
	t.Parallel()
	anyOrder(t, stories)
}

func anyOrder(t *testing.T, stories map[string]story) {
	t.Helper()
	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				run := 0
				rapid.Check(w, func(rt *rapid.T) {
					run++
					p := newRun(w, fmt.Sprintf("%d ", run))
					steps := rapid.Permutation(repeated(rt, st.steps)).Draw(rt, "order")
					p.runEarly(rt, st.early)
					for name, status := range st.wallet {
						p.WeChat.SetStatus(p.code(name), status)
					}
					if got, want := p.run(rt, steps, st.late), strings.TrimSpace(st.want); got != want {
						rt.Fatalf("got\n%s\nwant\n%s", got, want)
					}
				})
			})
		})
	}
}

// repeated returns the steps with some of them repeated, or all of them three times.
func repeated(rt *rapid.T, steps []step) []step {
	if rapid.IntRange(0, 3).Draw(rt, "three deliveries") == 0 {
		return slices.Concat(steps, steps, steps)
	}
	all := slices.Clone(steps)
	for range rapid.IntRange(0, 3).Draw(rt, "duplicates") {
		all = append(all, steps[rapid.IntRange(0, len(steps)-1).Draw(rt, "which")])
	}
	return all
}
