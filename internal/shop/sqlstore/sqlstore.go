// Package sqlstore implements shop.Store on SQL, with the same text for SQLite and
// PostgreSQL.
package sqlstore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/addcard/addcard/internal/shop"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps the settings in one row. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store in db, which must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{db} }

const settingsSQL = `select settings from shop where name = 'shop'`

// Settings implements shop.Store.
func (s *Store) Settings(ctx context.Context) (json.RawMessage, error) {
	return settings(ctx, s.db.Read())
}

func settings(ctx context.Context, q sqldb.Querier) (json.RawMessage, error) {
	var text string
	err := q.QueryRow(ctx, settingsSQL).Scan(&text)
	return json.RawMessage(text), sqldb.One("read the shop's settings", err, shop.ErrNotFound)
}

const (
	// lock is the lock of the fleet for the settings.
	lock    = 7_203_002
	saveSQL = `insert into shop (name, settings) values ('shop', $1) on conflict (name) do update set settings = excluded.settings`
)

// Change implements shop.Store.
func (s *Store) Change(ctx context.Context, change func(json.RawMessage) (json.RawMessage, error)) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		if _, err := s.db.Hold(ctx, tx, lock, true); err != nil {
			return err
		}
		now, err := settings(ctx, tx)
		if err != nil && !errors.Is(err, shop.ErrNotFound) {
			return err
		}
		after, err := change(now)
		if err != nil {
			return err
		}
		return sqldb.Queries{Querier: tx, DB: s.db}.Run(ctx, "save the shop's settings", saveSQL, string(after))
	})
}
