package cardsync_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// foreign makes a card that another system has activated, with figures on its face.
func foreign(w *world.World, code string, bonus, balance int64) {
	w.WeChat.Activated[code] = 1
	w.WeChat.SetFigures(code, bonus, balance)
}

// wantEntries checks the amounts of a card's entries, oldest first.
func wantEntries(w *world.World, cardID, code string, want ...string) {
	w.Helper()
	list, err := w.Entries(w.Context(), cardID, code, 0, 99)
	if err != nil {
		w.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(list) {
		got = append(got, fmt.Sprintf("%+d %+d %s%s", e.AddBonus, e.AddBalance, e.RecordBonus, e.RecordBalance))
	}
	if !slices.Equal(got, want) {
		w.Errorf("the entries of %s:\n %s\nwant\n %s", code, strings.Join(got, "\n "), strings.Join(want, "\n "))
	}
}

// Every way in which addcard can meet a card for the first time.
var meetings = map[string]func(w *world.World, cardID string){
	"event": func(w *world.World, cardID string) {
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1)})
	},
	"restore": func(w *world.World, cardID string) {
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1), Restored: true})
	},
	"form": func(w *world.World, cardID string) {
		w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: cardID, Code: "s1", At: world.At(1)})
	},
	"claim": func(w *world.World, cardID string) {
		plan, _ := w.Catalogue.Plan(w.Context(), cardID)
		id := world.Enroll(w, w.Members, world.Mini, "ming", "")
		if _, err := w.Claim(w.Context(), id, []member.Claim{{CardID: cardID, Code: "s1", Plan: plan, ProvedOpenID: "O1"}}); err != nil {
			w.Fatal(err)
		}
	},
	"component": func(w *world.World, cardID string) {
		plan, _ := w.Catalogue.Plan(w.Context(), cardID)
		id := world.Enroll(w, w.Members, world.Mini, "ming", "")
		claim := member.Claim{CardID: cardID, Code: "s1", Plan: plan, ProvedOpenID: "O1"}
		if _, err := w.Submit(w.Context(), id, claim, member.Form{TicketHash: "t"}); err != nil {
			w.Fatal(err)
		}
	},
	"reconciler": func(w *world.World, cardID string) {
		if err := w.RecordFound(w.Context(), cardID, "s1", "O1", ""); err != nil {
			w.Fatal(err)
		}
	},
	"all of them": func(w *world.World, cardID string) {
		w.ReceiveEvent(member.Event{Name: world.Submitted, CardID: cardID, Code: "s1", At: world.At(2)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1)})
		if err := w.RecordFound(w.Context(), cardID, "s1", "O1", ""); err != nil {
			w.Fatal(err)
		}
		w.ReceiveEvent(member.Event{Name: world.Deleted, CardID: cardID, Code: "s1", At: world.At(3)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(4), Restored: true})
	},
}

// A card that was in use before addcard met it keeps what is on its face.
func TestStart_KeepsWhatTheFaceShows(t *testing.T) {
	for name, meet := range meetings {
		for _, cardID := range []string{"auto", "push", "form", "manual", "auto-grant", "push-grant"} {
			t.Run(name+"/"+cardID, func(t *testing.T) {
				world.Run(t, func(w *world.World) {
					foreign(w, "s1", 500, 8800)
					meet(w, cardID)
					w.SendAll()
					if c := w.Card(cardID, "s1"); c.Bonus != 500 || c.Balance != 8800 || c.Status != member.Active || w.WeChat.Activated["s1"] != 1 {
						w.Errorf("got %+v, activated %d times", c, w.WeChat.Activated["s1"])
					}
					w.WantFace("s1", 500, 8800)
					w.MustAddEntry(cardID, "s1", world.Points(10))
					w.SendAll()
					w.WantFace("s1", 510, 8800, "bonus +10 510 r10")
					wantEntries(w, cardID, "s1", "+500 +8800 原有积分原有余额", "+10 +0 r10")
					meet(w, cardID)
					w.SendAll()
					if c := w.Card(cardID, "s1"); c.Bonus != 510 || c.Seq != 2 {
						w.Errorf("met again: %+v", c)
					}
					w.WantBalanced()
				})
			})
		}
	}
}

