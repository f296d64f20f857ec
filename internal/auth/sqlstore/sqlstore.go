// Package sqlstore implements auth.Store on SQL, with the same text for SQLite
// and PostgreSQL.
package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps logouts in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store in db, which must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// The row of revocation stays locked until the commit, so a number is visible
// before the next one is assigned.
const nextSeqSQL = `update revocation set last_seq = last_seq + 1 returning last_seq`

const revokeSQL = `insert into revoked_session (seq, jti, expires_at) values ($1, $2, $3) on conflict do nothing`

// Revoke implements auth.Store. A repeated call uses up a number; there may be
// gaps.
func (s *Store) Revoke(ctx context.Context, jti string, expiresAt time.Time) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		var seq int64
		if err := tx.QueryRow(ctx, nextSeqSQL).Scan(&seq); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, revokeSQL, seq, jti, expiresAt.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("record a logout: %w", err)
	}
	return nil
}

const sinceSQL = `select seq, jti, expires_at from revoked_session where seq > $1 order by seq limit 1000`

// Since implements auth.Store.
func (s *Store) Since(ctx context.Context, seq int64) ([]auth.Revoked, error) {
	return sqldb.All(ctx, s.db.Read(), "list logouts", func(scan sqldb.Scan) (r auth.Revoked, err error) {
		err = scan(&r.Seq, &r.ID, (*sqldb.Time)(&r.ExpiresAt))
		return r, err
	}, sinceSQL, seq)
}

const purgeSQL = `delete from revoked_session where seq in
	(select seq from revoked_session where expires_at < now_ms() - $1 order by expires_at limit 1000)`

// Purge implements auth.Store.
func (s *Store) Purge(ctx context.Context, keep time.Duration) error {
	_, err := s.db.Change(ctx, "purge logouts", purgeSQL, keep.Milliseconds())
	return err
}

const nowSQL = `select now_ms(), not_before from revocation`

// Now implements auth.Store.
func (s *Store) Now(ctx context.Context) (now, notBefore time.Time, err error) {
	if err := s.db.Read().QueryRow(ctx, nowSQL).Scan((*sqldb.Time)(&now), (*sqldb.Time)(&notBefore)); err != nil {
		return now, notBefore, fmt.Errorf("read the clock: %w", err)
	}
	return now, notBefore, nil
}
