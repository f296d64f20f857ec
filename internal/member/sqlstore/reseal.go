package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// sealedTables has the statements for each table with encrypted texts.
var sealedTables = map[member.SealedTable]struct{ list, change string }{
	member.FormTable: {
		`select ticket_hash, card_id, code, phone, sealed from form where ticket_hash > $1 and sealed <> '' order by ticket_hash limit $2`,
		`update form set phone = $3, sealed = $4 where ticket_hash = $1 and sealed = $2`,
	},
	member.PhoneTable: {
		`select member_id, '', '', phone_hash, sealed from member_phone where member_id > $1 order by member_id limit $2`,
		`update member_phone set phone_hash = $3, sealed = $4 where member_id = $1 and sealed = $2`,
	},
	member.ImportedTable: {
		`select account_id, card_id, code, phone, sealed from imported where account_id > $1 and sealed <> '' order by account_id limit $2`,
		`update imported set phone = $3, sealed = $4 where account_id = $1 and sealed = $2`,
	},
}

func scanSealedRow(scan sqldb.Scan) (r member.SealedRow, err error) {
	err = scan(&r.Key, &r.CardID, &r.Code, &r.Hash, &r.Sealed)
	return r, err
}

// SealedRows implements member.Store.
func (s *Store) SealedRows(ctx context.Context, table member.SealedTable, after string, n int) ([]member.SealedRow, error) {
	return sqldb.All(ctx, s, "list encrypted texts", scanSealedRow, sealedTables[table].list, after, n)
}

// Reseal implements member.Tx.
func (tx Tx) Reseal(ctx context.Context, table member.SealedTable, before, now member.SealedRow) (bool, error) {
	return tx.Change(ctx, "change an encrypted text", sealedTables[table].change, before.Key, before.Sealed, now.Hash, now.Sealed)
}
