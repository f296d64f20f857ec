// Package sqlstore keeps shared credentials in the database. It is the default
// without Redis: credentials survive restarts, and replicas on one database
// share them. It makes no decisions: the rules are in package ticket.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket"
)

// Store is a [ticket.Store] in the table ticket. Create it with [New]; it is
// safe for concurrent use. A write that has begun is completed even when its
// context ends.
type Store struct{ db *sqldb.DB }

var _ ticket.Store = (*Store)(nil)

// New returns a Store in db, which must have been migrated and must stay open.
func New(db *sqldb.DB) *Store { return &Store{db} }

const loadSQL = `
select value, value_fence, life, ends_at - now_ms(), now_ms() - saved_at, rejected
from ticket where name = $1 and value_fence > 0`

// Load implements [ticket.Store].
func (s *Store) Load(ctx context.Context, key string) (ticket.Record, error) {
	var rec ticket.Record
	var lifetime, left, age, rejected int64
	err := s.db.Read().QueryRow(ctx, loadSQL, key).Scan(&rec.Value, &rec.Fence, &lifetime, &left, &age, &rejected)
	if errors.Is(err, sql.ErrNoRows) {
		return ticket.Record{}, ticket.ErrNotFound
	}
	if err != nil {
		return ticket.Record{}, fmt.Errorf("load ticket %s: %w", key, err)
	}
	if rec.Value == "" || lifetime <= 0 {
		return ticket.Record{}, ticket.ErrUnreadable
	}
	rec.Lifetime, rec.Left, rec.Age = millis(lifetime), millis(left), millis(age)
	rec.Rejected = rejected != 0
	return rec, nil
}

// The lease is granted if it is new, free, expired, or already held by this
// owner. excluded.granted_at is the current time.
const acquireSQL = `
insert into ticket (name, owner, fence, granted_at, lease_ends_at)
values ($1, $2, cast($3 as bigint) + 1, now_ms(), now_ms() + cast($4 as bigint))
on conflict (name) do update set
    fence = case
        when ticket.lease_ends_at > excluded.granted_at then ticket.fence
        when ticket.fence >= excluded.fence then ticket.fence + 1
        else excluded.fence
    end,
    owner = excluded.owner,
    granted_at = excluded.granted_at,
    lease_ends_at = excluded.lease_ends_at
where ticket.lease_ends_at <= excluded.granted_at or ticket.owner = excluded.owner and ticket.owner <> ''
returning fence, failures`

const holderSQL = `select lease_ends_at - now_ms(), owner from ticket where name = $1`

// Acquire implements [ticket.Store].
func (s *Store) Acquire(ctx context.Context, key string, req ticket.LeaseRequest) (ticket.Lease, error) {
	var lease ticket.Lease
	var held *ticket.HeldError
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		lease, held = ticket.Lease{Key: key, Owner: req.Owner}, nil
		err := tx.QueryRow(ctx, acquireSQL, key, req.Owner, req.FenceAbove, req.TTL.Milliseconds()).Scan(&lease.Fence, &lease.Failures)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var left int64
		var owner string
		if err := tx.QueryRow(ctx, holderSQL, key).Scan(&left, &owner); err != nil {
			return err
		}
		held = &ticket.HeldError{For: max(millis(left), time.Millisecond), BackOff: owner == ""}
		return nil
	})
	switch {
	case err != nil:
		return ticket.Lease{}, fmt.Errorf("acquire the lease of ticket %s: %w", key, err)
	case held != nil:
		return ticket.Lease{}, held
	}
	return lease, nil
}

const saveSQL = `
update ticket
set value = $4, value_fence = $5, life = $6, ends_at = granted_at + cast($7 as bigint), saved_at = now_ms(), rejected = 0
where name = $1 and owner = $2 and owner <> '' and fence = $3`

// Save implements [ticket.Store].
func (s *Store) Save(ctx context.Context, lease ticket.Lease, v ticket.FetchedValue) error {
	saved, err := s.db.Change(ctx, "save ticket "+lease.Key, saveSQL, lease.Key, lease.Owner, lease.Fence,
		v.Value, v.Fence, v.Lifetime.Milliseconds(), (v.Start + v.Lifetime).Milliseconds())
	if err == nil && !saved {
		err = ticket.ErrLeaseLost
	}
	return err
}

const releaseSQL = `
update ticket
set owner = '', lease_ends_at = now_ms() + cast($4 as bigint), failures = $5
where name = $1 and owner = $2 and owner <> '' and fence = $3`

// Release implements [ticket.Store].
func (s *Store) Release(ctx context.Context, lease ticket.Lease, after time.Duration) error {
	_, err := s.db.Change(ctx, "release the lease of ticket "+lease.Key, releaseSQL,
		lease.Key, lease.Owner, lease.Fence, after.Milliseconds(), lease.Failures)
	return err
}

const invalidateSQL = `update ticket set rejected = 1 where name = $1 and value_fence = $2`

// Invalidate implements [ticket.Store].
func (s *Store) Invalidate(ctx context.Context, key string, fence int64) error {
	_, err := s.db.Change(ctx, "invalidate ticket "+key, invalidateSQL, key, fence)
	return err
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
