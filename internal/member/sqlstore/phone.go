package sqlstore

import (
	"context"
	"errors"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const phoneOwnerSQL = `select member_id from member_phone where phone_hash = $1`

// PhoneOwner implements member.PeopleReader. There is one hash for each of DATA_KEYS.
func (tx Tx) PhoneOwner(ctx context.Context, hashes []string) (memberID string, err error) {
	for _, hash := range hashes {
		err = sqldb.One("look for a phone", tx.QueryRow(ctx, phoneOwnerSQL, hash).Scan(&memberID), member.ErrNotFound)
		if !errors.Is(err, member.ErrNotFound) {
			return memberID, err
		}
	}
	return "", member.ErrNotFound
}

const putPhoneSQL = `insert into member_phone (member_id, phone_hash, sealed, verified_at) values ($1, $2, $3, now_ms())
	on conflict (member_id) do update set phone_hash = excluded.phone_hash, sealed = excluded.sealed, verified_at = excluded.verified_at`

// PutPhone implements member.Tx.
func (tx Tx) PutPhone(ctx context.Context, memberID string, p member.SealedPhone) error {
	return tx.Run(ctx, "store a phone", putPhoneSQL, memberID, p.Hash, p.Sealed)
}

// ownedPhone is the sealed phone number of a member.
type ownedPhone struct{ memberID, sealed string }

func scanPhone(scan sqldb.Scan) (p ownedPhone, err error) {
	err = scan(&p.memberID, &p.sealed)
	return p, err
}

const sealedPhoneSQL = `select sealed from member_phone where member_id = $1`

// SealedPhone implements member.Store.
func (s *Store) SealedPhone(ctx context.Context, memberID string) (sealed string, err error) {
	err = sqldb.One("read a phone", s.QueryRow(ctx, sealedPhoneSQL, memberID).Scan(&sealed), member.ErrNotFound)
	if errors.Is(err, member.ErrNotFound) {
		err = nil
	}
	return sealed, err
}
