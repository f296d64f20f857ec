package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// cardFields are the columns of member_card that are written here. A Card is also
// read from its key, from what the ledger writes, and from the version of the row.
// The other columns belong to the ledger (ledger, told, due) and to the reconciler.
func cardFields(c *member.Card) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("member_id", &c.MemberID),
		sqldb.Col("status", (*string)(&c.Status)),
		sqldb.Col("membership_number", &c.MembershipNumber),
		sqldb.Col("custom_field1", &c.Fields[0]), sqldb.Col("custom_field2", &c.Fields[1]), sqldb.Col("custom_field3", &c.Fields[2]),
		sqldb.Col("face_known", (*sqldb.Bool)(&c.FaceKnown)),
		sqldb.Col("outer_str", &c.OuterStr),
		sqldb.Col("issued_at", (*sqldb.Time)(&c.IssuedAt)),
		sqldb.Col("claimed_at", (*sqldb.Time)(&c.ClaimedAt)),
		sqldb.Col("activated_at", (*sqldb.Time)(&c.ActivatedAt)),
		sqldb.Col("held_at", (*int64)(&c.Life.Taken)),
		sqldb.Col("deleted_at", (*int64)(&c.Life.Deleted)),
		sqldb.Col("outer_at", (*int64)(&c.Life.OuterSet)),
		sqldb.Col("submitted", (*sqldb.Bool)(&c.Life.Submitted)),
		sqldb.Col("wallet", &c.Life.Wallet),
		sqldb.Col("given_from", &c.Life.GivenFrom),
	}
}

func allCardFields(c *member.Card) sqldb.Fields {
	return slices.Concat(
		sqldb.Fields{
			sqldb.Col("card_id", &c.CardID), sqldb.Col("code", &c.Code),
			sqldb.Col("bonus", &c.Bonus), sqldb.Col("balance", &c.Balance), sqldb.Col("seq", &c.Seq),
		},
		cardFields(c),
		sqldb.Fields{sqldb.Col("version", &c.Life.Version)},
	)
}

// CardColumns are the columns that ScanCard reads.
var CardColumns = allCardFields(&member.Card{}).Columns()

// ScanCard reads CardColumns.
func ScanCard(scan sqldb.Scan) (c member.Card, err error) {
	err = scan(allCardFields(&c).Pointers()...)
	return c, err
}

var selectCardSQL = `select ` + CardColumns.List("") + ` from member_card `

func (tx Tx) card(ctx context.Context, query string, args ...any) (member.Card, error) {
	c, err := ScanCard(tx.QueryRow(ctx, query, args...).Scan)
	return c, sqldb.One("read a card", err, member.ErrNotFound)
}

var cardSQL = selectCardSQL + `where card_id = $1 and code = $2`

// Card implements member.Reader.
func (tx Tx) Card(ctx context.Context, cardID, code string) (member.Card, error) {
	return tx.card(ctx, cardSQL, cardID, code)
}

var successorSQL = selectCardSQL + `where card_id = $1 and given_from = $2 and given_from <> '' order by created_at, code limit 1`

// Successor implements member.Reader.
func (tx Tx) Successor(ctx context.Context, cardID, code string) (member.Card, error) {
	return tx.card(ctx, successorSQL, cardID, code)
}

var cardsSQL = selectCardSQL + `c where member_id = $1
	and not (status = 'issued' and exists (select 1 from member_card o
		where o.member_id = c.member_id and o.card_id = c.card_id and o.status in ('claimed', 'active', 'deleted')))
	order by created_at, card_id, code`

// Cards implements member.Reader.
func (tx Tx) Cards(ctx context.Context, memberID string) ([]member.Card, error) {
	return sqldb.All(ctx, tx, "list cards", ScanCard, cardsSQL, memberID)
}

// It reads no more than is needed: every cardExt asks for it.
const currentCodeSQL = `select code, status, outer_str, issued_at from member_card
	where member_id = $1 and card_id = $2 and status in ('issued', 'claimed', 'active', 'deleted')
	order by case status when 'active' then 0 when 'claimed' then 1 when 'deleted' then 2 else 3 end, created_at desc, code
	limit 1`

// CurrentCode implements member.Reader.
func (tx Tx) CurrentCode(ctx context.Context, memberID, cardID string) (c member.CurrentCode, err error) {
	err = tx.QueryRow(ctx, currentCodeSQL, memberID, cardID).Scan(&c.Code, &c.Status, &c.OuterStr, (*sqldb.Time)(&c.IssuedAt))
	return c, sqldb.One("read a member's current code", err, member.ErrNotFound)
}

const addIssuedSQL = `insert into member_card (card_id, code, ledger, member_id, status, outer_str, created_at, issued_at, check_at)
	select $1, $2, $2, m.member_id, 'issued', $4, now_ms(), now_ms(), now_ms() + $5 from member m
	where m.member_id = $3 and not exists (select 1 from member_card c
		where c.member_id = $3 and c.card_id = $1 and c.status in ('issued', 'claimed', 'active', 'deleted'))
	on conflict do nothing returning issued_at`

// AddIssued implements member.Tx.
func (tx Tx) AddIssued(ctx context.Context, memberID string, r member.CodeRequest, code string) (at time.Time, err error) {
	err = tx.QueryRow(ctx, addIssuedSQL, r.CardID, code, memberID, r.OuterStr, member.FirstCheck.Milliseconds()).Scan((*sqldb.Time)(&at))
	err = sqldb.One("issue a code", err, member.ErrNotFound)
	if errors.Is(err, member.ErrNotFound) {
		err = nil
	}
	return at, err
}

// The placeholders of the key come after those of cardColumns.
var (
	cardColumns = cardFields(&member.Card{}).Columns()
	key         = func(i int) string { return "$" + strconv.Itoa(len(cardColumns)+i) }
	addCardSQL  = `insert into member_card (` + cardColumns.List("") + `, card_id, code, ledger, created_at, check_at)
	values (` + cardColumns.Values(1) + `, ` + key(1) + `, ` + key(2) + `, ` + key(2) + `, now_ms(), now_ms() + ` + key(3) + `)
	on conflict do nothing`
	updateCardSQL = `update member_card set ` + cardColumns.Set(1) + `, version = version + 1
	where card_id = ` + key(1) + ` and code = ` + key(2) + ` and version = ` + key(3)
)

// AddCard implements member.Tx.
func (tx Tx) AddCard(ctx context.Context, c member.Card) (bool, error) {
	return tx.Change(ctx, "add a card", addCardSQL, append(cardFields(&c).Pointers(), c.CardID, c.Code, member.FirstCheck.Milliseconds())...)
}

// UpdateCard implements member.Tx.
func (tx Tx) UpdateCard(ctx context.Context, c member.Card) (bool, error) {
	return tx.Change(ctx, "update a card", updateCardSQL, append(cardFields(&c).Pointers(), c.CardID, c.Code, c.Life.Version)...)
}

const markModifiedSQL = `update member_card set modified = 1, check_wait = 0, check_at = 0 where card_id = $1 and code = $2`

// MarkModified implements member.Tx.
func (tx Tx) MarkModified(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "mark a card as modified", markModifiedSQL, cardID, code)
}
