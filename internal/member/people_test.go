package member_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/world"
)

// WeChat gives a person one openid in each app. If it seems to give two, the unionid
// joins no members any longer, and the operator can find out about it.
func TestEnroll_TwoOpenidsOfOneAppStayTwoMembers(t *testing.T) {
	for name, order := range map[string][][3]string{
		"mini-program":     {{world.Official, "O1", "u1"}, {world.Mini, "ming", "u1"}, {world.Mini, "hong", "u1"}},
		"Official Account": {{world.Mini, "ming", "u1"}, {world.Official, "O1", "u1"}, {world.Official, "hong", "u1"}},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				var ids []string
				for range 2 { // logins are repeated
					for _, who := range order {
						ids = append(ids, world.Enroll(w, w.Members, who[0], who[1], who[2]))
					}
				}
				if ids[0] == ids[2] || ids[1] == ids[2] || ids[2] != ids[5] || ids[3] == ids[4] {
					w.Errorf("members: %v", ids)
				}
				for i, who := range order { // sessions name these members
					if who[0] == world.Mini && ids[i] != ids[i+3] {
						w.Errorf("%s was member %s and is now %s", who[1], ids[i], ids[i+3])
					}
				}
				if got, err := w.SharedUnionIDs(w.Context(), 9); len(got) != 1 || got[0] != "u1" || err != nil {
					w.Errorf("shared unionids: %v, %v", got, err)
				}
				if got, err := w.Find(w.Context(), "u1", 9); len(got) != 3 || err != nil {
					w.Errorf("found by the unionid: %+v, %v, want three", got, err)
				}
			})
		})
	}
}

// With a test account the mini-program and the Official Account can be one app.
func TestReceive_WhereBothAppsAreOne(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := w.Services
		s.Members = member.New(s.Stores.Members, member.Apps{MiniProgram: world.Mini, Official: world.Mini}, w.Catalogue, s.Wake)
		ming, hong := world.Enroll(w, s.Members, world.Mini, "ming", "u1"), world.Enroll(w, s.Members, world.Mini, "hong", "u2")
		code := world.IssueCode(w, s.Members, ming, "push")
		for _, e := range []member.Event{
			{DedupeKey: "1", Name: world.Taken, CardID: "push", Code: code, OpenID: "ming", UnionID: "u1", At: world.At(1)},
			{DedupeKey: "2", Name: world.Taken, CardID: "push", Code: "s1", OpenID: "hong", UnionID: "u2", At: world.At(1)},
			{DedupeKey: "3", Name: world.Taken, CardID: "push", Code: "s2", OpenID: "lei", UnionID: "u3", At: world.At(1)},
		} {
			if err := s.Receive(w.Context(), e); err != nil {
				w.Error(err)
			}
		}
		lei := world.Enroll(w, s.Members, world.Mini, "lei", "u3")
		for code, want := range map[string]string{code: ming, "s1": hong, "s2": lei} {
			if c := w.Card("push", code); c.MemberID != want {
				w.Errorf("card %s: got member %s, want %s", code, c.MemberID, want)
			}
		}
	})
}

// WeChat says that the card is in the member's wallet, but the code was issued to
// another user of the mini-program: the operator has to decide.
func TestClaim_OfACodeIssuedToAnotherIsRefusedEvenWithProof(t *testing.T) {
	world.Run(t, func(w *world.World) {
		ming, hong := world.Enroll(w, w.Members, world.Mini, "ming", ""), world.Enroll(w, w.Members, world.Mini, "hong", "")
		code := world.IssueCode(w, w.Members, hong, "push")
		claims := []member.Claim{{CardID: "push", Code: "s1", ProvedOpenID: "O1"}, {CardID: "push", Code: code, ProvedOpenID: "O1"}}
		_, err := w.Claim(w.Context(), ming, claims)
		if refused := (*member.ClaimError)(nil); !errors.As(err, &refused) || refused.Index != 1 || !errors.Is(err, member.ErrNotYours) {
			w.Errorf("got %v, want ErrNotYours of the second", err)
		}
		if _, err := w.Store.Card(w.Context(), "push", "s1"); !errors.Is(err, member.ErrNotFound) {
			w.Errorf("all or nothing: the first was claimed: %v", err)
		}
		if _, err := w.OpenID(w.Context(), ming, world.Official); !errors.Is(err, member.ErrOpenIDUnknown) {
			w.Errorf("all or nothing: the openid was kept: %v", err)
		}
		if _, err := w.Claim(w.Context(), "unknown", claims); !errors.Is(err, member.ErrMemberUnknown) {
			w.Errorf("an unknown member: got %v", err)
		}
	})
}