// While the face cannot be read, no total is sent. Entries that were added meanwhile
// come on top of what the face shows.
func TestStart_NothingIsSentBeforeTheFaceWasRead(t *testing.T) {
	for _, cardID := range []string{"auto", "push"} {
		t.Run(cardID, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				foreign(w, "s1", 500, 8800)
				w.WeChat.Before = func(_ context.Context, c world.Call) error {
					if c.Name == "info" {
						return world.RefusalError{IsTemporary: true}
					}
					return nil
				}
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1)})
				stop := w.StartSender(w.Services, w.WeChat)
				defer stop()
				time.Sleep(time.Minute)
				w.MustAddEntry(cardID, "s1", world.Points(10))
				w.MustAddEntry(cardID, "s1", world.Points(5))
				time.Sleep(time.Hour)
				if calls := w.WeChat.Calls("s1"); strings.Contains(calls, "update") || strings.Contains(calls, "activate") {
					w.Errorf("WeChat was called: %s", calls)
				}
				if list, err := w.Entries(w.Context(), cardID, "s1", 0, 9); len(list) != 2 || list[0].Sent != ledger.SentHeld || err != nil {
					w.Errorf("entries: %+v, %v", list, err)
				}
				w.WeChat.Intercept(nil, nil)
				w.WaitSent()
				w.WantFace("s1", 515, 8800, "bonus +10 510 r10", "bonus +5 515 r5")
				wantEntries(w, cardID, "s1", "+10 +0 r10", "+5 +0 r5", "+500 +8800 原有积分原有余额")
				w.WantBalanced()
			})
		})
	}
}

// A debit below what addcard has seen is refused, and accepted once the face was read.
func TestStart_WhatTheFaceShowsCanBeSpent(t *testing.T) {
	world.Run(t, func(w *world.World) {
		foreign(w, "s1", 500, 8800)
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "s1", At: world.At(1)})
		w.SendAll()
		w.MustAddEntry("push", "s1", world.Points(-500))
		w.SendAll()
		w.WantFace("s1", 0, 8800, "bonus -500 0 r-500")
		w.WantBalanced()
	})
}

// Two replicas and the reconciler meet the card at the same time.
func TestStart_IsBookedOnce(t *testing.T) {
	world.Run(t, func(w *world.World) {
		foreign(w, "s1", 500, 8800)
		meetings["all of them"](w, "push")
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		defer w.StartSender(w.Replica(world.StoresOn(w.OpenDB())), w.WeChat)()
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		go w.Reconciler(w.Services, cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}).Run(ctx)
		for range 3 {
			meetings["all of them"](w, "push")
			time.Sleep(20 * time.Minute)
		}
		w.WaitSent()
		wantEntries(w, "push", "s1", "+500 +8800 原有积分原有余额")
		w.WantFace("s1", 500, 8800)
		w.WantBalanced()
	})
}

// A card with nothing on its face is new and gets its initial grant, with a message.
func TestStart_ANewCardGetsItsGrant(t *testing.T) {
	for _, cardID := range []string{"auto-grant", "push-grant", "form-grant"} {
		t.Run(cardID, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				foreign(w, "s1", 0, 0)
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: cardID, Code: "s1", At: world.At(1)})
				w.SendAll()
				w.WantFace("s1", 100, 7, "bonus +100 100 开卡送积分", "balance +7 7 ")
				wantEntries(w, cardID, "s1", "+100 +7 开卡送积分")
				w.WantBalanced()
			})
		})
	}
}

// WeChat adds points of its own to a card that is activated (bonus_rule).
func TestStart_PointsThatWeChatAddsToAnActivation(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		w.WeChat.After = world.During("activate", func() { w.WeChat.SetBonus(code, 10) })
		w.SendAll()
		w.MustAddEntry("push", code, world.Points(3))
		w.SendAll()
		w.WantFace(code, 13, 0, "bonus +3 13 r3")
		wantEntries(w, "push", code, "+10 +0 原有积分", "+3 +0 r3")
		w.WantBalanced()
	})
}

// Figures on a card that is not active are given back to it with the activation.
func TestStart_FiguresOfAnInactiveCard(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.SetFigures("s1", 500, 8800)
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push-grant", Code: "s1", At: world.At(1)})
		w.SendAll()
		if f := w.WeChat.Face("s1"); f.Bonus != 500 || f.Balance != 8800 || w.WeChat.Activated["s1"] != 1 {
			w.Errorf("the face: %+v", f)
		}
		wantEntries(w, "push-grant", "s1", "+500 +8800 原有积分原有余额")
		w.WantBalanced()
	})
}

