package sqlstore_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// erasureKeeps lists where each thing about an erased person is found afterwards.
// What is not listed is found nowhere.
var erasureKeeps = map[string]string{
	// It names no person any longer. Until the last tokens end they must be refused.
	"member ID": "revoked_session.jti",
	// The codes stay WeChat's, and must not be issued again. The roll-up deletes what is uncounted.
	// Endpoints of webhooks are told that the codes are unavailable.
	"code": "entry.ledger entry.route event.code form.code member_card.code member_card.ledger uncounted_card.code " +
		"webhook_delivery.code",
	"given code": "event.code event.fields member_card.code member_card.given_from member_card.ledger uncounted_card.code " +
		"uncounted_card.given_from webhook_delivery.data",
	"channel":        "member_card.outer_str uncounted_card.outer_str uncounted_card.was_outer_str webhook_delivery.data",
	"text of entry":  "entry.answer entry.record_bonus", // the ledger is append-only
	"hash of ticket": "form.ticket_hash",
	"key of event":   "event.dedupe_key",
}

// It leads one member through everything that stores something about a person.
func TestErase_LeavesNothingOfThePerson(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		sqldbtest.Exec(t, db, `insert into webhook (webhook_id, url, description, enabled, secret, created_at) values ('w', '', '', 1, '', 1)`)
		sqldbtest.Exec(t, db, `insert into webhook_subscription (type, webhook_id) values ('*', 'w')`)
		memberID, err := s.Enroll(t.Context(), mini, "openid-in-mini", "unionid-1")
		if err != nil {
			t.Fatal(err)
		}
		for key, code := range map[string]string{"key-1": "code-1", "key-2": "given-1"} {
			receive(t, s, member.Event{
				DedupeKey: key, CardID: "c1", Code: code, OpenID: "openid-in-official", UnionID: "unionid-1", OuterStr: "channel-1",
				Fields: map[string]string{"FromUserName": "openid-in-official", "UnionId": "unionid-1", "OuterStr": "channel-1"},
			})
		}
		receive(t, s, member.Event{
			DedupeKey: "key-3", CardID: "c1", Code: "code-of-friend", OpenID: "openid-of-friend",
			OldCode: "given-1", FriendOpenID: "openid-in-official", Fields: map[string]string{"FriendUserName": "openid-in-official"},
		})
		// An older version stored this event.
		sqldbtest.Exec(t, db, "update event set friend_openid = '' where dedupe_key = 'key-3'")
		for key, old := range map[string]string{"key-4": "", "key-5": "code-of-friend"} {
			if err := s.Receive(t.Context(), member.Event{
				DedupeKey: key, Name: "user_gifting_card", CardID: "c1", Code: "code-of-friend", OldCode: old, OpenID: "openid-of-friend",
				FriendOpenID: "openid-in-official", Fields: map[string]string{"FriendUserName": "openid-in-official"},
			}); err != nil {
				t.Fatal(err)
			}
		}
		write(t, db, func(ctx context.Context, tx member.Tx) error {
			c, err := tx.Card(ctx, "c1", "code-1")
			if err != nil {
				return err
			}
			c.MarkActive("number-1", time.Unix(1e9, 0))
			if err := member.Save(ctx, tx, c); err != nil {
				return err
			}
			if _, err := tx.UseTicket(ctx, "ticket-1", "c1", "code-1"); err != nil {
				return err
			}
			if err := tx.PutForm(ctx, "c1", "code-1", member.SealedForm{Key: "form-1", Phone: "phone-1", Sealed: "sealed-1"}); err != nil {
				return err
			}
			if err := tx.PutPhone(ctx, memberID, member.SealedPhone{Hash: "verified-1", Sealed: "encrypted-1"}); err != nil {
				return err
			}
			return tx.IgnoreUnionID(ctx, member.Identity{AppID: official, OpenID: "openid-in-official"}, "unionid-2")
		})
		field := "field-1"
		if _, err := s.SetFields(t.Context(), "c1", "code-1", member.FieldChange{Values: [3]*string{&field, &field, &field}}); err != nil {
			t.Fatal(err)
		}
		request := ledger.Request{
			Route: "POST /v1/cards/c1/codes/code-1/entries", Key: "idempotent", Payload: "hash",
			Answer: func(e ledger.Entry) ([]byte, error) { return json.Marshal(e) },
		}
		book := ledger.New(ledgersql.New(db), func() {})
		_, _, err = book.AddEntry(t.Context(), "c1", "code-1", ledger.Booking{AddBonus: 5, RecordBonus: "text-1"}, request)
		if err != nil {
			t.Fatal(err)
		}

		things := map[string]string{
			"member ID": memberID, "mini-program's openid": "openid-in-mini", "Official openid": "openid-in-official", "unionid": "unionid-1",
			"ignored unionid": "unionid-2",
			"code":            "code-1", "given code": "given-1", "number": "number-1", "channel": "channel-1", "custom field": "field-1",
			"hash of phone": "phone-1", "form": "sealed-1",
			"hash of verified phone": "verified-1", "verified phone": "encrypted-1",
			"hash of ticket": "ticket-1", "text of entry": "text-1", "key of event": "key-1",
		}
		for thing, where := range search(t, db, things) {
			if len(where) == 0 {
				t.Errorf("%s was not stored: the test would not notice that it is kept", thing)
			}
		}
		if err := s.Erase(t.Context(), memberID); err != nil {
			t.Fatal(err)
		}
		for thing, where := range search(t, db, things) {
			if got := strings.Join(where, " "); got != erasureKeeps[thing] {
				t.Errorf("%s: erasure keeps it in %q, erasureKeeps has %q", thing, got, erasureKeeps[thing])
			}
		}
	})
}