// An operator types what is printed on a card, or a customer writes it in a chat.
func TestFind_IgnoresHowAnIdentifierIsTyped(t *testing.T) {
	world.Run(t, func(w *world.World) {
		for i, code := range []string{"7810727245995652", "VIP0007", "vip0008", "Ab1", "aB1", "A-1"} {
			w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: fmt.Sprint("O", i), CardID: "push", Code: code, At: world.At(1)})
		}
		for key, want := range map[string][]string{
			"7810727245995652": {"7810727245995652"}, "7810 7272 4599 5652": {"7810727245995652"}, " 7810727245995652\n": {"7810727245995652"},
			"７８１０７２７２４５９９５６５２": {"7810727245995652"}, "7810-7272-4599-5652": {"7810727245995652"}, "7810　7272\u200b45995652": {"7810727245995652"},
			"vip0007": {"VIP0007"}, "Vip-0007": {"VIP0007"}, "VIP0008": {"vip0008"}, "ＶＩＰ０００７": {"VIP0007"}, "a－1": {"A-1"},
			"Ab1": {"Ab1"}, "aB1": {"aB1"}, "AB1": nil, "781072724599565": nil, "": nil, " ": nil, "%": nil, "-": nil,
		} {
			found, err := w.Find(w.Context(), key, 9)
			var got []string
			for _, p := range found {
				for _, c := range p.Cards {
					got = append(got, c.Code)
				}
			}
			if !slices.Equal(got, want) || err != nil {
				t.Errorf("%q finds %v, %v, want %v", key, got, err, want)
			}
		}
	})
}

func TestErase_ALaterLoginIsANewMember(t *testing.T) {
	world.Run(t, func(w *world.World) {
		was, code := w.ClaimCard("push")
		w.ReceiveEvent(member.Event{Name: "user_get_card", CardID: "push", Code: code, UnionID: "U1", At: time.Now()})
		w.SendAll()
		if err := w.Erase(w.Context(), was); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cards(w.Context(), was); !errors.Is(err, member.ErrMemberUnknown) {
			t.Errorf("the old session: got %v, want ErrMemberUnknown", err)
		}
		if err := w.Erase(w.Context(), was); !errors.Is(err, member.ErrMemberUnknown) {
			t.Errorf("once more: got %v, want ErrMemberUnknown", err)
		}
		before := w.Card("push", code)

		// WeChat still sends events about the card, and the person logs in again.
		for _, name := range []string{"user_del_card", "user_get_card", "submit_membercard_user_info", "user_view_card"} {
			w.ReceiveEvent(
				member.Event{Name: name, CardID: "push", Code: code, UnionID: "U1", Restored: name == "user_get_card", At: time.Now().Add(time.Minute)},
			)
		}
		w.SendAll()
		now := world.Enroll(w, w.Members, world.Mini, "ming", "U1")
		if now == was {
			t.Error("the same member as before")
		}
		_, err := w.Claim(w.Context(), now, []member.Claim{{CardID: "push", Code: code, Plan: member.PlanPush, ProvedOpenID: "O1"}})
		if !errors.Is(err, member.ErrNotYours) {
			t.Errorf("a claim of the old code: got %v, want ErrNotYours", err)
		}
		if after := w.Card("push", code); after != before || after.Status != member.Unavailable || after.MemberID == was {
			t.Errorf("the card was %+v, is %+v", before, after)
		}
		if fresh := world.IssueCode(w, w.Members, now, "push"); fresh == code {
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

// WeChat delivers the event of a gift after the giver was erased. The recipient gets the
// card with all that is on it; the giver does not become known again.
func TestErase_ALateGiftDoesNotBringTheGiverBack(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: "O1", At: world.At(1)})
		w.MustAddEntry("push", code, world.Points(5))
		w.SendAll()
		giver := w.Card("push", code)
		if err := w.Erase(w.Context(), giver.MemberID); err != nil {
			w.Fatal(err)
		}
		w.ReceiveEvent(member.Event{
			Name: world.Taken, CardID: "push", Code: "g1", OpenID: "O2", OldCode: code, FriendOpenID: "O1", At: world.At(9),
			Fields: map[string]string{"FriendUserName": "O1", "OldUserCardCode": code},
		})
		w.SendAll()
		if c := w.Card("push", code); c.MemberID == giver.MemberID || c.Life.Wallet != "" || c.Status != member.Gifted {
			w.Errorf("the giver's card: %+v", c)
		}
		if c := w.Card("push", "g1"); c.Bonus != 5 || c.Life.Wallet != "O2" {
			w.Errorf("the recipient's card: %+v, want 5 points", c)
		}
		for _, key := range []string{"O1", code} {
			if found, err := w.Find(w.Context(), key, 9); len(found) != 0 || err != nil {
				w.Errorf("found by %s: %+v, %v", key, found, err)
			}
		}
		rows, err := w.DB.Read().Query(w.Context(), "select fields from event where code = 'g1' and fields like '%' || $1 || '%'", "O1")
		if err != nil {
			w.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		if rows.Next() || rows.Err() != nil {
			w.Errorf("the event has the giver's openid, %v", rows.Err())
		}
		w.WantBalanced()
	})
}

// The reconciler read the wallet before its owner was erased.
func TestErase_AWalletReadBeforeDoesNotBringThePersonBack(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: "O1", At: world.At(1)})
		c := w.Card("push", code)
		if err := w.Erase(w.Context(), c.MemberID); err != nil {
			w.Fatal(err)
		}
		if err := w.RecordFound(w.Context(), "push", code, "O1", ""); err != nil {
			w.Fatal(err)
		}
		if found, err := w.Find(w.Context(), "O1", 9); len(found) != 0 || err != nil {
			w.Errorf("found: %+v, %v", found, err)
		}
	})
}

