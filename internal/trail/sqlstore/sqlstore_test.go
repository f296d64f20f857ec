package sqlstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
	"github.com/addcard/addcard/internal/trail"
	"github.com/addcard/addcard/internal/trail/sqlstore"
)

// whole are the statements that read a whole table, and why they may.
var whole = plan.Exceptions{
	"select kind, member_id, card_id, code, detail from trail": "it is of this test",
	"delete from identity_conflict":                            "see the test of member/sqlstore",
	"from trail order by trail_id limit":                       "it reads the oldest rows, as many as it deletes at most",
}

func TestStore(t *testing.T) {
	t.Parallel()
	plan.Engines(t, whole, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		for name, test := range map[string]func(*testing.T, *sqldb.DB, *sqlstore.Store){
			"rows of members":                 added,
			"rows of cards":                   addedOfCards,
			"rows of a message":               ofMessages,
			"old rows are deleted":            purged,
			"one caller does a job":           jobs,
			"an erasure beside the writing":   erasedMeanwhile,
			"what was erased does not return": erased,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				db := open(t)
				for _, m := range []string{"m", "n"} {
					sqldbtest.Exec(t, db, `insert into member (member_id, created_at) values ($1, 1)`, m)
					sqldbtest.Exec(t, db, `insert into member_card (card_id, code, member_id, status, created_at) values ('c1', $1, $2, 'active', 1)`,
						"code-"+m, m)
				}
				test(t, db, sqlstore.New(db, membersql.PeopleLock))
			})
		}
	})
}

func rows(t *testing.T, db *sqldb.DB) string {
	t.Helper()
	all, err := sqldb.All(t.Context(), db.Read(), "read", func(scan sqldb.Scan) (string, error) {
		var kind, m, card, code, detail string
		err := scan(&kind, &m, &card, &code, &detail)
		return strings.Join([]string{kind, m, card, code, detail}, " "), err
	}, `select kind, member_id, card_id, code, detail from trail order by kind, member_id, code`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "; ")
}

func login(memberID string) trail.Row {
	return trail.Row{MemberID: memberID, Kind: trail.Login, At: time.Now()}
}

func add(t *testing.T, s *sqlstore.Store, list ...trail.Row) {
	t.Helper()
	if err := s.Add(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func added(t *testing.T, db *sqldb.DB, s *sqlstore.Store) {
	ext := login("m")
	ext.Kind, ext.CardID, ext.Code = trail.CardExt, "c1", "code-m"
	add(t, s, login("m"), login("nobody"), ext)
	if got, want := rows(t, db), "card_ext m c1 code-m {}; login m   {}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func addOfCard(t *testing.T, db *sqldb.DB, code string) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		return sqlstore.AddOfCard(ctx, sqldb.Queries{Querier: tx, DB: db}, trail.Row{
			CardID: "c1", Code: code, Kind: trail.PushRefused, Detail: trail.Detail{Message: "entry", Attempts: 2, Text: "汉字"},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addedOfCards(t *testing.T, db *sqldb.DB, _ *sqlstore.Store) {
	addOfCard(t, db, "code-m")
	addOfCard(t, db, "unknown")
	if got, want := rows(t, db), `push_refused  c1 code-m {"message":"entry","attempts":2,"text":"汉字"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func ofMessages(t *testing.T, db *sqldb.DB, _ *sqlstore.Store) {
	for i, id := range []string{"m1", "m2", "m1", "m11"} {
		detail := trail.Detail{ID: id, Attempts: int64(i), Text: `"id":"m2"`}
		if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
			r := trail.Row{CardID: "c1", Code: "code-m", Kind: trail.PushFailed, Detail: detail}
			return sqlstore.AddOfCard(ctx, sqldb.Queries{Querier: tx, DB: db}, r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]string{9: "[2 0]", 1: "[2]"} {
		list, err := sqlstore.OfMessage(t.Context(), db.Read(), "c1", "code-m", "m1", n)
		var got []int64
		for _, r := range list {
			if got = append(got, r.Detail.Attempts); r.Kind != trail.PushFailed || r.At.IsZero() || r.Code != "code-m" {
				t.Errorf("got %+v", r)
			}
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%d: got %v, %v, want %s", n, got, err, want)
		}
	}
}

func purged(t *testing.T, db *sqldb.DB, s *sqlstore.Store) {
	var list []trail.Row
	for i := range 9 {
		r := login("m")
		r.At = time.Now().Add(time.Duration(i-8) * time.Hour)
		list = append(list, r)
	}
	add(t, s, list...)
	for _, want := range []int{3, 1, 0} {
		if n, err := s.Purge(t.Context(), 4*time.Hour+30*time.Minute, 3); n != want || err != nil {
			t.Errorf("got %d, %v, want %d", n, err, want)
		}
	}
	if got := strings.Count(rows(t, db), "login"); got != 5 {
		t.Errorf("%d rows are left", got)
	}
}

func jobs(t *testing.T, _ *sqldb.DB, s *sqlstore.Store) {
	for i, want := range []bool{true, false} {
		if mine, err := s.StartJob(t.Context(), "j", time.Hour); mine != want || err != nil {
			t.Errorf("call %d: got %v, %v", i, mine, err)
		}
	}
}

func erase(t *testing.T, db *sqldb.DB, memberID string) {
	t.Helper()
	service := member.New(membersql.New(db), member.Apps{MiniProgram: "wxapp", Official: "wxofficial"}, nil, func() {})
	if err := service.Erase(t.Context(), memberID); err != nil {
		t.Error(err)
	}
}

// A batch and an outcome that come after the erasure add nothing.
func erased(t *testing.T, db *sqldb.DB, s *sqlstore.Store) {
	add(t, s, login("m"), login("n"))
	addOfCard(t, db, "code-m")
	erase(t, db, "m")
	if got, want := rows(t, db), "login n   {}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	late := login("m")
	late.Kind, late.CardID, late.Code = trail.CardExt, "c1", "code-m"
	add(t, s, login("m"), late)
	addOfCard(t, db, "code-m")
	if got, want := rows(t, db), "login n   {}"; got != want {
		t.Errorf("afterwards: got %s, want %s", got, want)
	}
}

func erasedMeanwhile(t *testing.T, db *sqldb.DB, s *sqlstore.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		id := fmt.Sprint("x", i)
		sqldbtest.Exec(t, db, `insert into member (member_id, created_at) values ($1, 1)`, id)
		wg.Go(func() {
			if err := s.Add(t.Context(), []trail.Row{login(id), login(id)}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { erase(t, db, id) })
	}
	wg.Wait()
	if got := rows(t, db); got != "" {
		t.Errorf("got %s", got)
	}
}
