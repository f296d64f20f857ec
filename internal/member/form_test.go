package member_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// formKeys returns the keys of a DATA_KEYS with one key for each byte.
func formKeys(t testing.TB, keys ...byte) *datakey.Keys {
	t.Helper()
	var list []byte
	for _, b := range keys {
		list = fmt.Appendf(list, ",k%d:%s", b, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	}
	k, err := datakey.Parse(string(list[1:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// form returns a form with a phone number and a name.
func form(number string) []member.Answer {
	return []member.Answer{{Name: "USER_FORM_INFO_FLAG_MOBILE", Value: number}, {Name: "USER_FORM_INFO_FLAG_NAME", Value: "of " + number}}
}

// runForms runs a test in a World with DATA_KEYS.
func runForms(t *testing.T, test func(w *world.World)) {
	world.Run(t, func(w *world.World) {
		w.SealForms(formKeys(w, 1))
		test(w)
	})
}

// submits delivers the events of a card that was taken without the mini-program and
// whose form was filled in.
func submits(w *world.World, openID, code string, second int) {
	w.Helper()
	w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: openID, CardID: "form", Code: code, At: world.At(second)})
	w.ReceiveEvent(member.Event{Name: world.Submitted, OpenID: openID, CardID: "form", Code: code, At: world.At(second + 1)})
}

// give delivers the event of a gift.
func give(w *world.World, from, oldCode, to, code string, second int) {
	w.Helper()
	w.ReceiveEvent(member.Event{
		Name: world.Taken, OpenID: to, CardID: "form", Code: code, OldCode: oldCode, FriendOpenID: from, At: world.At(second),
	})
}

// wantHolder checks that the number, in some spellings, finds exactly the holder of
// a code; "" is no member.
func wantHolder(w *world.World, number, code string) {
	w.Helper()
	for _, spelling := range []string{number, "+86 " + number, "0086-" + number, number[:3] + " " + number[3:]} {
		found, err := w.Find(w.Context(), spelling, 9)
		var got []string
		for _, p := range found {
			got = append(got, p.ID)
		}
		want := []string{}
		if code != "" {
			want = append(want, w.Card("form", code).MemberID)
		}
		if !slices.Equal(got, want) && len(got)+len(want) > 0 || err != nil {
			w.Errorf("%s finds %v, %v, want %v", spelling, got, err, want)
		}
	}
}

// wantForms checks how many rows with answers a card has.
func wantForms(w *world.World, code string, n int) []member.SealedForm {
	w.Helper()
	forms, err := w.Stores.Members.Forms(w.Context(), "form", code)
	if len(forms) != n || err != nil {
		w.Errorf("%s: %d forms, %v, want %d", code, len(forms), err, n)
	}
	return forms
}

// reconcileFor runs the Reconciler for a while.
func reconcileFor(w *world.World, d time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	stop := w.StartSender(w.Services, w.WeChat)
	defer stop()
	w.Reconciler(w.Services, cardsync.Observer{Checked: func(string) {}, Unbalanced: func(int) {}}).Run(ctx)
}

func TestForm_ReadAfterItWasSubmitted(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "O1", "s1", 1)
		w.SendAll()
		wantHolder(w, "13800138000", "s1")
		before := wantForms(w, "s1", 1)
		submits(w, "O1", "s1", 5) // read again
		w.SendAll()
		if again := wantForms(w, "s1", 1); !slices.Equal(before, again) {
			w.Error("the same form was stored again")
		}
	})
}

// Nothing is stored without keys; once there are keys, the reconciler reads what it
// missed, and only once.
func TestForm_OfACardThatWasActiveBefore(t *testing.T) {
	world.Run(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "O1", "s1", 1)
		w.SendAll()
		wantForms(w, "s1", 0)
		w.SealForms(formKeys(w, 1))
		reconcileFor(w, 30*time.Minute)
		wantHolder(w, "13800138000", "s1")
		before := wantForms(w, "s1", 1)
		calls := w.WeChat.CallCount()
		reconcileFor(w, 90*time.Minute)
		if again := wantForms(w, "s1", 1); !slices.Equal(before, again) {
			w.Error("the same form was stored again")
		}
		if w.WeChat.CallCount() == calls {
			w.Error("the card was not read again: the test proves nothing")
		}
	})
}

