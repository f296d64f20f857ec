// Package sqlstore is member.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"

	ledgersql "github.com/addcard/addcard/internal/ledger/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps members in the database. It is safe for concurrent use.
type Store struct {
	Tx      // on the read pool
	current codeCache
}

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store {
	return &Store{Tx: NewTx(db, db.Read()), current: codeCache{codes: map[codeKey]member.CurrentCode{}}}
}

// Write implements member.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx member.Tx) error) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return fn(ctx, NewTx(s.DB, tx)) })
}

// Tx is member.Tx on a transaction, and member.Reader on the read pool.
type Tx struct{ ledgersql.Tx }

// NewTx returns the Tx that q runs.
func NewTx(db *sqldb.DB, q sqldb.Querier) Tx { return Tx{ledgersql.NewTx(db, q)} }
