package member_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// The account, its proof, the card, what is booked and what is sent may come in any
// order. The holder has the figures of the file and what was booked, here and on the
// face, and no initial grant.
func TestImported_JoinsInAnyOrder(t *testing.T) {
	account := member.Imported{Bonus: 2350, Balance: 1280, MembershipNumber: "VIP-7", Fields: [3]string{"gold", "", ""}}
	steps := map[string]func(w *world.World, cardID string){
		"import": func(w *world.World, cardID string) {
			a := account
			a.CardID, a.UnionID = cardID, "union-ming"
			w.Import(a)
		},
		"proof": func(w *world.World, _ string) { world.Enroll(w, w.Members, world.Mini, "ming", "union-ming") },
		"take": func(w *world.World, cardID string) {
			if _, code := w.ClaimCard(cardID); cardID == "auto-grant" {
				w.WeChat.Activated[code] = 1
			}
		},
		"send": func(w *world.World, _ string) { w.SendAll() },
		"book": func(w *world.World, cardID string) {
			w.MustAddEntry(cardID, codeOf(w, cardID), ledger.Booking{AddBonus: 50, RecordBonus: "shopping"})
		},
	}
	for i, order := range permutations([]string{"import", "proof", "take", "send", "book"}) {
		if at := strings.Join(order, " "); strings.Index(at, "take") > strings.Index(at, "book") {
			continue // there is nothing to book on
		}
		cardIDs := []string{"push-grant", "auto-grant", "form"}
		if i%3 > 0 {
			cardIDs = cardIDs[:1] // the others have fewer orders of their own
		}
		for _, cardID := range cardIDs {
			t.Run(fmt.Sprint(cardID, order), func(t *testing.T) {
				world.Run(t, func(w *world.World) {
					for _, step := range order {
						steps[step](w, cardID)
					}
					if code := codeOf(w, cardID); cardID == "form" {
						w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: cardID, Code: code, OpenID: "o-ming", At: world.At(9)})
					}
					w.SendAll()
					c := w.Card(cardID, codeOf(w, cardID))
					if c.Bonus != 2400 || c.Balance != 1280 || c.Status != member.Active || c.Fields[0] != "gold" {
						w.Errorf("got %+v", c)
					}
					if f := w.WeChat.Face(c.Code); f.Bonus != 2400 || f.Balance != 1280 {
						w.Errorf("the face shows %+v", f)
					}
					w.WantBalanced()
				})
			})
		}
	}
}

// codeOf returns the code of the member ming's card.
func codeOf(w *world.World, cardID string) string {
	w.Helper()
	return world.IssueCode(w, w.Members, world.Enroll(w, w.Members, world.Mini, "ming", ""), cardID)
}

func permutations(list []string) (all [][]string) {
	if len(list) == 0 {
		return [][]string{nil}
	}
	for i := range list {
		rest := append(append([]string{}, list[:i]...), list[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]string{list[i]}, p...))
		}
	}
	return all
}

// A code in the wallet is a proof.
func TestImported_JoinsByItsCode(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.Import(member.Imported{CardID: "push-grant", Code: "old-7", Bonus: 40, MembershipNumber: "7"})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push-grant", Code: "old-7", OpenID: "o-7", At: world.At(1)})
		w.SendAll()
		w.WantFace("old-7", 40, 0) // and no message
		if c := w.Card("push-grant", "old-7"); c.MembershipNumber != "7" || c.Bonus != 40 {
			w.Errorf("got %+v", c)
		}
		w.WantBalanced()
	})
}

// The giver's code is known from the import only.
func TestImported_GoesWithAGift(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.Import(member.Imported{CardID: "push-grant", Code: "old-7", Bonus: 40})
		w.ReceiveEvent(member.Event{
			Name: world.Taken, CardID: "push-grant", Code: "new-8", OpenID: "o-8", OldCode: "old-7", FriendOpenID: "o-7", At: world.At(1),
		})
		w.SendAll()
		if c := w.Card("push-grant", "new-8"); c.Bonus != 40 || c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
		if f := w.WeChat.Face("new-8"); f.Bonus != 40 {
			w.Errorf("the face shows %+v", f)
		}
		w.WantBalanced()
	})
}

// Of two members who prove an account, the first has it.
func TestImported_JoinsOnce(t *testing.T) {
	world.Run(t, func(w *world.World) {
		a := w.Import(member.Imported{CardID: "push", Code: "old-7", OpenID: "ming", Bonus: 40})
		if a.MemberID != "" {
			w.Errorf("got %+v", a)
		}
		world.Enroll(w, w.Members, world.Mini, "ming", "") // has no card yet
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "old-7", OpenID: "o-hong", At: world.At(1)})
		w.SendAll()
		if c := w.Card("push", "old-7"); c.Bonus != 0 {
			w.Errorf("the second has %+v", c)
		}
		_, code := w.ClaimCard("push")
		w.SendAll()
		w.WantFace(code, 40, 0)
		w.WantBalanced()
	})
}

