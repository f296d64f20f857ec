package member_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// plan is the same for every card.
type plan member.Plan

func (p plan) Plan(context.Context, string) (member.Plan, error)      { return member.Plan(p), nil }
func (p plan) FetchPlan(context.Context, string) (member.Plan, error) { return member.Plan(p), nil }
func (p plan) InitialGrant(context.Context, string) (member.InitialGrant, error) {
	return member.InitialGrant{}, nil
}

func newService(t testing.TB) (*member.Service, *sqldb.DB) {
	db := sqldbtest.New(t)
	return member.New(sqlstore.New(db), member.Apps{MiniProgram: world.Mini, Official: world.Official}, plan(member.PlanPush), func() {}), db
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
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	if got := world.Enroll(t, s, world.Mini, "alice", ""); got != alice {
		t.Errorf("second login: got %s, want %s", got, alice)
	}
	if got := world.Enroll(t, s, world.Mini, "bob", ""); got == alice {
		t.Error("bob became alice")
	}
	if got := world.Enroll(t, s, world.Official, "alice", ""); got == alice {
		t.Error("the same openid in another app was taken for the same person")
	}
}

func TestEnroll_JoinsAppsByUnionIDOnly(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	world.Enroll(t, s, world.Mini, "alice", "union-a") // WeChat began to give it
	if got := world.Enroll(t, s, world.Official, "A", "union-a"); got != alice {
		t.Errorf("same unionid: got %s, want %s", got, alice)
	}
	if got, err := s.OpenID(t.Context(), alice, world.Official); got != "A" || err != nil {
		t.Errorf("OpenID: got %q, %v", got, err)
	}
	if got := world.Enroll(t, s, world.Mini, "alice2", "union-a"); got == alice {
		t.Error("two openids of one app became one member")
	}
	if got, err := s.OpenID(t.Context(), alice, world.Official); !errors.Is(err, member.ErrOpenIDUnknown) {
		t.Errorf("OpenID: got %q, %v, but the unionid that joined the two proves nothing", got, err)
	}
}

func TestOpenID_Unknown(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	if _, err := s.OpenID(t.Context(), alice, world.Official); !errors.Is(err, member.ErrOpenIDUnknown) {
		t.Errorf("got %v, want ErrOpenIDUnknown", err)
	}
}

func TestCodes_RepeatAndReplace(t *testing.T) {
	t.Parallel()
	for status, same := range map[member.Status]bool{
		member.Issued: true, member.Claimed: true, member.Active: true, member.Deleted: true,
		member.Gifted: false, member.Unavailable: false,
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			s, db := newService(t)
			alice := world.Enroll(t, s, world.Mini, "alice", "")
			first := world.IssueCode(t, s, alice, "c1")
			setStatus(t, db, first, status)
			if got := world.IssueCode(t, s, alice, "c1"); (got == first) != same {
				t.Errorf("got the same code: %v, want %v", got == first, same)
			}
		})
	}
}

func TestCodes_BatchInOrder(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	second := world.IssueCode(t, s, alice, "c2")
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

func TestCodes_OfAnUnknownMember(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	if _, err := s.Codes(t.Context(), "unknown", wanted("c1")); !errors.Is(err, member.ErrMemberUnknown) {
		t.Errorf("Codes: got %v, want ErrMemberUnknown", err)
	}
	if _, err := s.Cards(t.Context(), "unknown"); !errors.Is(err, member.ErrMemberUnknown) {
		t.Errorf("Cards: got %v, want ErrMemberUnknown", err)
	}
}

// WeChat refuses codes over 20 characters or with other than letters and
// digits; staff type them in, so the last digit checks the others.
func TestCodes_Form(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	seen := map[string]bool{}
	firsts := map[byte]int{}
	var cards []string
	for i := range 400 {
		cards = append(cards, "c"+strconv.Itoa(i))
	}
	codes, err := s.Codes(t.Context(), world.Enroll(t, s, world.Mini, "alice", ""), wanted(cards...))
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

func wanted(cardIDs ...string) (wants []member.CodeRequest) {
	for _, id := range cardIDs {
		wants = append(wants, member.CodeRequest{CardID: id})
	}
	return wants
}

// The channel of a card that was not taken yet is the one it was last asked
// through; WeChat's event has the last word.
func TestCodes_KeepTheChannel(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	ask := func(outerStr string) string {
		t.Helper()
		codes, err := s.Codes(t.Context(), alice, []member.CodeRequest{{CardID: "c1", OuterStr: outerStr}})
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

// ordered is a Store that remembers of which cards codes were issued, in order.
type ordered struct {
	member.Store
	cards []string
}

func (s *ordered) Write(ctx context.Context, fn func(ctx context.Context, tx member.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx member.Tx) error { return fn(ctx, orderedTx{tx, s}) })
}

type orderedTx struct {
	member.Tx
	store *ordered
}

func (tx orderedTx) AddIssued(ctx context.Context, memberID string, r member.CodeRequest, code string) (time.Time, error) {
	tx.store.cards = append(tx.store.cards, r.CardID)
	return tx.Tx.AddIssued(ctx, memberID, r, code)
}

// Two requests for the same cards in different orders would wait for each other.
func TestCodes_AreIssuedInOneOrder(t *testing.T) {
	t.Parallel()
	store := &ordered{Store: sqlstore.New(sqldbtest.New(t))}
	s := member.New(store, member.Apps{MiniProgram: world.Mini, Official: world.Official}, plan(member.PlanPush), func() {})
	alice := world.Enroll(t, s, world.Mini, "alice", "")
	if _, err := s.Codes(t.Context(), alice, wanted("c2", "c3", "c1")); err != nil || !slices.Equal(store.cards, []string{"c1", "c2", "c3"}) {
		t.Errorf("issued in the order %q, %v", store.cards, err)
	}
}

// What a card shows changes while a member has it.
func TestSetFields_NeedsACardThatIsHeld(t *testing.T) {
	t.Parallel()
	s, db := newService(t)
	code, level := world.IssueCode(t, s, world.Enroll(t, s, world.Mini, "alice", ""), "c1"), "gold"
	for status, want := range map[member.Status]error{
		member.Issued: ledger.ErrNotHeld, member.Gifted: ledger.ErrNotHeld, member.Unavailable: ledger.ErrNotHeld,
		member.Claimed: nil, member.Active: nil, member.Deleted: nil,
	} {
		setStatus(t, db, code, status)
		if _, err := s.SetFields(t.Context(), "c1", code, member.FieldChange{Values: [3]*string{&level}}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", status, err, want)
		}
	}
}
