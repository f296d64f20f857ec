package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/postgres"
)

func TestPostgres_MigrateBySeveralAtOnceThenAgain(t *testing.T) {
	t.Parallel()
	url := sqldbtest.EmptyPostgres(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { sqldbtest.Open(t, url) })
	}
	wg.Wait()
	db := sqldbtest.Open(t, url)
	if n, err := db.Migrate(t.Context()); n != 0 || err != nil {
		t.Errorf("migrate again: got %d steps, %v", n, err)
	}
	var now int64
	before := time.Now().UnixMilli()
	if err := db.Read().QueryRow(t.Context(), "select now_ms()").Scan(&now); err != nil || now < before-1000 || now > before+60_000 {
		t.Errorf("now_ms: got %d about %d, %v", now, before, err)
	}
	var level string
	if err := db.Read().QueryRow(t.Context(), "show synchronous_commit").Scan(&level); err != nil || level != "on" {
		t.Errorf("synchronous_commit: got %q, %v", level, err)
	}
}

// Of two transactions in a deadlock one is repeated, and both are committed.
func TestPostgres_DeadlocksAreBegunAnew(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	sqldbtest.Exec(t, db, "create table n (id text primary key, n bigint not null)")
	sqldbtest.Exec(t, db, "insert into n values ('a', 0), ('b', 0)")
	var holding, done sync.WaitGroup
	var begun atomic.Int64
	holding.Add(2)
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		done.Go(func() {
			first := true
			err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
				begun.Add(1)
				// Otherwise both are run again before the server looks for deadlocks.
				if _, err := tx.Exec(ctx, "set local lock_timeout = 0"); err != nil {
					return err
				}
				for _, id := range order {
					if _, err := tx.Exec(ctx, "update n set n = n + 1 where id = $1", id); err != nil {
						return err
					}
					if first { // each waits until both hold the row that the other needs
						first = false
						holding.Done()
						holding.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	var a, b int64
	err := db.Read().QueryRow(t.Context(), "select max(case id when 'a' then n end), max(case id when 'b' then n end) from n").Scan(&a, &b)
	if err != nil || a != 2 || b != 2 || begun.Load() != 3 {
		t.Errorf("got %d and %d after %d runs, %v; want 2 and 2 after 3", a, b, begun.Load(), err)
	}
}

// Symptom: the API answered 500.
func TestPostgres_WhatIsAlwaysInTheWayIsBusy(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldbtest.Postgres(t))
	err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, "do $$ begin raise exception using errcode = 'deadlock_detected'; end $$")
		return err
	})
	if !errors.Is(err, sqldb.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

func TestPostgres_GoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	db := sqldbtest.Open(t, server.URL("postgres"))
	insert := func(id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return insertMember(ctx, tx, id) })
	}
	if err := insert("before"); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	err := insert("meanwhile")
	if !errors.Is(err, sqldb.ErrBusy) && !errors.Is(err, sqldb.ErrUnknown) && !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("while it is away: got %v", err)
	}
	if err := db.Ping(t.Context()); err == nil || !errors.Is(err, sqldb.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("ping: got %v", err)
	}
	server.Restart(t)
	deadline := time.Now().Add(30 * time.Second)
	for err = insert("after"); err != nil && time.Now().Before(deadline); err = insert("after") {
		<-time.After(50 * time.Millisecond)
	}
	if got := countMembers(t, db); err != nil || got != 2 {
		t.Errorf("%v, rows: got %d, want 2", err, got)
	}
}