func TestForm_SaidByTheTicketAndByTheCardIsOne(t *testing.T) {
	for _, first := range []string{"ticket", "card"} {
		t.Run(first, func(t *testing.T) {
			runForms(t, func(w *world.World) {
				filledIn := form("13800138000")
				w.WeChat.Forms["s1"] = []member.Answer{filledIn[1], {Name: "USER_FORM_INFO_FLAG_SEX"}, filledIn[0]}
				ming := world.Enroll(w, w.Members, world.Mini, "ming", "u1")
				world.Enroll(w, w.Members, world.Official, "O1", "u1")
				report := func() {
					claim := member.Claim{CardID: "form", Code: "s1", Plan: member.PlanForm, ProvedOpenID: "O1"}
					if _, err := w.Submit(w.Context(), ming, claim, member.Form{TicketHash: "t1", Answers: filledIn}); err != nil {
						w.Error(err)
					}
				}
				if first == "ticket" {
					report()
				}
				submits(w, "O1", "s1", 1)
				w.SendAll()
				report()
				w.SendAll()
				wantForms(w, "s1", 1)
				wantHolder(w, "13800138000", "s1")
				if answers, err := w.Answers(w.Context(), "form", "s1"); len(answers) != 2 || err != nil {
					w.Errorf("answers: %v, %v", answers, err)
				}
			})
		})
	}
}

// The latest answer to a question counts. One that WeChat does not repeat stays.
func TestForm_Changed(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "O1", "s1", 1)
		w.SendAll()
		w.WeChat.Forms["s1"] = form("13900139000")[:1]
		submits(w, "O1", "s1", 5)
		w.SendAll()
		wantHolder(w, "13900139000", "s1")
		wantHolder(w, "13800138000", "")
		w.WeChat.Forms["s1"] = []member.Answer{{Name: "USER_FORM_INFO_FLAG_MOBILE"}}
		submits(w, "O1", "s1", 9)
		w.SendAll()
		wantHolder(w, "13900139000", "s1")
		answers, err := w.Answers(w.Context(), "form", "s1")
		if answers["USER_FORM_INFO_FLAG_NAME"] != "of 13800138000" || answers["USER_FORM_INFO_FLAG_MOBILE"] != "13900139000" || err != nil {
			w.Errorf("answers: %v, %v", answers, err)
		}
		wantForms(w, "s1", 1)
	})
}

// WeChat may say the giver's form of the recipient's card.
func TestForm_OfAGiftStaysWithTheGiver(t *testing.T) {
	for name, gift := range map[string]func(w *world.World){
		"known first": func(w *world.World) { give(w, "O1", "s1", "O2", "s2", 5); w.SendAll() },
		"known late": func(w *world.World) {
			w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O2", CardID: "form", Code: "s2", At: world.At(4), Restored: true})
			w.SendAll()
			give(w, "O1", "s1", "O2", "s2", 5)
			w.SendAll()
		},
		"without a giver": func(w *world.World) {
			w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O2", CardID: "form", Code: "s2", At: world.At(4), Restored: true})
			w.SendAll()
			give(w, "", "unknown", "O2", "s2", 5)
			w.SendAll()
		},
	} {
		t.Run(name, func(t *testing.T) {
			runForms(t, func(w *world.World) {
				w.WeChat.Forms["s1"] = form("13800138000")
				submits(w, "O1", "s1", 1)
				w.SendAll()
				w.WeChat.Forms["s2"] = w.WeChat.Forms["s1"]
				gift(w)
				reconcileFor(w, 30*time.Minute)
				wantHolder(w, "13800138000", "s1")
				wantForms(w, "s1", 1)
				wantForms(w, "s2", 0)

				w.WeChat.Forms["s2"] = form("13900139000")
				w.ReceiveEvent(member.Event{Name: world.Submitted, OpenID: "O2", CardID: "form", Code: "s2", At: world.At(9)})
				w.SendAll()
				wantHolder(w, "13900139000", "s2")
				wantHolder(w, "13800138000", "s1")
			})
		})
	}
}

// The recipient's form may be known before the gift is.
func TestForm_OfARecipientSurvivesTheEventOfTheGift(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"], w.WeChat.Forms["s2"] = form("13800138000"), form("13900139000")
		submits(w, "O1", "s1", 1)
		w.ReceiveEvent(member.Event{Name: world.Submitted, OpenID: "O2", CardID: "form", Code: "s2", At: world.At(7)})
		w.SendAll()
		give(w, "O1", "s1", "O2", "s2", 5)
		w.SendAll()
		wantHolder(w, "13800138000", "s1")
		wantHolder(w, "13900139000", "s2")
	})
}

