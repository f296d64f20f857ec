// Package sqlstore keeps shared credentials in the database. It is the default
// without Redis: credentials survive restarts, and replicas on one database
// share them. It makes no decisions: the rules are in package ticket.
//
// All times are those of the database. A copy that was saved in the future, which
// happens when its clock was set back, counts as no copy: its age is unknown. A lease or
// back-off that began in the future begins now.
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

// clockTolerance is by how many milliseconds the clocks of a primary database and its
// standby may differ.
const clockTolerance = 1000

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
	if rec.Value == "" || lifetime <= 0 || age < -clockTolerance {
		return ticket.Record{}, ticket.ErrUnreadable
	}
	rec.Lifetime, rec.Left, rec.Age = millis(lifetime), millis(left), millis(age)
	rec.Rejected = rejected != 0
	return rec, nil
}

// The lease is granted if it is new, free, expired, or already held by this
// owner. excluded.granted_at is the current time. A previous version stored a
// back-off, of any secret, as a lease without an owner.
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
returning fence`

const (
	isAheadSQL = `select count(*) from ticket where name = $1 and granted_at > now_ms() + cast($2 as bigint)`

	shiftBackOffsSQL = `
update ticket_backoff set ends_at = ends_at - (
    select granted_at - now_ms() from ticket where ticket.name = ticket_backoff.name)
where name = $1 and exists (
    select 1 from ticket where ticket.name = ticket_backoff.name and granted_at > now_ms() + cast($2 as bigint))`
	shiftLeaseSQL = `
update ticket set lease_ends_at = lease_ends_at - granted_at + now_ms(), granted_at = now_ms()
where name = $1 and granted_at > now_ms() + cast($2 as bigint)`
)

const backOffSQL = `select ends_at - now_ms(), failures from ticket_backoff where name = $1 and secret = $2`

const holderSQL = `select lease_ends_at - now_ms(), owner from ticket where name = $1`

// Acquire implements [ticket.Store].
func (s *Store) Acquire(ctx context.Context, key string, req ticket.LeaseRequest) (ticket.Lease, error) {
	if err := s.followClock(ctx, key); err != nil {
		return ticket.Lease{}, err
	}
	var lease ticket.Lease
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		lease = ticket.Lease{Key: key, Owner: req.Owner, SecretID: req.SecretID}
		refused := tx.QueryRow(ctx, acquireSQL, key, req.Owner, req.FenceAbove, req.TTL.Milliseconds()).Scan(&lease.Fence)
		if refused != nil && !errors.Is(refused, sql.ErrNoRows) {
			return refused
		}
		// A back-off is read after the row of the lease was locked: the last
		// holder may have left it while this transaction waited for that.
		var left int64
		err := tx.QueryRow(ctx, backOffSQL, key, req.SecretID).Scan(&left, &lease.Failures)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case left > 0:
			return &ticket.HeldError{For: millis(left), BackOff: true} // takes the grant back
		case refused != nil:
			return holder(ctx, tx, key)
		}
		return nil
	})
	if held, ok := errors.AsType[*ticket.HeldError](err); ok {
		return ticket.Lease{}, held
	}
	if err != nil {
		return ticket.Lease{}, fmt.Errorf("acquire the lease of ticket %s: %w", key, err)
	}
	return lease, nil
}

// followClock has a lease that was granted in the future begin now, and the back-offs
// end so much earlier.
func (s *Store) followClock(ctx context.Context, key string) error {
	what := "look at the lease of ticket " + key
	read := sqldb.Queries{Querier: s.db.Read(), DB: s.db}
	ahead, err := read.Any(ctx, what, isAheadSQL, key, clockTolerance)
	if err != nil || !ahead {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		q := sqldb.Queries{Querier: tx, DB: s.db}
		for _, statement := range []string{shiftBackOffsSQL, shiftLeaseSQL} {
			if _, err := q.Change(ctx, what, statement, key, clockTolerance); err != nil {
				return err
			}
		}
		return nil
	})
}

// holder returns the HeldError for a lease that was not granted.
func holder(ctx context.Context, tx sqldb.Querier, key string) error {
	var left int64
	var owner string
	if err := tx.QueryRow(ctx, holderSQL, key).Scan(&left, &owner); err != nil {
		return err
	}
	return &ticket.HeldError{For: max(millis(left), time.Millisecond), BackOff: owner == ""}
}

const saveSQL = `
update ticket
set value = $4, value_fence = $5, life = $6,
    ends_at = case when granted_at > now_ms() then now_ms() else granted_at end + cast($7 as bigint), saved_at = now_ms(), rejected = 0
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
update ticket set owner = '', lease_ends_at = now_ms()
where name = $1 and owner = $2 and owner <> '' and fence = $3`

const setBackOffSQL = `
insert into ticket_backoff (name, secret, ends_at, failures)
values ($1, $2, now_ms() + cast($3 as bigint), $4)
on conflict (name, secret) do update set ends_at = excluded.ends_at, failures = excluded.failures`

// Release implements [ticket.Store].
func (s *Store) Release(ctx context.Context, lease ticket.Lease, after time.Duration) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		q := sqldb.Queries{Querier: tx, DB: s.db}
		released, err := q.Change(ctx, "release the lease of ticket "+lease.Key, releaseSQL, lease.Key, lease.Owner, lease.Fence)
		if err != nil || !released {
			return err
		}
		_, err = q.Change(ctx, "set the back-off of ticket "+lease.Key, setBackOffSQL,
			lease.Key, lease.SecretID, after.Milliseconds(), lease.Failures)
		return err
	})
}

const invalidateSQL = `update ticket set rejected = 1 where name = $1 and value_fence = $2`

// Invalidate implements [ticket.Store].
func (s *Store) Invalidate(ctx context.Context, key string, fence int64) error {
	_, err := s.db.Change(ctx, "invalidate ticket "+key, invalidateSQL, key, fence)
	return err
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
