package seed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/seed"
)

var options = seed.Options{Members: 205, Entries: 900, Seed: 3, CardID: "c1", MiniProgram: "wxapp", Official: "wxofficial"}

func TestFill_MakesMembersThatKeepEveryRule(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		if err := seed.Fill(t.Context(), db, options); err != nil {
			t.Fatal(err)
		}
		store := sqlstore.New(db)
		if wrong, err := ledgersql.New(db).Unbalanced(t.Context(), 10); len(wrong) > 0 || err != nil {
			t.Errorf("the ledger: %+v, %v", wrong, err)
		}
		for what, want := range map[string]int{
			"member": options.Members, "member_card": options.Members, "entry": options.Entries,
			"entry where bonus < 0 or balance < 0":                                                   0,
			"member_card where told <> seq or ledger <> code":                                        0,
			"member_card where (status = 'issued') <> (claimed_at = 0)":                              0,
			"member_card c join entry e on e.ledger = c.ledger where e.created_at <= c.activated_at": 0,
			"entry e join entry n on n.ledger = e.ledger and n.seq = e.seq + 1 where n.bonus <> e.bonus + n.add_bonus or n.balance <> e.balance + n.add_balance": 0,
			"outbox": 0,
		} {
			var n int
			if err := db.Read().QueryRow(t.Context(), "select count(*) from "+what).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %d, %v, want %d", what, n, err, want)
			}
		}
		people, err := store.People(t.Context(), member.Mark{}, 20)
		if err != nil || len(people) != 20 {
			t.Fatalf("%d people, %v", len(people), err)
		}
		for _, p := range people {
			if found, err := store.Find(t.Context(), p.Cards[0].Code, nil, 2); err != nil || len(found) != 1 || found[0] != p.ID {
				t.Errorf("by code: %v, %v, want %s", found, err, p.ID)
			}
		}
	})
}

func TestFill_GoesOnWhereItWasBrokenOff(t *testing.T) {
	t.Parallel()
	whole, broken := sqldbtest.New(t), sqldbtest.New(t)
	o := options
	o.Members, o.Entries = 700, 1500
	if err := seed.Fill(t.Context(), whole, o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	o.Progress = func(int, int) { stop() }
	if err := seed.Fill(ctx, broken, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("broken off: %v", err)
	}
	o.Progress = nil
	for range 2 { // the second call does nothing
		if err := seed.Fill(t.Context(), broken, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, sums := range []string{
		"count(*) || max(member_id) from member", "sum(bonus) || max(code) || max(wallet) from member_card",
		"count(*) || max(entry_id) || min(idempotency_key) || sum(seq * bonus) from entry", "max(dedupe_key) || max(fields) from event",
	} {
		if a, b := ask(t, whole, sums), ask(t, broken, sums); a != b {
			t.Errorf("%s: in one call %s, in two calls %s", sums, a, b)
		}
	}
}

func ask(t *testing.T, db *sqldb.DB, sums string) (answer string) {
	t.Helper()
	if err := db.Read().QueryRow(t.Context(), "select "+sums).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestFill_LeavesADatabaseWithOthersAlone(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]seed.Options{
		"another seed": {Members: 10, Seed: 4, CardID: "c1", MiniProgram: "a", Official: "b"},
		"one member":   {Members: 1, Seed: 4, CardID: "c1", MiniProgram: "a", Official: "b"},
		"more members": {Members: 210, Seed: 3, CardID: "c1", MiniProgram: "a", Official: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqldbtest.New(t)
			if err := seed.Fill(t.Context(), db, other); err != nil {
				t.Fatal(err)
			}
			if err := seed.Fill(t.Context(), db, options); !errors.Is(err, seed.ErrNotEmpty) {
				t.Errorf("got %v, want ErrNotEmpty", err)
			}
			if n := ask(t, db, "count(*) from member"); n != fmt.Sprint(other.Members) {
				t.Errorf("%s members", n)
			}
		})
	}
}

func TestFill_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	for _, o := range []seed.Options{{}, {Members: 1, Entries: -1}, {Members: 1, Entries: seed.MaxEntries + 1}} {
		if err := seed.Fill(t.Context(), db, o); err == nil {
			t.Errorf("%+v was filled in", o)
		}
	}
	for _, o := range []seed.Options{{Members: 1}, {Members: 1, Entries: 1}, {Members: 3, Entries: 100}} {
		db := sqldbtest.New(t)
		if err := seed.Fill(t.Context(), db, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