// A database with data of the first version, and of the version that added the
// ledger, passes all later migrations.
func TestMigrate_KeepsWhatEarlierSchemasHeld(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/a.db", "postgres": sqldbtest.EmptyPostgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqldb.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if err := db.MigrateTo(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				sqldbtest.Exec(t, db, "insert into member (member_id, created_at) values ($1, 5)", fmt.Sprint("m", i))
				sqldbtest.Exec(
					t,
					db,
					"insert into identity (app_id, openid, unionid, member_id, created_at) values ('wx', $1, '', $2, 5)",
					fmt.Sprint("o", i),
					fmt.Sprint("m", i),
				)
				sqldbtest.Exec(
					t,
					db,
					"insert into member_card (card_id, code, member_id, status, bonus, created_at) values ('c', $1, $2, 'active', 7, 5)",
					fmt.Sprint(i),
					fmt.Sprint("m", i),
				)
			}
			if err := db.MigrateTo(t.Context(), 7); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				sqldbtest.Exec(
					t,
					db,
					`insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance, record_bonus, record_balance,
					notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at)
					values ($1, 'c', $2, 1, 7, 7, 0, 0, '', '', 1, 1, '', '', '', '', '', '', 5)`,
					fmt.Sprint("e", i),
					fmt.Sprint(i),
				)
				sqldbtest.Exec(t, db, "update member_card set seq = 1, told = 1, fields_due = 5, activated_at = cast($1 as integer) % 2 where code = $1", fmt.Sprint(i))
				sqldbtest.Exec(
					t,
					db,
					"insert into outbox (outbox_id, card_id, code, seq, kind, due_at, created_at) values ($1, 'c', $2, 1, 'entry', 5, 5)",
					fmt.Sprint("e", i),
					fmt.Sprint(i),
				)
			}
			if err := db.MigrateTo(t.Context(), 15); err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{
				// Issued in the mini-program and then in a wallet; in the member's own wallet; not issued by addcard.
				"update member_card set issued_at = 1, wallet = 'w1' where code = '1'",
				"update member_card set issued_at = 1, wallet = 'o2' where code = '2'",
				"update member_card set wallet = 'w3' where code = '3'",
				`insert into event (dedupe_key, event, card_id, code, openid, happened_at, received_at, fields)
					values ('gift', 'user_gifting_card', 'c', '1', 'w1', 1, 1, 'with a friend'), ('get', 'user_get_card', 'c', '1', 'w1', 1, 1, 'x')`,
			} {
				sqldbtest.Exec(t, db, statement)
			}
			if steps, err := db.Migrate(t.Context()); err != nil || steps < 5 {
				t.Fatalf("%d steps, %v", steps, err)
			}
			for query, want := range map[string]string{
				"select min(member_id || ' ' || openid) || ' ' || cast(count(*) as text) from code_proof": "m1 w1 1",
				"select min(dedupe_key || ' ' || fields) from event where dedupe_key = 'gift'":            "gift {}",
				"select min(dedupe_key || ' ' || fields) from event where dedupe_key = 'get'":             "get x",
			} {
				var got string
				if err := db.Read().QueryRow(t.Context(), query).Scan(&got); err != nil || got != want {
					t.Errorf("%s: got %q, %v, want %q", query, got, err, want)
				}
			}
			var members, cards, bonus, entries, waiting, known int64
			var ledger string
			if err := db.Read().QueryRow(t.Context(), `select count(*), (select count(*) from outbox where state = 'waiting') from entry e
				join member_card c on c.card_id = e.card_id and c.ledger = e.ledger and c.seq = e.seq and c.bonus = e.bonus
				and c.due = 5`).Scan(&entries, &waiting); err != nil {
				t.Fatal(err)
			}
			if err := db.Read().QueryRow(t.Context(), "select count(*) from member where erased_at = 0").Scan(&members); err != nil {
				t.Fatal(err)
			}
			if err := db.Read().QueryRow(
				t.Context(),
				"select count(*), sum(bonus), max(ledger), sum(face_known) from member_card",
			).Scan(
				&cards,
				&bonus,
				&ledger,
				&known,
			); err != nil {
				t.Fatal(err)
			}
			if members != 100 || cards != 100 || bonus != 700 || ledger != "99" || entries != 100 || waiting != 100 || known != 50 {
				t.Errorf("%d members, %d cards, %d points, ledger %q, %d entries, %d messages, %d faces known",
					members, cards, bonus, ledger, entries, waiting, known)
			}
		})
	}
}