// Another system activates the card after addcard has read it: what it gave counts, and
// the initial grant does not come on top.
func TestStart_AnotherSystemIsFaster(t *testing.T) {
	for _, cardID := range []string{"push", "push-grant"} {
		t.Run(cardID, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				_, code := w.ClaimCard(cardID)
				w.WeChat.After = world.During("activate", func() { w.WeChat.SetFigures(code, 500, 8800) })
				w.SendAll()
				w.MustAddEntry(cardID, code, world.Points(5))
				w.SendAll()
				if f := w.WeChat.Face(code); f.Bonus != 505 || f.Balance != 8800 || f.Messages[len(f.Messages)-1] != "bonus +5 505 r5" {
					w.Errorf("the face: %+v", f)
				}
				wantEntries(w, cardID, code, "+500 +8800 原有积分原有余额", "+5 +0 r5")
				w.WantBalanced()
			})
		})
	}
}

// An activation takes a while to show, or the answer to the question is lost: the face
// is read later, and the card is not activated again.
func TestStart_TheFaceIsReadLater(t *testing.T) {
	for name, hide := range map[string]bool{"not active yet": true, "no answer": false} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				_, code := w.ClaimCard("push")
				w.WeChat.Intercept(func(_ context.Context, c world.Call) error {
					switch {
					case c.Name != "info" || c.Attempt != 2:
					case hide:
						w.WeChat.Activated[code] = 0
					default:
						w.WeChat.SetBonus(code, 10)
						return world.RefusalError{IsTemporary: true}
					}
					return nil
				}, func(_ context.Context, c world.Call) error {
					if hide && c.Name == "info" && c.Attempt == 2 {
						w.WeChat.Activated[code] = 1
						w.WeChat.SetBonus(code, 10)
					}
					return nil
				})
				w.SendAll()
				w.MustAddEntry("push", code, world.Points(3))
				w.SendAll()
				w.WantFace(code, 13, 0, "bonus +3 13 r3")
				if got := strings.Count(w.WeChat.Calls(code), "activate"); got != 1 {
					w.Errorf("WeChat was called: %s", w.WeChat.Calls(code))
				}
				w.WantBalanced()
			})
		})
	}
}

// A message that should have read a face is parked: the reconciler reads it.
func TestStart_TheReconcilerReadsWhatWasNotRead(t *testing.T) {
	world.Run(t, func(w *world.World) {
		foreign(w, "s1", 500, 8800)
		w.WeChat.SetStatus("s1", "unknown")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "auto", Code: "s1", At: world.At(1)})
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		w.WaitSent()
		if w.Outcomes()["activate dead"] != 1 {
			w.Fatalf("outcomes: %v", w.Outcomes())
		}
		w.MustAddEntry("auto", "s1", world.Points(3))
		w.WeChat.SetStatus("s1", "")
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		go w.Reconciler(w.Services, cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}).Run(ctx)
		time.Sleep(20 * time.Minute)
		w.WaitSent()
		w.WantFace("s1", 503, 8800, "bonus +3 503 r3")
	})
}

// The giver's figures are on the recipient's face as well. They count once, in any
// order of the events.
func TestStart_OfACardThatWasGivenAway(t *testing.T) {
	take := member.Event{Name: world.Taken, OpenID: "O1", CardID: "push", Code: "s1", At: world.At(1)}
	plain := member.Event{Name: world.Taken, OpenID: "O2", CardID: "push", Code: "g1", At: world.At(3)}
	give := member.Event{Name: world.Taken, OpenID: "O2", CardID: "push", Code: "g1", At: world.At(3), OldCode: "s1", FriendOpenID: "O1"}
	give.DedupeKey = "gift"
	for name, events := range map[string][]member.Event{
		"in order": {take, give}, "the gift first": {give, take}, "the recipient first": {plain, take, give},
		"before the gift": {take, plain, give}, "without the giver": {give},
	} {
		for _, sendBetween := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " ", sendBetween), func(t *testing.T) {
				world.Run(t, func(w *world.World) {
					foreign(w, "s1", 500, 8800)
					foreign(w, "g1", 500, 8800)
					for _, e := range events {
						if e.OldCode != "" {
							w.WeChat.SetStatus("s1", "GIFT_SUCC")
						}
						w.ReceiveEvent(e)
						if sendBetween {
							w.SendAll()
						}
					}
					w.SendAll()
					w.MustAddEntry("push", "g1", world.Points(10))
					w.SendAll()
					w.WantFace("g1", 510, 8800, "bonus +10 510 r10")
					w.WantBalanced()
				})
			})
		}
	}
}

