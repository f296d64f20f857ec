package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/timeline/sqlstore"
)

// plans says that every card is activated by addcard.
type plans struct{}

func (plans) Plan(context.Context, string) (member.Plan, error) { return member.PlanPush, nil }

// members reads one member without the store of package member, whose statements have
// a test of their own.
type members struct{ person member.Person }

func (m members) Person(_ context.Context, memberID string) (member.Person, error) {
	if memberID != m.person.ID {
		return member.Person{}, member.ErrMemberUnknown
	}
	return m.person, nil
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, nil, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		for name, test := range map[string]func(*testing.T, *sqldb.DB){
			"pages have no gap and no repetition": pages, "the state of a card": situations, "codes of others": lost,
			"who made a card unavailable": ended,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				db := open(t)
				for _, id := range []string{"m", "n"} {
					sqldbtest.Exec(t, db, `insert into member (member_id, created_at) values ($1, 1)`, id)
				}
				for _, code := range []string{"A", "B"} {
					sqldbtest.Exec(t, db, `insert into member_card (card_id, code, member_id, status, ledger, issued_at, created_at)
						values ('c1', $1, 'm', 'active', $2, 1000, 1)`, code, "ledger-"+code)
				}
				test(t, db)
			})
		}
	})
}

func service(db *sqldb.DB) *timeline.Service {
	p := member.Person{ID: "m"}
	for _, code := range []string{"A", "B"} {
		p.Cards = append(p.Cards, member.Card{CardID: "c1", Code: code, Status: member.Active, IssuedAt: time.UnixMilli(1000), FaceKnown: true})
	}
	return timeline.New(members{p}, plans{}, sqlstore.New(db), time.UTC)
}

// pages reads events of all sources, of which many have the same time, page by page.
func pages(t *testing.T, db *sqldb.DB) {
	for i := range 12 {
		at, code := 1000+i/4, string(rune('A'+i%2))
		id := fmt.Sprintf("%04d", i)
		sqldbtest.Exec(t, db, `insert into event (dedupe_key, event, card_id, code, openid, happened_at, received_at, fields)
			values ($1, 'user_view_card', 'c1', $2, '', $3, 1, '{}')`, id, code, at)
		sqldbtest.Exec(t, db, `insert into form (ticket_hash, card_id, code, created_at) values ($1, 'c1', $2, $3)`, id, code, at)
		sqldbtest.Exec(t, db, `insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance, record_bonus, record_balance,
			notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at)
			values ($1, 'c1', $2, $3, 5, 7, 0, 0, '', 'why', 0, 0, '', '', '', '', '', '', $4)`, id, "ledger-"+code, i+1, at)
		sqldbtest.Exec(t, db, `insert into outbox (outbox_id, card_id, code, seq, kind, state, due_at, last_error, created_at)
			values ($1, 'c1', $2, $3, 'entry', $4, 9000, 'busy', $5)`, id, code, i+1, map[bool]string{true: "dead", false: "waiting"}[i < 4], at)
		sqldbtest.Exec(t, db, `insert into trail (trail_id, card_id, code, kind, at, detail)
			values ($1, 'c1', $2, 'push_sent', $3, '{"message":"look"}')`, id, code, at)
		sqldbtest.Exec(t, db, `insert into trail (trail_id, member_id, kind, at) values ($1, 'm', 'login', $2)`, "m"+id, at)
	}
	sqldbtest.Exec(t, db, `insert into trail (trail_id, member_id, kind, at) values ('x', 'n', 'login', 1000)`) // another member's
	s := service(db)
	var whole []string
	for _, size := range []int{200, 1, 2, 3, 7, 74} {
		var got []string
		kinds := map[string]int{}
		for after := (timeline.Mark{}); ; {
			page, err := s.Events(t.Context(), "m", after, size)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				got, after = append(got, e.Source+"/"+e.ID), e.Mark()
				kinds[e.Kind]++
				if e.Kind == timeline.Entered && (*e.Entry != timeline.Figures{AddBonus: 5, Bonus: 7} || e.Text != "why") ||
					e.Kind == timeline.PushWaits && (e.NextAt.UnixMilli() != 9000 || e.Text != "busy") ||
					e.Kind == "push_sent" && e.Name != "look" || e.Kind != "login" && (e.CardID != "c1" || e.Code == "") {
					t.Errorf("got %+v", e)
				}
			}
			if len(page) < size {
				break
			}
		}
		if whole == nil {
			whole = got
		}
		if !slices.Equal(got, whole) || len(got) != 6*12+2 || kinds["login"] != 12 || kinds["push_parked"] != 4 || kinds["issue"] != 2 {
			t.Errorf("pages of %d: %d events, %v\n%s", size, len(got), kinds, strings.Join(got, " "))
		}
	}
	if _, err := s.Events(t.Context(), "nobody", timeline.Mark{}, 1); !errors.Is(err, member.ErrMemberUnknown) {
		t.Errorf("got %v", err)
	}
}