// dump returns all that the database has about a text, as "table.column: value".
func dump(w *world.World, text string) (found []string) {
	tables, err := sqldb.All(w.Context(), w.DB.Read(), "list tables", sqldb.Text, `select name from sqlite_schema where type = 'table'`)
	if err != nil {
		w.Fatal(err)
	}
	for _, table := range tables {
		rows, err := w.DB.Read().Query(w.Context(), "select * from "+table)
		if err != nil {
			w.Fatal(err)
		}
		columns, err := rows.ColumnTypes()
		if err != nil {
			w.Fatal(err)
		}
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				w.Fatal(err)
			}
			for i, cell := range cells {
				if value := fmt.Sprint(*cell.(*any)); strings.Contains(value, text) {
					found = append(found, table+"."+columns[i].Name()+": "+value)
				}
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			w.Fatal(err)
		}
	}
	return found
}

// cardEvents are the names of all events about a person's card.
var cardEvents = []string{
	world.Taken, world.Deleted, world.Submitted, world.Gifting, "user_consume_card", "user_view_card", "update_member_card",
	"user_enter_session_from_card", "user_pay_from_pay_cell", "user_del_from_card",
}

// An event names the erased again: about each code that was the person's, known from a
// card, from an event only, or from a card of an unknown account; from before and after
// the erasure; once, twice, and as a repetition of one that came before. Nothing of it is
// stored.
func TestErase_NoLaterEventNamesThePersonAgain(t *testing.T) {
	for _, name := range cardEvents {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				erasure := time.Now().Add(time.Hour)
				code := w.ActivateCard("push")
				early := []member.Event{
					{Name: world.Taken, CardID: "push", Code: code},
					{Name: "user_view_card", CardID: "push", Code: "seen"},
					{Name: world.Taken, CardID: "unknown", Code: "u1"},
				}
				for i := range early {
					early[i].OpenID, early[i].UnionID, early[i].At = "O1-erased", "U1-erased", erasure.Add(-time.Minute)
					early[i].DedupeKey, early[i].Fields = fmt.Sprint("early ", i), map[string]string{"FromUserName": "O1-erased"}
					if err := w.Receive(w.Context(), early[i]); err != nil {
						t.Fatal(err)
					}
				}
				memberID := w.Card("push", code).MemberID
				time.Sleep(time.Until(erasure))
				if err := w.Erase(w.Context(), memberID); err != nil {
					t.Fatal(err)
				}
				for _, e := range early { // WeChat repeats it
					if err := w.Receive(w.Context(), e); err != nil {
						t.Fatal(err)
					}
				}
				for i, key := range [][2]string{{"push", code}, {"push", "seen"}, {"unknown", "u1"}, {"push", "never heard of"}} {
					for j, at := range []time.Time{erasure.Add(-time.Second), erasure.Add(-time.Hour), erasure.Add(time.Minute), erasure.Add(time.Hour)} {
						if j >= 2 && i == 3 {
							continue // that is a card that the person takes anew
						}
						e := member.Event{
							DedupeKey: fmt.Sprint("late ", i, j), Name: name, CardID: key[0], Code: key[1], OpenID: "O1-erased", UnionID: "U1-erased",
							At: at, FriendOpenID: "O2", Restored: j == 3, Fields: map[string]string{"FromUserName": "O1-erased", "UnionId": "U1-erased"},
						}
						if err := w.Receive(w.Context(), e); err != nil {
							t.Fatal(err)
						}
						for _, found := range append(dump(w, "O1-erased"), dump(w, "U1-erased")...) {
							t.Fatalf("event of card %v at %v: %s", key, at.Sub(erasure), found)
						}
					}
				}
				w.SendAll()
				for _, found := range append(dump(w, "O1-erased"), dump(w, "U1-erased")...) {
					t.Error(found)
				}
			})
		})
	}
}

