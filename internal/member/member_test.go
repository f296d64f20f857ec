package member_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

const (
	mini     = "wxmini"
	official = "wxofficial"
)

// plan is the same for every card.
type plan member.Plan

func (p plan) Plan(context.Context, string) (member.Plan, error)       { return member.Plan(p), nil }
func (p plan) Learn(context.Context, string) (member.Plan, error)      { return member.Plan(p), nil }
func (p plan) Opening(context.Context, string) (member.Opening, error) { return member.Opening{}, nil }

func newService(t testing.TB) (*member.Service, *sqldb.DB) {
	db := sqldbtest.New(t)
	return member.New(sqlstore.New(db), member.Apps{MiniProgram: mini, Official: official}, plan(member.PlanPush)), db
}

func enroll(t testing.TB, s *member.Service, appID, openID, unionID string) string {
	t.Helper()
	id, err := s.Enroll(t.Context(), appID, openID, unionID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func codeOf(t testing.TB, s *member.Service, memberID, cardID string) string {
	t.Helper()
	codes, err := s.Codes(t.Context(), memberID, wanted(cardID))
	if err != nil {
		t.Fatal(err)
	}
	return codes[0].Code
}

func setStatus(t testing.TB, db *sqldb.DB, code string, status member.Status) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, "update member_card set status = $2 where code = $1", code, string(status))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := enroll(t, s, mini, "alice", "")
	if got := enroll(t, s, mini, "alice", ""); got != alice {
		t.Errorf("second login: got %s, want %s", got, alice)
	}
	if got := enroll(t, s, mini, "bob", ""); got == alice {
		t.Error("bob became alice")
	}
	if got := enroll(t, s, official, "alice", ""); got == alice {
		t.Error("the same openid in another app was taken for the same person")
	}
}

func TestEnroll_joins_apps_by_unionid_only(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := enroll(t, s, mini, "alice", "")
	enroll(t, s, mini, "alice", "union-a") // WeChat began to give it
	if got := enroll(t, s, official, "A", "union-a"); got != alice {
		t.Errorf("same unionid: got %s, want %s", got, alice)
	}
	if got := enroll(t, s, mini, "alice2", "union-a"); got == alice {
		t.Error("two openids of one app became one member")
	}
	if got, err := s.OpenID(t.Context(), alice, official); got != "A" || err != nil {
		t.Errorf("OpenID: got %q, %v", got, err)
	}
}

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
						ids = append(ids, enroll(w, w.Service, who[0], who[1], who[2]))
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
		s := member.New(w.store, member.Apps{MiniProgram: mini, Official: mini}, w.cards)
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
		ming, hong := enroll(w, w.Service, mini, "ming", ""), enroll(w, w.Service, mini, "hong", "")
		code := codeOf(w, w.Service, hong, "push")
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

func TestOpenID_unknown(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := enroll(t, s, mini, "alice", "")
	if _, err := s.OpenID(t.Context(), alice, official); !errors.Is(err, member.ErrOpenIDUnknown) {
		t.Errorf("got %v, want ErrOpenIDUnknown", err)
	}
}

func TestCodes_repeat_and_replace(t *testing.T) {
	t.Parallel()
	for status, same := range map[member.Status]bool{
		member.Issued: true, member.Claimed: true, member.Active: true, member.Deleted: true,
		member.Gifted: false, member.Unavailable: false,
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			s, db := newService(t)
			alice := enroll(t, s, mini, "alice", "")
			first := codeOf(t, s, alice, "c1")
			setStatus(t, db, first, status)
			if got := codeOf(t, s, alice, "c1"); (got == first) != same {
				t.Errorf("got the same code: %v, want %v", got == first, same)
			}
		})
	}
}

