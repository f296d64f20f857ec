package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/importer"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// tx is importer.Tx on a transaction.
type tx struct{ membersql.Tx }

const (
	selectLineSQL = `select line, outcome, heading, reason, account_id, line_key, digest from import_line `
	lineSQL       = selectLineSQL + `where import_id = $1 and line_key = $2`
)

func scanLine(scan sqldb.Scan) (r importer.Result, err error) {
	err = scan(&r.Line, &r.Outcome, &r.Column, &r.Reason, &r.Account, &r.Key, &r.Digest)
	return r, err
}

// Line implements importer.Tx.
func (tx tx) Line(ctx context.Context, importID, key string) (importer.Result, error) {
	r, err := scanLine(tx.QueryRow(ctx, lineSQL, importID, key).Scan)
	return r, sqldb.One("read a line of an import", err, importer.ErrNotFound)
}

const addLineSQL = `insert into import_line (import_id, line_key, line, digest, outcome, heading, reason, account_id)
	values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`

// AddLine implements importer.Tx.
func (tx tx) AddLine(ctx context.Context, importID string, r importer.Result) error {
	return tx.Run(ctx, "add a line of an import", addLineSQL, importID, r.Key, r.Line, r.Digest, r.Outcome, r.Column, r.Reason, r.Account)
}

const advanceSQL = `update import set lines = lines + $3, waiting = waiting + $4, joined = joined + $5, unchanged = unchanged + $6,
	refused = refused + $7, lease_until = now_ms() + $8 where import_id = $1 and lease_owner = $2`

// Advance implements importer.Tx.
func (tx tx) Advance(ctx context.Context, l importer.Lease, c importer.Counts) error {
	return taken(tx.Change(ctx, "record the progress of an import", advanceSQL, l.ImportID, l.Owner,
		c.Lines, c.Waiting, c.Joined, c.Unchanged, c.Refused, importer.LeaseTime.Milliseconds()))
}