// The person is the friend of a late event.
func TestErase_NoLaterEventNamesThePersonAsAFriend(t *testing.T) {
	for _, name := range cardEvents {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				was := w.Card("push", w.ActivateCard("push"))
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: was.Code, OpenID: "O1-erased", At: time.Now()})
				erasure := time.Now()
				if err := w.Erase(w.Context(), w.Card("push", was.Code).MemberID); err != nil {
					t.Fatal(err)
				}
				w.ReceiveEvent(member.Event{
					Name: name, CardID: "push", Code: "g1", OldCode: "g0", OpenID: "O2", FriendOpenID: "O1-erased", At: erasure.Add(-time.Second),
					Fields: map[string]string{"FriendUserName": "O1-erased"},
				})
				for _, found := range dump(w, "O1-erased") {
					t.Error(found)
				}
			})
		})
	}
}

// Erased is not banned: who takes a card anew is a new member who begins with nothing.
func TestErase_ThePersonMayTakeTheCardAnew(t *testing.T) {
	world.Run(t, func(w *world.World) {
		was, code := w.ClaimCard("push")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: "O1", UnionID: "U1", At: time.Now()})
		w.SendAll()
		w.MustAddEntry("push", code, world.Points(5))
		if err := w.Erase(w.Context(), was); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "from a QR code", OpenID: "O1", UnionID: "U1", At: time.Now()})
		now := world.Enroll(w, w.Members, world.Mini, "ming", "U1")
		if c := w.Card("push", "from a QR code"); now == was || c.MemberID != now || c.Bonus != 0 || !c.InWallet() {
			t.Errorf("the card anew: %+v, of %s, who was %s", c, now, was)
		}
		fresh := world.IssueCode(w, w.Members, now, "auto")
		if _, err := w.Claim(w.Context(), now, []member.Claim{{CardID: "auto", Code: fresh, Plan: member.PlanAuto}}); err != nil {
			t.Errorf("a claim of another card: %v", err)
		}
	})
}

// The reconciler read the wallet, with a code that addcard does not know, before its
// owner was erased.
func TestErase_AnUnknownCodeInAWalletReadBeforeDoesNotBringThePersonBack(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: code, OpenID: "O1", At: time.Now()})
		for _, found := range []struct {
			code string
			want int
		}{{"s1", 1}, {"s2", 0}} {
			if found.want == 0 {
				if err := w.Erase(w.Context(), w.Card("push", code).MemberID); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.RecordFound(w.Context(), "push", found.code, "O1", ""); err != nil {
				t.Fatal(err)
			}
			if people, err := w.Find(w.Context(), found.code, 9); len(people) != found.want || err != nil {
				t.Errorf("%s: %+v, %v, want %d", found.code, people, err, found.want)
			}
		}
		if found := dump(w, "O1"); len(found) != 0 {
			t.Error(found)
		}
	})
}
