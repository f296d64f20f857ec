package sqlstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// A comparison costs a call to WeChat: nothing is compared as soon as it is there.
func TestFirstCheck_IsAWhileAfterTheRowWasAdded(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		memberID, err := s.Enroll(t.Context(), mini, "o1", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Codes(t.Context(), memberID, []member.CodeRequest{{CardID: "c1"}}); err != nil {
			t.Fatal(err)
		}
		receive(t, s, member.Event{DedupeKey: "k1", CardID: "c1", Code: "from a QR code", OpenID: "O1"})
		for table, want := range map[string]int{"identity": 2, "member_card": 2} {
			waits, err := sqldb.All(t.Context(), db.Read(), "read", sqldb.Text, "select cast(check_at - created_at as text) from "+table)
			if len(waits) != want || err != nil {
				t.Fatalf("%s: %v, %v", table, waits, err)
			}
			for _, text := range waits {
				var ms int64
				_, err := fmt.Sscan(text, &ms)
				got := time.Duration(ms) * time.Millisecond
				if (got-member.FirstCheck).Abs() > time.Minute || err != nil {
					t.Errorf("%s: the first check is after %v, %v", table, got, err)
				}
			}
		}
	})
}

// What WeChat may have changed is compared at once, and nothing else is.
func TestMarkModified_MakesThatCardDue(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		write(t, db, func(ctx context.Context, tx member.Tx) error {
			if err := tx.AddMember(ctx, "m1"); err != nil {
				return err
			}
			for _, key := range [][2]string{{"c1", "A1"}, {"c2", "A1"}, {"c1", "A2"}} {
				if _, err := tx.AddCard(ctx, member.Card{CardID: key[0], Code: key[1], MemberID: "m1", Status: member.Active}); err != nil {
					return err
				}
			}
			return nil
		})
		sqldbtest.Exec(t, db, "update member_card set check_wait = 7, check_at = 9")
		state := func(cardID, code string) string {
			t.Helper()
			var got string
			if err := db.Read().QueryRow(t.Context(), `select cast(modified as text) || ' ' || cast(check_wait as text) || ' ' || cast(check_at as text)
				from member_card where card_id = $1 and code = $2`, cardID, code).Scan(&got); err != nil {
				t.Fatal(err)
			}
			return got
		}
		write(t, db, func(ctx context.Context, tx member.Tx) error { return tx.LockCard(ctx, "c1", "A1") })
		if got := state("c1", "A1"); got != "0 7 9" {
			t.Errorf("after it was locked: %s", got)
		}
		write(t, db, func(ctx context.Context, tx member.Tx) error { return tx.MarkModified(ctx, "c1", "A1") })
		if got := state("c1", "A1"); got != "1 0 0" {
			t.Errorf("after it was marked: %s", got)
		}
		for _, key := range [][2]string{{"c2", "A1"}, {"c1", "A2"}} {
			if got := state(key[0], key[1]); got != "0 7 9" {
				t.Errorf("the other card %v: %s", key, got)
			}
		}
	})
}

// An earlier version may have stored very many forms.
func TestUnindexedForms_ComePageByPage(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		for _, row := range []struct {
			key, sealed string
			indexed     int
		}{{"e", "x", 0}, {"c", "x", 0}, {"indexed", "x", 1}, {"a", "x", 0}, {"ticket", "", 0}, {"d", "x", 0}, {"b", "x", 0}} {
			sqldbtest.Exec(t, db, "insert into form (ticket_hash, card_id, code, sealed, created_at, indexed) values ($1, 'c1', $2, $3, 1, $4)",
				row.key, "code of "+row.key, row.sealed, row.indexed)
		}
		store := sqlstore.New(db)
		for after, want := range map[string]string{"": "a b", "b": "c d", "d": "e", "e": ""} {
			forms, err := store.UnindexedForms(t.Context(), after, 2)
			var got []string
			for _, f := range forms {
				got = append(got, f.Key)
				if f.CardID != "c1" || f.Code != "code of "+f.Key {
					t.Errorf("got %+v", f)
				}
			}
			if strings.Join(got, " ") != want || err != nil {
				t.Errorf("after %q: got %q, %v, want %s", after, got, err, want)
			}
		}
	})
}