func situations(t *testing.T, db *sqldb.DB) {
	s := sqlstore.New(db)
	card := member.Card{CardID: "c1", Code: "A", Status: member.Gifted}
	if got, err := s.Situation(t.Context(), card); got != (timeline.Situation{}) || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	for i, state := range []string{"dead", "dead", "waiting", "waiting"} {
		sqldbtest.Exec(t, db, `insert into outbox (outbox_id, card_id, code, seq, kind, state, attempts, due_at, last_error, created_at)
			values ($1, 'c1', 'A', $2, 'entry', $3, $4, 9000, $5, 1)`, fmt.Sprint(i), i+1, state, i, fmt.Sprint("error ", i))
	}
	sqldbtest.Exec(t, db, `update member_card set face_at = 5 where code = 'A'`)
	sqldbtest.Exec(t, db, `insert into member_card (card_id, code, member_id, status, given_from, held_at, created_at)
		values ('c1', 'C', 'n', 'active', 'A', 4001, 1)`)
	got, err := s.Situation(t.Context(), card)
	if err != nil || got.Waiting == nil || got.Parked == nil || got.Waiting.Text != "error 2" || got.Waiting.Attempts != 2 ||
		got.Parked.Text != "error 1" || !got.Drift || got.GivenAt.Unix() != 1000 || got.Waiting.NextAt.UnixMilli() != 9000 {
		t.Errorf("got %+v, %+v, %+v, %v", got, got.Waiting, got.Parked, err)
	}
}

// The audit log says who made a card unavailable: with success, or perhaps.
func ended(t *testing.T, db *sqldb.DB) {
	s := sqlstore.New(db)
	card := member.Card{CardID: "c1", Code: "A", Status: member.Unavailable}
	if got, err := s.Situation(t.Context(), card); got != (timeline.Situation{}) || err != nil {
		t.Errorf("without a record: %+v, %v", got, err)
	}
	for i, c := range []struct{ actor, code, action, result, want string }{
		{"Max", "A", "unavailable", "refused", ""},
		{"Max", "B", "unavailable", "done", ""},
		{"Max", "A", "setFields", "done", ""},
		{"Ann", "A", "unavailable", "", "Ann"},
		{"Bob", "A", "unavailable", "failed", "Ann"},
		{"Zoe", "A", "unavailable", "done", "Zoe"},
		{"Eve", "A", "unavailable", "done", "Zoe"},
	} {
		id := fmt.Sprint(i)
		sqldbtest.Exec(t, db, `insert into audit (audit_id, at, actor, role, source, address, action, card_id, code, subject, request_id)
			values ($1, $2, $3, 'manager', 'api', '', $4, 'c1', $5, '', '')`, id, 1000+i, c.actor, c.action, c.code)
		if c.result != "" {
			sqldbtest.Exec(t, db, `insert into audit_outcome (audit_id, ended_at, result, problem, changes) values ($1, 9000, $2, '', '')`,
				id, c.result)
		}
		got, err := s.Situation(t.Context(), card)
		if err != nil || got.EndedBy != c.want || c.want == "Zoe" && got.EndedAt.UnixMilli() != 1005 {
			t.Errorf("after %+v: got %+v, %v", c, got, err)
		}
	}
}

func lost(t *testing.T, db *sqldb.DB) {
	sqldbtest.Exec(t, db, `insert into member_card (card_id, code, member_id, status, created_at) values ('c1', 'X', 'n', 'active', 1)`)
	for i, code := range []string{"A", "X", "X", "Y", ""} {
		sqldbtest.Exec(t, db, `insert into trail (trail_id, member_id, card_id, code, kind, at) values ($1, 'm', 'c1', $2, 'card_ext', 1)`,
			fmt.Sprint(i), code)
	}
	cards, why, err := service(db).Cards(t.Context(), "m", timeline.English)
	if err != nil || len(cards) != 3 || cards[0].Code != "X" || cards[0].Status != timeline.StatusLost || cards[2].Code != "B" ||
		why != "It is active and in step with WeChat." || cards[2].Why != why {
		t.Errorf("got %+v, %q, %v", cards, why, err)
	}
}