// What is kept to recognise late events goes with the next erasure after a week.
func TestErase_ForgetsTheHashesOfAWeekAgo(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		erase := func(openid string) {
			t.Helper()
			memberID, err := s.Enroll(t.Context(), mini, openid, "")
			if err == nil {
				err = s.Erase(t.Context(), memberID)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		age := func(d time.Duration) {
			t.Helper()
			sqldbtest.Exec(t, db, "update erased_openid set erased_at = erased_at - $1", d.Milliseconds())
		}
		const day = 24 * time.Hour
		for i, step := range []struct {
			age  time.Duration
			kept int
		}{{0, 1}, {6 * day, 2}, {2 * day, 2}, {8 * day, 1}} { // the first is 8 days old at the third
			age(step.age)
			erase("openid-" + strconv.Itoa(i))
			if _, rows := read(t, db, "erased_openid"); len(rows) != step.kept {
				t.Errorf("erasure %d: %d hashes are kept, want %d", i+1, len(rows), step.kept)
			}
		}
	})
}

// An earlier version stored the two sides of a conflict.
func TestErase_LeavesNoConflictThatNamesThePerson(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		memberID, err := s.Enroll(t.Context(), mini, "openid-1", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range [][3]string{ // openid, member, the other member
			{"openid-2", memberID, "m3"}, {"openid-3", "m2", memberID}, {"openid-1", "m2", "m3"}, {"openid-4", "m2", "m3"},
		} {
			sqldbtest.Exec(t, db, `insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
				values ($1, $2, $3, $4, 5)`, mini, row[0], row[1], row[2])
		}
		if err := s.Erase(t.Context(), memberID); err != nil {
			t.Fatal(err)
		}
		if _, rows := read(t, db, "identity_conflict"); len(rows) != 1 || rows[0]["openid"] != "openid-4" {
			t.Errorf("left: %v, want the conflict of others", rows)
		}
	})
}

// search returns the columns of the database in which each thing is found, sorted.
func search(t *testing.T, db *sqldb.DB, things map[string]string) map[string][]string {
	t.Helper()
	found := map[string]map[string]bool{}
	for thing := range things {
		found[thing] = map[string]bool{}
	}
	for _, table := range tables(t, db) {
		_, rows := read(t, db, table)
		for _, row := range rows {
			for column, value := range row {
				for thing, text := range things {
					if strings.Contains(value, text) {
						found[thing][table+"."+column] = true
					}
				}
			}
		}
	}
	columns := map[string][]string{}
	for thing, set := range found {
		columns[thing] = slices.Sorted(maps.Keys(set))
	}
	return columns
}
