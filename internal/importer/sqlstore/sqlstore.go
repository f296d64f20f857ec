// Package sqlstore is importer.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/addcard/addcard/internal/importer"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps imports in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{db} }

// Write implements importer.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx importer.Tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error { return fn(ctx, tx{membersql.NewTx(s.db, q)}) })
}

const (
	beginSQL = `insert into import (import_id, name, card_id, actor, dry_run, options, state, created_at)
	values ($1, $2, $3, $4, 0, $5, 'running', now_ms())
	on conflict (name, card_id) where dry_run = 0 do update set actor = excluded.actor, options = excluded.options, state = 'running',
		problem = '', lines = 0, waiting = 0, joined = 0, unchanged = 0, refused = 0, ended_at = 0
	returning import_id`
	forgetRefusedSQL = `delete from import_line where import_id = $1 and outcome = 'refused'`
	endSQL           = `update import set state = 'done', ended_at = now_ms() where import_id = $1`
)

// Begin implements importer.Store.
func (s *Store) Begin(ctx context.Context, o importer.Options) (importID string, err error) {
	options, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("encode the options of an import: %w", err)
	}
	err = s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		if err := q.QueryRow(ctx, beginSQL, outboxsql.NewID(), o.Name, o.CardID, o.Actor, string(options)).Scan(&importID); err != nil {
			return fmt.Errorf("begin an import: %w", err)
		}
		return sqldb.Queries{Querier: q, DB: s.db}.Run(ctx, "begin an import", forgetRefusedSQL, importID)
	})
	return importID, err
}

// End implements importer.Store.
func (s *Store) End(ctx context.Context, importID string) error {
	return s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		return sqldb.Queries{Querier: q, DB: s.db}.Run(ctx, "end an import", endSQL, importID)
	})
}

// tx is importer.Tx on a transaction.
type tx struct{ membersql.Tx }

const lineSQL = `select line, outcome, heading, reason, account_id, line_key, digest from import_line
	where import_id = $1 and line_key = $2`

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

const advanceSQL = `update import set lines = lines + $2, waiting = waiting + $3, joined = joined + $4, unchanged = unchanged + $5,
	refused = refused + $6 where import_id = $1`

// Advance implements importer.Tx.
func (tx tx) Advance(ctx context.Context, importID string, c importer.Counts) error {
	return tx.Run(ctx, "record the progress of an import", advanceSQL, importID, c.Lines, c.Waiting, c.Joined, c.Unchanged, c.Refused)
}
