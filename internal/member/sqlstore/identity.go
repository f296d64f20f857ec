package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const existsSQL = `select count(*) from member where member_id = $1 and erased_at = 0`

// Exists implements member.Reader.
func (tx Tx) Exists(ctx context.Context, memberID string) (bool, error) {
	return tx.Any(ctx, "look for a member", existsSQL, memberID)
}

const addMemberSQL = `insert into member (member_id, created_at) values ($1, now_ms())`

// AddMember implements member.PeopleTx.
func (tx Tx) AddMember(ctx context.Context, memberID string) error {
	return tx.Run(ctx, "add a member", addMemberSQL, memberID)
}

// PeopleLock is the number of the lock of LockPeople.
const PeopleLock = 7325092515

// LockPeople implements member.PeopleTx.
func (tx Tx) LockPeople(ctx context.Context, exclusive bool) (bool, error) {
	exclusive, err := tx.DB.Hold(ctx, tx, PeopleLock, exclusive)
	if err != nil {
		err = fmt.Errorf("lock the people: %w", err)
	}
	return exclusive, err
}

// LockNames implements member.PeopleTx.
func (tx Tx) LockNames(ctx context.Context, names ...string) error {
	for _, name := range names {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(name))
		if _, err := tx.DB.Hold(ctx, tx, int64(hash.Sum64()), true); err != nil {
			return fmt.Errorf("lock a name: %w", err)
		}
	}
	return nil
}

// IdentityColumns are the columns that ScanIdentity reads.
var IdentityColumns = sqldb.Columns{"app_id", "openid", "unionid", "member_id"}

// ScanIdentity reads IdentityColumns.
func ScanIdentity(scan sqldb.Scan) (id member.Identity, err error) {
	err = scan(&id.AppID, &id.OpenID, &id.UnionID, &id.MemberID)
	return id, err
}

var selectIdentitySQL = `select ` + IdentityColumns.List("") + ` from identity `

var identitySQL = selectIdentitySQL + `where app_id = $1 and openid = $2`

// Identity implements member.Reader.
func (tx Tx) Identity(ctx context.Context, appID, openID string) (member.Identity, error) {
	id, err := ScanIdentity(tx.QueryRow(ctx, identitySQL, appID, openID).Scan)
	return id, sqldb.One("read an identity", err, member.ErrNotFound)
}

var identitiesSQL = selectIdentitySQL + `where member_id = $1 order by app_id, openid`

// Identities implements member.Reader.
func (tx Tx) Identities(ctx context.Context, memberID string) ([]member.Identity, error) {
	return sqldb.All(ctx, tx, "list identities", ScanIdentity, identitiesSQL, memberID)
}

var byUnionIDSQL = selectIdentitySQL + `where unionid = $1 and unionid <> ''
	union select ` + IdentityColumns.List("i.") + ` from ignored_unionid u join identity i on i.app_id = u.app_id and i.openid = u.openid
		where u.unionid = $1
	order by app_id, openid`

// ByUnionID implements member.Reader.
func (tx Tx) ByUnionID(ctx context.Context, unionID string) ([]member.Identity, error) {
	return sqldb.All(ctx, tx, "look for a unionid", ScanIdentity, byUnionIDSQL, unionID)
}

const addIdentitySQL = `insert into identity (app_id, openid, unionid, member_id, created_at, check_at)
	values ($1, $2, $3, $4, now_ms(), now_ms() + $5) on conflict do nothing`

// AddIdentity implements member.PeopleTx.
func (tx Tx) AddIdentity(ctx context.Context, id member.Identity) (bool, error) {
	return tx.Change(ctx, "add an identity", addIdentitySQL, id.AppID, id.OpenID, id.UnionID, id.MemberID, member.FirstCheck.Milliseconds())
}

const moveIdentitySQL = `update identity set member_id = $3 where app_id = $1 and openid = $2`

// MoveIdentity implements member.PeopleTx.
func (tx Tx) MoveIdentity(ctx context.Context, appID, openID, into string) error {
	return tx.Run(ctx, "move an identity", moveIdentitySQL, appID, openID, into)
}

// moveCardsSQL moves the cards in the wallet and, if the member has no identity left,
// those that are not known to be in one. A member has one issued code of a card, so one
// stays behind if the other member has another. It becomes that of the member whose
// wallet takes it.
const moveCardsSQL = `update member_card set member_id = $3, version = version + 1 where member_id = $1 and (wallet = $2
	or wallet = '' and not exists (select 1 from identity where member_id = $1)
	and (status <> 'issued' or not exists (select 1 from member_card o
		where o.member_id = $3 and o.card_id = member_card.card_id and o.status = 'issued')))`

// moveImportedSQL moves the accounts that are the wallet's: those that have joined its
// cards or name its openid and, if the member has no identity left, the others too.
const moveImportedSQL = `update imported set member_id = $3 where member_id = $1 and member_id <> '' and (openid = $2
	or exists (select 1 from member_card c where c.card_id = imported.card_id and c.code = imported.joined_code and c.wallet = $2)
	or not exists (select 1 from identity where member_id = $1))`

// moveTrailSQL moves the trail of a member who has no identity left.
const moveTrailSQL = `update trail set member_id = $2
	where member_id = $1 and member_id <> '' and not exists (select 1 from identity where member_id = $1)`

// MoveCards implements member.PeopleTx.
func (tx Tx) MoveCards(ctx context.Context, from, wallet, into string) error {
	if err := tx.Run(ctx, "move cards", moveCardsSQL, from, wallet, into); err != nil {
		return err
	}
	if err := tx.Run(ctx, "move imported accounts", moveImportedSQL, from, wallet, into); err != nil {
		return err
	}
	return tx.Run(ctx, "move the trail", moveTrailSQL, from, into)
}

var deleteMemberSQL = []string{
	`delete from code_proof where member_id = $1`,
	`delete from member_phone where member_id = $1`,
	`delete from member where member_id = $1 and not exists (select 1 from member_card where member_id = $1)`,
}

// DeleteMember implements member.PeopleTx.
func (tx Tx) DeleteMember(ctx context.Context, memberID string) error {
	return tx.runAll(ctx, "delete a member", deleteMemberSQL, memberID)
}