func TestForm_OfARestoredCardIsItsHolders(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O1", CardID: "form", Code: "s1", At: world.At(1)})
		w.ReceiveEvent(member.Event{Name: world.Deleted, OpenID: "O1", CardID: "form", Code: "s1", At: world.At(2)})
		w.SendAll()
		w.WeChat.Forms["s1"] = form("13800138000")
		w.ReceiveEvent(member.Event{Name: world.Taken, OpenID: "O1", CardID: "form", Code: "s1", At: world.At(3), Restored: true})
		w.SendAll()
		wantHolder(w, "13800138000", "s1")
	})
}

// A member is erased while WeChat is asked about the card.
func TestForm_OfAnErasedMemberIsNotStored(t *testing.T) {
	for _, reader := range []string{"outbox", "reconciler"} {
		t.Run(reader, func(t *testing.T) {
			runForms(t, func(w *world.World) {
				if reader == "reconciler" {
					submits(w, "O1", "s1", 1)
					w.SendAll()
				} else {
					submits(w, "O1", "s1", 1)
				}
				w.WeChat.Forms["s1"] = form("13800138000")
				erased := false
				w.WeChat.After = func(ctx context.Context, c world.Call) error {
					if c.Name == "info" && !erased {
						erased = true
						return w.Erase(ctx, w.Card("form", "s1").MemberID)
					}
					return nil
				}
				reconcileFor(w, 30*time.Minute)
				if !erased {
					w.Fatal("the card was not read")
				}
				wantForms(w, "s1", 0)
				wantHolder(w, "13800138000", "")
			})
		})
	}
}

// storeAsBefore stores a form as the version before did: with the ticket, and the
// number indexed as it was typed.
func storeAsBefore(w *world.World, keys *datakey.Keys, ticket, code, number string) {
	w.Helper()
	sealed := keys.Seal([]byte(`[{"name":"USER_FORM_INFO_FLAG_MOBILE","value":"`+number+`"},{"name":"b","values":["x","y"]},{"name":"a","value":"1"}]`),
		"form form "+code)
	sqldbtest.Exec(w, w.DB, `insert into form (ticket_hash, card_id, code, phone, sealed, created_at) values ($1, 'form', $2, $3, $4, 1)`,
		ticket, code, keys.Index(number), sealed)
}

