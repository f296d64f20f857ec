package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/addcard/addcard/internal/member"
)

const cardColumns = `card_id, code, member_id, status, bonus, balance, seq, membership_number,
	custom_field1, custom_field2, custom_field3, outer_str, issued_at, claimed_at, activated_at,
	held_at, deleted_at, outer_at, submitted, wallet, given_from, version`

const cardSQL = `select ` + cardColumns + ` from member_card where card_id = $1 and code = $2`

func (r rows) Card(ctx context.Context, cardID, code string) (member.Card, error) {
	c, err := scanCard(r.q.QueryRow(ctx, cardSQL, cardID, code).Scan)
	return c, one("look a card up", err)
}

const heirSQL = `select ` + cardColumns + ` from member_card
	where card_id = $1 and given_from = $2 and given_from <> '' order by created_at, code limit 1`

func (r rows) Heir(ctx context.Context, cardID, code string) (member.Card, error) {
	c, err := scanCard(r.q.QueryRow(ctx, heirSQL, cardID, code).Scan)
	return c, one("look an heir up", err)
}

const cardsSQL = `select ` + cardColumns + ` from member_card c where member_id = $1
	and not (status = 'issued' and exists (select 1 from member_card o
		where o.member_id = c.member_id and o.card_id = c.card_id and o.status in ('claimed', 'active', 'deleted')))
	order by created_at, card_id, code`

func (r rows) Cards(ctx context.Context, memberID string) ([]member.Card, error) {
	rs, err := r.q.Query(ctx, cardsSQL, memberID)
	return all("list cards", rs, err, scanCard)
}

// No more than is needed: it is asked for each cardExt.
const liveCardSQL = `select code, status, outer_str, issued_at from member_card
	where member_id = $1 and card_id = $2 and status in ('issued', 'claimed', 'active', 'deleted')
	order by case status when 'active' then 0 when 'claimed' then 1 when 'deleted' then 2 else 3 end, created_at desc, code
	limit 1`

func (r rows) LiveCard(ctx context.Context, memberID, cardID string) (l member.Live, err error) {
	var issued int64
	err = r.q.QueryRow(ctx, liveCardSQL, memberID, cardID).Scan(&l.Code, &l.Status, &l.OuterStr, &issued)
	l.IssuedAt = when(issued)
	return l, one("look a card up", err)
}

func scanCard(scan func(...any) error) (c member.Card, err error) {
	var issued, claimed, activated, submitted int64
	err = scan(&c.CardID, &c.Code, &c.MemberID, &c.Status, &c.Bonus, &c.Balance, &c.Seq, &c.MembershipNumber,
		&c.Fields[0], &c.Fields[1], &c.Fields[2], &c.OuterStr, &issued, &claimed, &activated,
		&c.Life.Held, &c.Life.Deleted, &c.Life.Outer, &submitted, &c.Life.Wallet, &c.Life.GivenFrom, &c.Life.Version)
	c.Life.Submitted = submitted != 0
	c.IssuedAt, c.ClaimedAt, c.ActivatedAt = when(issued), when(claimed), when(activated)
	return c, err
}

const addIssuedSQL = `insert into member_card (card_id, code, ledger, member_id, status, outer_str, created_at, issued_at, check_at)
	select $1, $2, $2, m.member_id, 'issued', $4, now_ms(), now_ms(), now_ms() + $5 from member m
	where m.member_id = $3 and not exists (select 1 from member_card c
		where c.member_id = $3 and c.card_id = $1 and c.status in ('issued', 'claimed', 'active', 'deleted'))
	on conflict do nothing returning issued_at`

func (r rows) AddIssued(ctx context.Context, memberID string, want member.Want, code string) (time.Time, error) {
	var at int64
	err := one("add a code", r.q.QueryRow(ctx, addIssuedSQL, want.CardID, code, memberID, want.OuterStr, member.FirstCheck.Milliseconds()).Scan(&at))
	if errors.Is(err, member.ErrNotFound) {
		err = nil
	}
	return when(at), err
}

const addCardSQL = `insert into member_card (member_id, status, membership_number,
	custom_field1, custom_field2, custom_field3, outer_str, issued_at, claimed_at, activated_at,
	held_at, deleted_at, outer_at, submitted, wallet, given_from, card_id, code, ledger, created_at, check_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, now_ms(), now_ms() + $19)
	on conflict do nothing`

func (r rows) AddCard(ctx context.Context, c member.Card) (bool, error) {
	return r.changes(ctx, "add a card", addCardSQL, append(values(c), c.CardID, c.Code, member.FirstCheck.Milliseconds())...)
}

const updateCardSQL = `update member_card set member_id = $1, status = $2, membership_number = $3,
	custom_field1 = $4, custom_field2 = $5, custom_field3 = $6, outer_str = $7, issued_at = $8, claimed_at = $9,
	activated_at = $10, held_at = $11, deleted_at = $12, outer_at = $13, submitted = $14, wallet = $15, given_from = $16,
	version = version + 1
	where card_id = $17 and code = $18 and version = $19`

func (r rows) UpdateCard(ctx context.Context, c member.Card) (bool, error) {
	return r.changes(ctx, "update a card", updateCardSQL, append(values(c), c.CardID, c.Code, c.Life.Version)...)
}

// values are those of addCardSQL and updateCardSQL that are no key.
func values(c member.Card) []any {
	submitted := 0
	if c.Life.Submitted {
		submitted = 1
	}
	return []any{
		c.MemberID, string(c.Status), c.MembershipNumber, c.Fields[0], c.Fields[1], c.Fields[2], c.OuterStr,
		millis(c.IssuedAt), millis(c.ClaimedAt), millis(c.ActivatedAt),
		int64(c.Life.Held), int64(c.Life.Deleted), int64(c.Life.Outer), submitted, c.Life.Wallet, c.Life.GivenFrom,
	}
}
