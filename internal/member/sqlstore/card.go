package sqlstore

import (
	"context"

	"addcard/internal/member"
)

const cardColumns = `card_id, code, member_id, status, bonus, balance, membership_number,
	custom_field1, custom_field2, custom_field3, outer_str, issued_at, claimed_at, activated_at`

const cardsSQL = `select ` + cardColumns + ` from member_card where member_id = $1 order by created_at, card_id, code`

func (r rows) Cards(ctx context.Context, memberID string) ([]member.Card, error) {
	rs, err := r.q.Query(ctx, cardsSQL, memberID)
	return all("list cards", rs, err, scanCard)
}

const liveCardSQL = `select ` + cardColumns + ` from member_card
	where member_id = $1 and card_id = $2 and status in ('issued', 'claimed', 'active', 'deleted')
	order by case status when 'active' then 0 when 'claimed' then 1 when 'issued' then 2 else 3 end, created_at desc, code
	limit 1`

func (r rows) LiveCard(ctx context.Context, memberID, cardID string) (member.Card, error) {
	c, err := scanCard(r.q.QueryRow(ctx, liveCardSQL, memberID, cardID).Scan)
	return c, one("look a card up", err)
}

func scanCard(scan func(...any) error) (c member.Card, err error) {
	var issued, claimed, activated int64
	err = scan(&c.CardID, &c.Code, &c.MemberID, &c.Status, &c.Bonus, &c.Balance, &c.MembershipNumber,
		&c.Fields[0], &c.Fields[1], &c.Fields[2], &c.OuterStr, &issued, &claimed, &activated)
	c.IssuedAt, c.ClaimedAt, c.ActivatedAt = when(issued), when(claimed), when(activated)
	return c, err
}

const addIssuedSQL = `insert into member_card (card_id, code, member_id, status, created_at, issued_at)
	values ($1, $2, $3, 'issued', now_ms(), now_ms()) on conflict do nothing`

func (r rows) AddIssued(ctx context.Context, memberID, cardID, code string) (bool, error) {
	res, err := r.q.Exec(ctx, addIssuedSQL, cardID, code, memberID)
	return added("add a code", res, err)
}