func TestIndexForms_FindsWhatWasStoredAsTyped(t *testing.T) {
	world.Run(t, func(w *world.World) {
		lost, keys := formKeys(w, 9), formKeys(w, 1)
		w.SealForms(keys)
		typed := map[string]string{"s1": "13800138000", "s2": "+86 139-0013-9000", "s3": "１３７００１３７０００", "s4": "008613600136000"}
		for code, number := range typed {
			submits(w, "O"+code, code, 1)
			storeAsBefore(w, keys, "t"+code, code, number)
		}
		submits(w, "O5", "s5", 1)
		storeAsBefore(w, lost, "t5", "s5", "13500135000")
		// More than are looked at in one call come before the others; no key ever opens them.
		sqldbtest.Exec(w, w.DB, `insert into form (ticket_hash, card_id, code, phone, sealed, created_at)
			with recursive n (i) as (select 1000 union all select i + 1 from n where i < 1599)
			select 'a' || i, card_id, 'x' || i, phone, sealed, created_at from form, n where ticket_hash = 't5'`)
		w.SendAll()
		wantHolder(w, "13800138000", "s1") // WeChat's own spelling, at once
		for code, number := range typed {
			if found, err := w.Find(w.Context(), number, 9); err != nil || len(found) != 1 || found[0].ID != w.Card("form", code).MemberID {
				w.Errorf("as typed: %s finds %v, %v", number, found, err)
			}
		}
		for range 2 {
			if err := w.IndexForms(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		for number, code := range map[string]string{"13800138000": "s1", "13900139000": "s2", "13700137000": "s3", "13600136000": "s4"} {
			wantHolder(w, number, code)
			wantForms(w, code, 1)
			if answers, err := w.Answers(w.Context(), "form", code); len(answers) != 3 || answers["b"] != "x, y" || err != nil {
				w.Errorf("answers: %v, %v", answers, err)
			}
		}
		wantForms(w, "s5", 1) // what no key opens is kept, for when the key is back
		w.SealForms(formKeys(w, 1, 9))
		for range 3 {
			if err := w.IndexForms(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		wantForms(w, "s5", 1)
		wantHolder(w, "13500135000", "s5")
		if rest, err := w.Stores.Members.UnindexedForms(w.Context(), "", 999); len(rest) != 600 || err != nil {
			w.Errorf("left: %d, %v", len(rest), err)
		}
		if _, code, err := w.Stores.Members.FormCode(w.Context(), "ts1"); code != "s1" || err != nil {
			w.Errorf("the used ticket: %s, %v", code, err)
		}
	})
}

// The Reconciler indexes them.
func TestIndexForms_IsAJob(t *testing.T) {
	runForms(t, func(w *world.World) {
		submits(w, "O1", "s1", 1)
		storeAsBefore(w, formKeys(w, 1), "t1", "s1", "+86 13800138000")
		reconcileFor(w, 2*time.Minute)
		wantHolder(w, "13800138000", "s1")
	})
}

// A new key in front replaces the old one as forms are read.
func TestForm_IsSealedWithTheFirstKey(t *testing.T) {
	runForms(t, func(w *world.World) {
		w.WeChat.Forms["s1"] = form("13800138000")
		submits(w, "O1", "s1", 1)
		w.SendAll()
		w.SealForms(formKeys(w, 2, 1))
		wantHolder(w, "13800138000", "s1")
		submits(w, "O1", "s1", 5)
		w.SendAll()
		w.SealForms(formKeys(w, 2))
		wantHolder(w, "13800138000", "s1")
		wantForms(w, "s1", 1)
		w.SealForms(formKeys(w, 3))
		if answers, err := w.Answers(w.Context(), "form", "s1"); len(answers) != 0 || err != nil {
			w.Errorf("without the key: %v, %v", answers, err)
		}
	})
}

// A ticket that was used for another code is refused, and nothing of its form kept.
func TestSubmit_KeepsNothingOfAUsedTicket(t *testing.T) {
	runForms(t, func(w *world.World) {
		ming := world.Enroll(w, w.Members, world.Mini, "ming", "")
		submit := func(code string) error {
			claim := member.Claim{CardID: "form", Code: code, Plan: member.PlanForm, ProvedOpenID: "O1"}
			_, err := w.Submit(w.Context(), ming, claim, member.Form{TicketHash: "t1", Answers: form("13800138000")})
			return err
		}
		if err := submit("s1"); err != nil {
			w.Fatal(err)
		}
		if err := submit("s2"); !errors.Is(err, member.ErrTicketUsed) {
			w.Errorf("got %v", err)
		}
		wantForms(w, "s1", 1)
		wantForms(w, "s2", 0)
	})
}

// One activate_ticket is for one code of one card.
func TestSubmit_OneTicketIsForOneCode(t *testing.T) {
	runForms(t, func(w *world.World) {
		ming := world.Enroll(w, w.Members, world.Mini, "ming", "")
		for _, c := range []struct {
			ticket, cardID, code string
			want                 error
			before               bool // it was used for the code before
		}{
			{"t1", "form", "s1", nil, false},
			{"t1", "form", "s1", nil, true},
			{"t1", "form", "s2", member.ErrTicketUsed, false},
			{"t1", "push", "s1", member.ErrTicketUsed, false},
			{"t2", "form", "s2", nil, false},
			{"t2", "form", "s1", member.ErrTicketUsed, false},
		} {
			before, err := w.Submitted(w.Context(), c.ticket, c.cardID, c.code)
			if before != c.before || !errors.Is(err, c.want) {
				w.Errorf("%v was used before: %v, %v", c, before, err)
			}
			_, err = w.Submit(w.Context(), ming, member.Claim{CardID: c.cardID, Code: c.code, Plan: member.PlanForm, ProvedOpenID: "O1"},
				member.Form{TicketHash: c.ticket})
			if !errors.Is(err, c.want) {
				w.Errorf("%v: got %v", c, err)
			}
			if _, err := w.Store.Card(w.Context(), c.cardID, c.code); c.cardID == "push" && !errors.Is(err, member.ErrNotFound) {
				w.Errorf("%v: the card was made, %v", c, err)
			}
		}
	})
}
