package sqlstore

import (
	"context"

	"addcard/internal/member"
)

const moveIdentitiesSQL = `update identity set member_id = $2 where member_id = $1`

func (r rows) MoveIdentities(ctx context.Context, from, into string) error {
	return r.exec(ctx, "move identities", moveIdentitiesSQL, from, into)
}

const dropIssuedSQL = `delete from member_card where member_id = $1 and status = 'issued' and card_id in (
	select card_id from member_card where member_id = $2 and status in ('claimed', 'active', 'deleted'))`

func (r rows) DropIssued(ctx context.Context, memberID, other string) error {
	return r.exec(ctx, "drop issued codes", dropIssuedSQL, memberID, other)
}

const moveCardsSQL = `update member_card set member_id = $2, version = version + 1 where member_id = $1`

func (r rows) MoveCards(ctx context.Context, from, into string) error {
	return r.exec(ctx, "move cards", moveCardsSQL, from, into)
}

const deleteMemberSQL = `delete from member where member_id = $1`

func (r rows) DeleteMember(ctx context.Context, memberID string) error {
	return r.exec(ctx, "delete a member", deleteMemberSQL, memberID)
}

const addConflictSQL = `insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
	values ($1, $2, $3, $4, now_ms()) on conflict do nothing`

func (r rows) AddConflict(ctx context.Context, who member.Identity, otherMemberID string) error {
	return r.exec(ctx, "record a conflict", addConflictSQL, who.AppID, who.OpenID, who.MemberID, otherMemberID)
}
