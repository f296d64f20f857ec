package sqlstore

import (
	"context"
	"strings"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// records are the rows about a person, $1: a table, its columns, and what selects the
// rows. TestRecords_HasWhatAnErasureTakes compares them with the schema.
var records = []struct{ table, columns, from string }{
	{"member", "member_id created_at", `member t where t.member_id = $1 and t.erased_at = 0`},
	{"identity", "app_id openid unionid created_at", `identity t where t.member_id = $1 order by t.app_id, t.openid`},
	{"ignored_unionid", "app_id openid unionid ignored_at", `identity i join ignored_unionid t on t.app_id = i.app_id and t.openid = i.openid
		where i.member_id = $1 order by t.app_id, t.openid, t.unionid`},
	{"code_proof", "openid created_at", `code_proof t where t.member_id = $1 order by t.openid`},
	{"member_phone", "sealed verified_at", `member_phone t where t.member_id = $1`},
	{"member_card", `card_id code status bonus balance membership_number custom_field1 custom_field2 custom_field3 outer_str wallet given_from
		created_at issued_at claimed_at activated_at`, `member_card t where t.member_id = $1 order by t.created_at, t.card_id, t.code`},
	{"form", "card_id code sealed created_at", `member_card c join form t on t.card_id = c.card_id and t.code = c.code
		where c.member_id = $1 and t.sealed <> '' order by t.created_at, t.ticket_hash`},
	{"entry", `entry_id card_id seq add_bonus bonus add_balance balance record_bonus record_balance reverses store order_id created_at`,
		`member_card c join entry t on t.card_id = c.card_id and t.ledger = c.ledger
		where c.member_id = $1 order by t.card_id, t.ledger, t.seq`},
	{"imported", `account_id card_id code unionid openid membership_number custom_field1 custom_field2 custom_field3 bonus balance joined_code
		created_at bound_at joined_at`, `imported t where t.member_id = $1 and t.member_id <> '' order by t.created_at, t.account_id`},
	{"event", "event card_id code openid happened_at received_at fields", `(select dedupe_key, event, card_id, code, openid, happened_at,
			received_at, case friend_openid when '' then fields else replace(fields, friend_openid, '') end as fields from event) t
		where t.dedupe_key in (
		select e.dedupe_key from member_card c join event e on e.card_id = c.card_id and e.code = c.code where c.member_id = $1
		union select e.dedupe_key from identity i join event e on e.openid = i.openid where i.member_id = $1)
		order by t.happened_at, t.dedupe_key`},
	{"outbox", "outbox_id card_id code kind payload state attempts last_error created_at", `member_card c
		join outbox t on t.card_id = c.card_id and t.code = c.code where c.member_id = $1 order by t.created_at, t.outbox_id`},
	{"trail", "trail_id card_id code kind at detail", `trail t where t.trail_id in (
		select r.trail_id from trail r where r.member_id = $1 and r.member_id <> ''
		union select r.trail_id from member_card c join trail r on r.card_id = c.card_id and r.code = c.code
			where c.member_id = $1 and r.code <> '' and r.member_id = '')
		order by t.trail_id`},
	{"webhook_delivery", "event_id webhook_id type card_id code data happened_at state attempts last_error ended_at",
		`webhook_delivery t where t.seq in (
		select d.seq from webhook_delivery d where d.member_id = $1 and d.member_id <> ''
		union select d.seq from member_card c join webhook_delivery d on d.card_id = c.card_id and d.code = c.code
			where c.member_id = $1 and d.code <> '')
		order by t.seq`},
	{"audit", "audit_id action card_id code role source at", `audit t where t.audit_id in (
		select a.audit_id from audit a where a.subject = $1 and a.subject <> ''
		union select a.audit_id from member_card c join audit a on a.card_id = c.card_id and a.code = c.code
			where c.member_id = $1 and a.card_id <> '')
		order by t.at, t.audit_id`},
}

// Records implements member.Store.
func (s *Store) Records(ctx context.Context, memberID string) ([]member.Table, error) {
	list := make([]member.Table, 0, len(records))
	for _, r := range records {
		columns := strings.Fields(r.columns)
		rows, err := sqldb.All(ctx, s, "read what is stored of a member", func(scan sqldb.Scan) (map[string]any, error) {
			values, pointers := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				pointers[i] = &values[i]
			}
			row := map[string]any{}
			err := scan(pointers...)
			for i, name := range columns {
				row[name] = values[i]
			}
			return row, err
		}, `select `+sqldb.Columns(columns).List("t.")+` from `+r.from, memberID)
		if err != nil {
			return nil, err
		}
		list = append(list, member.Table{Name: r.table, Rows: rows})
	}
	return list, nil
}
