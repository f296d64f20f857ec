// Package sqlstore is member.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps members in the database. It is safe for concurrent use.
type Store struct {
	rows // of the last committed state
	live live
}

// New returns a Store on db, whose tables must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{rows: rows{q: db.Read(), db: db}} }

// Write implements member.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx member.Tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return fn(ctx, rows{q: tx, db: s.db}) })
}

// rows is member.Tx on a transaction, and member.Reader on the read pool.
type rows struct {
	q  sqldb.Querier
	db *sqldb.DB
}

const existsSQL = `select count(*) from member where member_id = $1 and erased_at = 0`

func (r rows) Exists(ctx context.Context, memberID string) (bool, error) {
	var n int
	if err := r.q.QueryRow(ctx, existsSQL, memberID).Scan(&n); err != nil {
		return false, fmt.Errorf("look a member up: %w", err)
	}
	return n > 0, nil
}

const addMemberSQL = `insert into member (member_id, created_at) values ($1, now_ms())`

func (r rows) AddMember(ctx context.Context, memberID string) error {
	return r.exec(ctx, "add a member", addMemberSQL, memberID)
}

// one turns no row into member.ErrNotFound and leaves other errors wrapped.
func one(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return member.ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, err)
}

// all reads every row with scan and closes them.
func all[T any](what string, rs *sql.Rows, err error, scan func(func(...any) error) (T, error)) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = rs.Close() }()
	var out []T
	for rs.Next() {
		v, err := scan(rs.Scan)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rs.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

func when(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// changes runs a statement and tells whether it changed a row.
func (r rows) changes(ctx context.Context, what, query string, args ...any) (bool, error) {
	res, err := r.q.Exec(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// exec runs a statement whose number of rows does not matter.
func (r rows) exec(ctx context.Context, what, query string, args ...any) error {
	if _, err := r.q.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
