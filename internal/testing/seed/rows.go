package seed

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// table collects the rows of one table. shape is a row in SQL with ? for each
// value.
type table struct {
	name, shape string
	values      []any
	rows        int // per statement
	many, one   string
}

func newTable(rows int, name, columns, shape string) *table {
	t := &table{name: name, shape: shape, rows: rows}
	t.many, t.one = t.statement(columns, rows), t.statement(columns, 1)
	return t
}

func (t *table) add(values ...any) { t.values = append(t.values, values...) }

// insert uses only two statements, for many rows and for one row, because
// statements are kept.
func (t *table) insert(ctx context.Context, tx sqldb.Querier) error {
	width := strings.Count(t.shape, "?")
	for left := t.values; len(left) > 0; {
		n, query := t.rows, t.many
		if len(left) < n*width {
			n, query = 1, t.one
		}
		if _, err := tx.Exec(ctx, query, left[:n*width]...); err != nil {
			return fmt.Errorf("fill %s: %w", t.name, err)
		}
		left = left[n*width:]
	}
	return nil
}

func (t *table) statement(columns string, rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "insert into %s (%s) values ", t.name, columns)
	n := 0
	for _, c := range strings.Repeat(t.shape+", ", rows-1) + t.shape {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		fmt.Fprintf(&b, "$%d", n)
	}
	return b.String()
}

// tables are the tables that Fill writes.
type tables struct{ member, identity, card, event, form, entry *table }

func newTables(rows int) tables {
	return tables{
		member:   newTable(rows, "member", `member_id, created_at`, `(?, ?)`),
		identity: newTable(rows, "identity", `app_id, openid, unionid, member_id, created_at, check_at`, `(?, ?, ?, ?, ?, ?)`),
		card: newTable(rows, "member_card", `card_id, code, ledger, member_id, status, bonus, balance, seq, told, membership_number, outer_str,
			created_at, issued_at, claimed_at, activated_at, held_at, deleted_at, outer_at, submitted, wallet, check_at, face_known`,
			`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		event: newTable(rows, "event", `dedupe_key, event, card_id, code, openid, happened_at, received_at, fields`, `(?, ?, ?, ?, ?, ?, ?, ?)`),
		form:  newTable(rows, "form", `ticket_hash, card_id, code, created_at`, `(?, ?, ?, ?)`),
		entry: newTable(rows, "entry", `entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance, record_bonus, record_balance,
			notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at`,
			`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, '', ?, ?, ?, ?, ?, ?)`),
	}
}

// insert writes the rows of all tables. It may be repeated.
func (t tables) insert(ctx context.Context, tx sqldb.Querier) error {
	for _, filled := range t.all() {
		if err := filled.insert(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (t tables) all() []*table {
	return []*table{t.member, t.identity, t.card, t.event, t.form, t.entry}
}

// clear removes the rows and keeps the statements, which take long to write.
func (t tables) clear() {
	for _, filled := range t.all() {
		filled.values = filled.values[:0]
	}
}

// Times from joining to the next steps, and a week, in milliseconds.
const (
	claimedAfter   = 20_000
	activatedAfter = 21_000
	week           = 7 * 24 * 3_600_000
)

func (o Options) identities(p person) (rows [][]any) {
	for _, id := range []struct{ app, openID string }{{o.MiniProgram, p.miniOpenID}, {o.Official, p.officialOpenID}} {
		if id.openID != "" {
			rows = append(rows, []any{id.app, id.openID, p.unionID, p.id, p.joinedAt, p.joinedAt + week})
		}
	}
	return rows
}

// card returns the row of the member's card, with the totals after the last
// entry. All entries have been pushed.
func (o Options) card(p person, book []entry) []any {
	var newest entry
	if len(book) > 0 {
		newest = book[len(book)-1]
	}
	status, number, channel := member.Active, p.code, fmt.Sprint("table", p.k%50)
	claimed, held, deleted := p.joinedAt+claimedAfter, moment(p.joinedAt+claimedAfter), int64(0)
	activated, issued, submitted, faceKnown := p.joinedAt+activatedAfter, p.joinedAt, int64(0), int64(1)
	switch p.segment() {
	case neverClaimed:
		status, number, claimed, activated, held, faceKnown = member.Issued, "", 0, 0, 0, 0
	case deletedCard:
		status, deleted = member.Deleted, moment(end)+1
	case submittedForm:
		submitted = 1
	case viaQRCode:
		issued = 0
	}
	return []any{
		o.CardID, p.code, p.code, p.id, string(status), newest.bonus, newest.balance, newest.seq, newest.seq, number, channel,
		p.joinedAt, issued, claimed, activated, held, deleted, held, submitted, p.officialOpenID,
		max(p.joinedAt, newest.createdAt) + week, faceKnown,
	}
}

// moment is the moment, as package member defines it, at which a card was
// claimed.
func moment(ms int64) int64 { return ms / 1000 * 4 }

func (o Options) event(p person) []any {
	at := time.UnixMilli(p.joinedAt + claimedAfter).UTC().Truncate(time.Second)
	e := member.Event{
		DedupeKey: hexOf(o.random(p.k, 1), 32), Name: "user_get_card", CardID: o.CardID, Code: p.code,
		OpenID: p.officialOpenID, UnionID: p.unionID, At: at,
		Fields: map[string]string{
			"CardId": o.CardID, "UserCardCode": p.code, "FromUserName": p.officialOpenID, "IsGiveByFriend": "0",
			"OuterStr": fmt.Sprint("table", p.k%50),
		},
	}
	fields, err := json.Marshal(e)
	if err != nil {
		panic(err) // cannot happen: strings, and a time with a year of four digits
	}
	return []any{e.DedupeKey, e.Name, e.CardID, e.Code, e.OpenID, at.UnixMilli(), at.UnixMilli() + 700, string(fields)}
}

func (o Options) form(p person) []any {
	return []any{hexOf(o.random(p.k, 2), 32), o.CardID, p.code, p.joinedAt + claimedAfter}
}

func hexOf(random *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return hex.EncodeToString(b)
}
