package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// addEntry adds an entry and reports whether it is there afterwards: a key that is used
// already keeps it out.
func addEntry(t *testing.T, db *sqldb.DB, id, ledger, key, reverses string) (added bool) {
	t.Helper()
	added, err := db.Change(patient(t), "add", `insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance,
		record_bonus, record_balance, notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at)
		values ($1, 'c1', $2, 1, 5, 5, 0, 0, '', '', 1, 1, $4, 'r', $3, '', '', '', 1) on conflict do nothing`, id, ledger, key, reverses)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// docs/scale/partition.sql keeps all rows, and what is unique and append-only, although no
// column is in all unique indexes.
func TestPartition_KeepsRowsAndRules(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	for i := range 40 {
		addEntry(t, db, fmt.Sprint("e", i), fmt.Sprint("A", i), fmt.Sprint("k", i), "")
	}
	addEntry(t, db, "back", "A40", "", "e0")
	sqldbtest.Exec(t, db, `insert into event (dedupe_key, event, card_id, code, openid, happened_at, received_at, fields)
		values ('d', 'user_get_card', 'c', '1', 'o', 1, 1, '{}')`)
	if _, err := db.Read().Exec(patient(t), sqldbtest.Partition(t)); err != nil {
		t.Fatal(err)
	}
	var entries, events, parts int
	if err := db.Read().QueryRow(patient(t), `select (select count(*) from entry), (select count(*) from event),
		(select count(distinct tableoid) from entry)`).Scan(&entries, &events, &parts); err != nil || entries != 41 || events != 1 || parts < 8 {
		t.Errorf("%d entries in %d partitions, %d events, %v", entries, parts, events, err)
	}
	for name, tt := range map[string]struct{ id, ledger, key, reverses string }{
		"a key of another ledger": {"new1", "B1", "k7", ""}, "a second reversal": {"new2", "B2", "", "e0"},
		"both": {"new3", "B3", "k7", "e1"}, "a place in the ledger": {"new4", "A3", "fresh", ""},
	} {
		if addEntry(t, db, tt.id, tt.ledger, tt.key, tt.reverses) {
			t.Errorf("%s is added twice", name)
		}
	}
	if !addEntry(t, db, "new5", "B5", "k100", "e1") || !addEntry(t, db, "new6", "B6", "", "") {
		t.Error("a new entry is not added")
	}
	for _, table := range []string{"entry", "entry_3"} {
		for _, statement := range []string{"update " + table + " set bonus = 6", "delete from " + table, "truncate " + table} {
			err := db.Write(patient(t), func(ctx context.Context, tx sqldb.Querier) error {
				_, err := tx.Exec(ctx, statement)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: got %v", statement, err)
			}
		}
	}
	if n, err := db.Migrate(t.Context()); n != 0 || err != nil {
		t.Errorf("migrate: %d steps, %v", n, err)
	}
}

// A copy takes divided tables as a whole, and only between databases that are both divided.
func TestPartition_IsCopied(t *testing.T) {
	t.Parallel()
	from, to := sqldbtest.Divided(t), sqldbtest.Divided(t)
	db, err := sqldb.Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		addEntry(t, db, fmt.Sprint("e", i), fmt.Sprint("A", i), fmt.Sprint("k", i), "")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := doCopy(t, from, to); err != nil {
		t.Fatal(err)
	}
	copied := sqldbtest.Open(t, to)
	if addEntry(t, copied, "new", "B", "k7", "") {
		t.Error("a key is used twice in the copy")
	}
	if err := doCopy(t, from, sqldbtest.EmptyPostgres(t)); !errors.Is(err, sqldb.ErrUncopyable) {
		t.Errorf("to a database that is not divided: %v", err)
	}
}
