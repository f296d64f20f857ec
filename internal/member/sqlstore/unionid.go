package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const (
	ignoreFormerSQL = `insert into ignored_unionid (app_id, openid, unionid, ignored_at)
	select app_id, openid, unionid, now_ms() from identity where app_id = $1 and openid = $2 and unionid <> '' and unionid <> $3
	on conflict do nothing`
	useIgnoredSQL = `delete from ignored_unionid where app_id = $1 and openid = $2 and unionid = $3`
	setUnionIDSQL = `update identity set unionid = $3 where app_id = $1 and openid = $2`
)

// SetUnionID implements member.PeopleTx.
func (tx Tx) SetUnionID(ctx context.Context, appID, openID, unionID string) error {
	return tx.runAll(ctx, "set a unionid", []string{ignoreFormerSQL, useIgnoredSQL, setUnionIDSQL}, appID, openID, unionID)
}

// runAll runs statements that take the same arguments.
func (tx Tx) runAll(ctx context.Context, what string, statements []string, args ...any) error {
	for _, statement := range statements {
		if err := tx.Run(ctx, what, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

const ignoreUnionIDSQL = `insert into ignored_unionid (app_id, openid, unionid, ignored_at)
	values ($1, $2, $3, now_ms()) on conflict do nothing`

// IgnoreUnionID implements member.PeopleTx.
func (tx Tx) IgnoreUnionID(ctx context.Context, id member.Identity, unionID string) error {
	return tx.Run(ctx, "ignore a unionid", ignoreUnionIDSQL, id.AppID, id.OpenID, unionID)
}

const ignoredUnionIDSQL = `select u.unionid from ignored_unionid u where u.app_id = $1 and u.openid = $2
	and not exists (select 1 from shared_unionid s where s.unionid = u.unionid)
	order by u.ignored_at desc, u.unionid limit 1`

// IgnoredUnionID implements member.PeopleReader.
func (tx Tx) IgnoredUnionID(ctx context.Context, id member.Identity) (unionID string, err error) {
	found, err := sqldb.All(ctx, tx, "look for a former unionid", sqldb.Text, ignoredUnionIDSQL, id.AppID, id.OpenID)
	if len(found) > 0 {
		unionID = found[0]
	}
	return unionID, err
}

const sharedSQL = `select count(*) from shared_unionid where unionid = $1`

// Shared implements member.PeopleReader.
func (tx Tx) Shared(ctx context.Context, unionID string) (bool, error) {
	return tx.Any(ctx, "look for a shared unionid", sharedSQL, unionID)
}

const sharedUnionIDsSQL = `select unionid from shared_unionid order by found_at desc, unionid limit $1`

// SharedUnionIDs implements member.Store.
func (s *Store) SharedUnionIDs(ctx context.Context, n int) ([]string, error) {
	return sqldb.All(ctx, s, "list shared unionids", sqldb.Text, sharedUnionIDsSQL, n)
}

var distrustSQL = []string{
	`insert into shared_unionid (unionid, found_at) values ($1, now_ms()) on conflict do nothing`,
	`insert into ignored_unionid (app_id, openid, unionid, ignored_at)
		select app_id, openid, unionid, now_ms() from identity where unionid = $1 and unionid <> '' on conflict do nothing`,
	`update identity set unionid = '' where unionid = $1 and unionid <> ''`,
}

// DistrustUnionID implements member.PeopleTx.
func (tx Tx) DistrustUnionID(ctx context.Context, unionID string) error {
	return tx.runAll(ctx, "distrust a unionid", distrustSQL, unionID)
}

const conflictsSQL = `select distinct i.unionid from identity_conflict c
	join identity i on i.app_id = c.app_id and i.openid = c.openid
	join identity o on o.unionid = i.unionid and o.unionid <> '' and o.app_id = i.app_id and o.openid <> i.openid
	order by i.unionid`

// Conflicts implements member.PeopleReader.
func (tx Tx) Conflicts(ctx context.Context) ([]string, error) {
	return sqldb.All(ctx, tx, "list conflicts", sqldb.Text, conflictsSQL)
}

const deleteConflictsSQL = `delete from identity_conflict`

// DeleteConflicts implements member.PeopleTx.
func (tx Tx) DeleteConflicts(ctx context.Context) error {
	return tx.Run(ctx, "delete conflicts", deleteConflictsSQL)
}

const addProofSQL = `insert into code_proof (member_id, openid, created_at) values ($1, $2, now_ms()) on conflict do nothing`

// AddProof implements member.PeopleTx.
func (tx Tx) AddProof(ctx context.Context, p member.Proof) error {
	return tx.Run(ctx, "add a proof", addProofSQL, p.MemberID, p.OpenID)
}

func scanProof(scan sqldb.Scan) (p member.Proof, err error) {
	err = scan(&p.MemberID, &p.OpenID)
	return p, err
}

const (
	proofsOfMemberSQL = `select member_id, openid from code_proof where member_id = $1 order by created_at, openid`
	proofsOfWalletSQL = `select member_id, openid from code_proof where openid = $1 order by created_at, member_id`
)

// ProofsOfMember implements member.PeopleReader.
func (tx Tx) ProofsOfMember(ctx context.Context, memberID string) ([]member.Proof, error) {
	return sqldb.All(ctx, tx, "list proofs", scanProof, proofsOfMemberSQL, memberID)
}

// ProofsOfWallet implements member.PeopleReader.
func (tx Tx) ProofsOfWallet(ctx context.Context, openID string) ([]member.Proof, error) {
	return sqldb.All(ctx, tx, "list proofs", scanProof, proofsOfWalletSQL, openID)
}