// A card is given away before a face was read: the entries that the giver, or the
// recipient, got meanwhile come on top of what the recipient's face shows.
func TestStart_OfACardThatWasGivenAwayUnread(t *testing.T) {
	take := member.Event{Name: world.Taken, OpenID: "O1", CardID: "push", Code: "s1", At: world.At(1)}
	plain := member.Event{Name: world.Taken, OpenID: "O2", CardID: "push", Code: "g1", At: world.At(3)}
	give := member.Event{Name: world.Taken, OpenID: "O2", CardID: "push", Code: "g1", At: world.At(3), OldCode: "s1", FriendOpenID: "O1"}
	give.DedupeKey = "gift"
	for name, unreadable := range map[string]string{"the giver": "s1", "the recipient": "g1"} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				foreign(w, "s1", 500, 8800)
				foreign(w, "g1", 500, 8800)
				w.WeChat.Before = func(_ context.Context, c world.Call) error {
					if c.Code == unreadable {
						return world.RefusalError{IsTemporary: true}
					}
					return nil
				}
				stop := w.StartSender(w.Services, w.WeChat)
				defer stop()
				w.ReceiveEvent(take)
				if unreadable == "g1" {
					w.ReceiveEvent(plain)
				}
				time.Sleep(time.Minute)
				w.MustAddEntry("push", unreadable, world.Points(10))
				w.WeChat.SetStatus("s1", "GIFT_SUCC")
				w.ReceiveEvent(give)
				w.WeChat.Intercept(nil, nil)
				w.WaitSent()
				if f := w.WeChat.Face("g1"); f.Bonus != 510 || f.Balance != 8800 {
					w.Errorf("the face: %+v", f)
				}
				w.WantBalanced()
			})
		})
	}
}

// A card that activates itself is read before WeChat has activated it, and shows no
// figures yet.
func TestStart_ACardThatActivatesItselfLater(t *testing.T) {
	for _, delay := range []time.Duration{3 * time.Second, 10 * time.Minute} {
		t.Run(delay.String(), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				stop := w.StartSender(w.Services, w.WeChat)
				defer stop()
				w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "auto", Code: "s1", At: time.Now()})
				time.Sleep(time.Second)
				w.MustAddEntry("auto", "s1", world.Points(3))
				time.Sleep(delay)
				w.WeChat.Intercept(world.During("info", func() { foreign(w, "s1", 10, 0) }), nil)
				ctx, cancel := context.WithCancel(w.Context())
				defer cancel()
				go w.Reconciler(w.Services, cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}).Run(ctx)
				time.Sleep(time.Hour)
				w.WaitSent()
				w.WantFace("s1", 13, 0, "bonus +3 13 r3")
				w.WantBalanced()
			})
		})
	}
}

// WeChat may never say that a card that activates itself is active. Its entries are sent
// all the same, a while later.
func TestStart_ACardThatIsNeverShownAsActive(t *testing.T) {
	world.Run(t, func(w *world.World) {
		foreign(w, "s1", 500, 0)
		w.WeChat.HidesActive = true
		stop := w.StartSender(w.Services, w.WeChat)
		defer stop()
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "auto", Code: "s1", At: time.Now()})
		w.MustAddEntry("auto", "s1", world.Points(3))
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		go w.Reconciler(w.Services, cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}).Run(ctx)
		time.Sleep(40 * time.Minute)
		w.WaitSent()
		w.WantFace("s1", 503, 0, "bonus +3 503 r3")
		w.WantBalanced()
	})
}

// A face that has the points of the grant and other money is not of an activation of
// ours.
func TestStart_AFaceWithHalfOfTheGrantIsKept(t *testing.T) {
	world.Run(t, func(w *world.World) {
		foreign(w, "s1", 100, 500)
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push-grant", Code: "s1", At: world.At(1)})
		w.SendAll()
		wantEntries(w, "push-grant", "s1", "+100 +500 原有积分原有余额")
		w.WantFace("s1", 100, 500)
		w.WantBalanced()
	})
}