// Figures on a face that another system put there are those of the account.
func TestImported_TakesThePlaceOfWhatTheFaceShowed(t *testing.T) {
	for _, spent := range []int64{0, 30} {
		t.Run(fmt.Sprint(spent), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				_, code := w.ClaimCard("push-grant")
				w.WeChat.Activated[code] = 1
				w.WeChat.SetFigures(code, 70, 5)
				w.SendAll()
				if spent > 0 {
					w.MustAddEntry("push-grant", code, world.SilentPoints(-spent))
				}
				if a := w.Import(member.Imported{CardID: "push-grant", OpenID: "ming", Bonus: 75, Balance: 5}); a.JoinedCode != code {
					w.Errorf("got %+v", a)
				}
				w.SendAll()
				if c := w.Card("push-grant", code); c.Bonus != 75-spent || c.Balance != 5 {
					w.Errorf("got %+v", c)
				}
				w.WantFace(code, 75-spent, 5)
				w.WantBalanced()
			})
		})
	}
}

// The face is read, and the account joins the card before that is recorded.
func TestImported_JoinsWhileTheFaceIsRead(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push-grant")
		w.WeChat.Activated[code] = 1
		w.WeChat.SetFigures(code, 70, 5)
		w.WeChat.After = world.During("info", func() {
			w.Import(member.Imported{CardID: "push-grant", OpenID: "ming", Bonus: 75})
		})
		w.SendAll()
		w.WantFace(code, 75, 0)
		w.WantBalanced()
	})
}

// WeChat gives points of its own (bonus_rule), and the account joins the card before that
// is recorded.
func TestImported_JoinsWhileTheCardIsActivated(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.WeChat.After = world.During("activate", func() {
			w.WeChat.SetFigures(code, 30, 0)
			w.Import(member.Imported{CardID: "push", OpenID: "ming", Bonus: 75})
		})
		w.SendAll()
		w.WantFace(code, 75, 0)
		if c := w.Card("push", code); c.Bonus != 75 || c.Status != member.Active {
			w.Errorf("got %+v", c)
		}
		w.WantBalanced()
	})
}

func TestImported_WithoutFiguresGetsNoInitialGrant(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.Import(member.Imported{CardID: "push-grant", OpenID: "ming", MembershipNumber: "7"})
		_, code := w.ClaimCard("push-grant")
		w.SendAll()
		w.WantFace(code, 0, 0)
		if c := w.Card("push-grant", code); c.Seq != 0 || c.MembershipNumber != "7" {
			w.Errorf("got %+v", c)
		}
		w.WantBalanced()
	})
}

func TestImport_RefusesAMarkThatIsNotOneMembersAlone(t *testing.T) {
	world.Run(t, func(w *world.World) {
		world.Enroll(w, w.Members, world.Mini, "ming", "union-ming")
		world.Enroll(w, w.Members, world.Mini, "hong", "union-hong")
		first := w.Import(member.Imported{CardID: "push", OpenID: "ming", UnionID: "union-ming", Code: "old-7", Bonus: 5})
		for name, test := range map[string]struct {
			account member.Imported
			mark    string
			want    error
		}{
			"the same code":    {member.Imported{CardID: "push", Code: "old-7"}, member.MarkCode, member.ErrImported},
			"the same openid":  {member.Imported{CardID: "push", Code: "old-8", OpenID: "ming"}, member.MarkOpenID, member.ErrImported},
			"the same unionid": {member.Imported{CardID: "push", UnionID: "union-ming"}, member.MarkUnionID, member.ErrImported},
			"two members":      {member.Imported{CardID: "push-2", OpenID: "ming", UnionID: "union-hong"}, member.MarkOpenID, member.ErrTwoMembers},
		} {
			_, err := w.TryImport(test.account)
			var refused *member.MarkError
			if !errors.As(err, &refused) || !errors.Is(err, test.want) || refused.Mark != test.mark {
				w.Errorf("%s: got %v, want %v about %s", name, err, test.want, test.mark)
			}
			if errors.Is(err, member.ErrImported) && refused.Account.ID != first.ID {
				w.Errorf("%s: got the account %+v, want %s", name, refused.Account, first.ID)
			}
		}
		if a := w.Import(member.Imported{CardID: "push-2", Code: "old-7", OpenID: "ming"}); a.MemberID != first.MemberID {
			w.Errorf("of another card: got %+v", a)
		}
	})
}
