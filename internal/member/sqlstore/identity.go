package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/addcard/addcard/internal/member"
)

// peopleLock is any number that nothing else in the database locks by.
const peopleLock = 7325092515

func (r rows) LockPeople(ctx context.Context, alone bool) (bool, error) {
	alone, err := r.db.Hold(ctx, r.q, peopleLock, alone)
	if err != nil {
		err = fmt.Errorf("lock who is who: %w", err)
	}
	return alone, err
}

func (r rows) Exclude(ctx context.Context, names ...string) error {
	for _, name := range names {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(name))
		if _, err := r.db.Hold(ctx, r.q, int64(hash.Sum64()), true); err != nil {
			return fmt.Errorf("exclude others: %w", err)
		}
	}
	return nil
}

const identitySQL = `select app_id, openid, unionid, member_id from identity where app_id = $1 and openid = $2`

func (r rows) Identity(ctx context.Context, appID, openID string) (member.Identity, error) {
	id, err := scanIdentity(r.q.QueryRow(ctx, identitySQL, appID, openID).Scan)
	return id, one("look an identity up", err)
}

const identitiesSQL = `select app_id, openid, unionid, member_id from identity where member_id = $1 order by app_id, openid`

func (r rows) Identities(ctx context.Context, memberID string) ([]member.Identity, error) {
	rs, err := r.q.Query(ctx, identitiesSQL, memberID)
	return all("list identities", rs, err, scanIdentity)
}

const byUnionIDSQL = `select app_id, openid, unionid, member_id from identity where unionid = $1 and unionid <> '' order by app_id, openid`

func (r rows) ByUnionID(ctx context.Context, unionID string) ([]member.Identity, error) {
	rs, err := r.q.Query(ctx, byUnionIDSQL, unionID)
	return all("look a unionid up", rs, err, scanIdentity)
}

func scanIdentity(scan func(...any) error) (id member.Identity, err error) {
	err = scan(&id.AppID, &id.OpenID, &id.UnionID, &id.MemberID)
	return id, err
}

const addIdentitySQL = `insert into identity (app_id, openid, unionid, member_id, created_at, check_at)
	values ($1, $2, $3, $4, now_ms(), now_ms() + $5) on conflict do nothing`

func (r rows) AddIdentity(ctx context.Context, id member.Identity) (bool, error) {
	return r.changes(ctx, "add an identity", addIdentitySQL, id.AppID, id.OpenID, id.UnionID, id.MemberID, member.FirstCheck.Milliseconds())
}

const setUnionIDSQL = `update identity set unionid = $3 where app_id = $1 and openid = $2`

func (r rows) SetUnionID(ctx context.Context, appID, openID, unionID string) error {
	return r.exec(ctx, "set a unionid", setUnionIDSQL, appID, openID, unionID)
}
