package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/member"
)

const moveIdentitySQL = `update identity set member_id = $3 where app_id = $1 and openid = $2`

func (r rows) MoveIdentity(ctx context.Context, appID, openID, into string) error {
	return r.exec(ctx, "move an identity", moveIdentitySQL, appID, openID, into)
}

const moveCardsSQL = `update member_card set member_id = $3, version = version + 1 where member_id = $1 and wallet = $2`

func (r rows) MoveCards(ctx context.Context, from, wallet, into string) error {
	return r.exec(ctx, "move cards", moveCardsSQL, from, wallet, into)
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