func TestCodes_batch_in_order(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := enroll(t, s, mini, "alice", "")
	second := codeOf(t, s, alice, "c2")
	codes, err := s.Codes(t.Context(), alice, wanted("c1", "c2", "c3"))
	if err != nil || len(codes) != 3 {
		t.Fatalf("got %v, %v", codes, err)
	}
	if codes[1].Code != second || codes[0].Code == second || codes[0].Code == codes[2].Code {
		t.Errorf("got %v, want the earlier code %s in the middle", codes, second)
	}
	for _, c := range codes {
		if c.IssuedAt.IsZero() {
			t.Errorf("code without a time: %+v", c)
		}
	}
}

func TestCodes_of_a_stranger(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	if _, err := s.Codes(t.Context(), "nobody", wanted("c1")); !errors.Is(err, member.ErrMemberUnknown) {
		t.Errorf("Codes: got %v, want ErrMemberUnknown", err)
	}
	if _, err := s.Cards(t.Context(), "nobody"); !errors.Is(err, member.ErrMemberUnknown) {
		t.Errorf("Cards: got %v, want ErrMemberUnknown", err)
	}
}

// WeChat refuses codes over 20 characters or with other than letters and
// digits; staff type them in, so the last digit checks the others.
func TestCodes_form(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	seen := map[string]bool{}
	firsts := map[byte]int{}
	var cards []string
	for i := range 400 {
		cards = append(cards, "c"+strconv.Itoa(i))
	}
	codes, err := s.Codes(t.Context(), enroll(t, s, mini, "alice", ""), wanted(cards...))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range codes {
		code := c.Code
		if len(code) != 16 || code[0] == '0' || !luhnValid(code) {
			t.Fatalf("bad code %q", code)
		}
		if seen[code] {
			t.Fatalf("code %q was issued twice", code)
		}
		seen[code] = true
		firsts[code[0]]++
	}
	for d := byte('1'); d <= '9'; d++ {
		if n := firsts[d]; n < 15 || n > 90 { // 44 expected; outside with a chance below 1e-6
			t.Errorf("first digit %c: %d of 400", d, n)
		}
	}
}

// luhnValid is the check as a till would do it, from the left.
func luhnValid(code string) bool {
	sum := 0
	for i := range len(code) {
		d := int(code[i] - '0')
		if d < 0 || d > 9 {
			return false
		}
		if i%2 == 0 {
			d = []int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}[d]
		}
		sum += d
	}
	return sum%10 == 0
}

func wanted(cardIDs ...string) (wants []member.Want) {
	for _, id := range cardIDs {
		wants = append(wants, member.Want{CardID: id})
	}
	return wants
}

// The channel of a card that was not taken yet is the one it was last asked
// through; WeChat's event has the last word.
func TestCodes_keep_the_channel(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := enroll(t, s, mini, "alice", "")
	ask := func(outerStr string) string {
		t.Helper()
		codes, err := s.Codes(t.Context(), alice, []member.Want{{CardID: "c1", OuterStr: outerStr}})
		if err != nil {
			t.Fatal(err)
		}
		return codes[0].Code
	}
	channel := func() string {
		t.Helper()
		cards, err := s.Cards(t.Context(), alice)
		if err != nil || len(cards) != 1 {
			t.Fatalf("cards: %+v, %v", cards, err)
		}
		return cards[0].OuterStr
	}
	code := ask("home")
	if got := channel(); got != "home" {
		t.Errorf("first: got %q", got)
	}
	if ask("shop") != code || channel() != "shop" {
		t.Errorf("then: got %q, or another code", channel())
	}
	if ask("") != code || channel() != "shop" {
		t.Errorf("without one: got %q, or another code", channel())
	}
	taken := member.Event{DedupeKey: "1", Name: "user_get_card", CardID: "c1", Code: code, OpenID: "A", At: time.Now(), OuterStr: "poster"}
	if err := s.Receive(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if got := channel(); got != "poster" {
		t.Errorf("after the event: got %q", got)
	}
	if ask("late") != code || channel() != "poster" {
		t.Errorf("a taken card: got %q, or another code", channel())
	}
}
