// Package sqlstore implements webhook.Store on SQL, with the same text for SQLite and
// PostgreSQL.
package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/webhook"
)

// Store keeps endpoints and deliveries in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store in db, which must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{db} }

// lock is the lock of the fleet for what changes endpoints.
const lock = 7_203_002

// write runs fn in one transaction.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, q sqldb.Queries) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		return fn(ctx, sqldb.Queries{Querier: tx, DB: s.db})
	})
}

// writeAlone is write without another writeAlone at the same time.
func (s *Store) writeAlone(ctx context.Context, fn func(ctx context.Context, q sqldb.Queries) error) error {
	return s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		if _, err := s.db.Hold(ctx, q, lock, true); err != nil {
			return fmt.Errorf("lock the endpoints: %w", err)
		}
		return fn(ctx, q)
	})
}

func (s *Store) read() sqldb.Queries { return sqldb.Queries{Querier: s.db.Read(), DB: s.db} }

// endpointFields are the columns of an endpoint but for its ID.
func endpointFields(e *webhook.Endpoint) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("url", &e.URL), sqldb.Col("description", &e.Description), sqldb.Col("enabled", (*sqldb.Bool)(&e.Enabled)),
		sqldb.Col("disabled_reason", &e.DisabledReason), sqldb.Col("secret", &e.Secret),
		sqldb.Col("previous_secret", &e.PreviousSecret), sqldb.Col("previous_until", (*sqldb.Time)(&e.PreviousUntil)),
		sqldb.Col("created_at", (*sqldb.Time)(&e.CreatedAt)), sqldb.Col("last_success_at", (*sqldb.Time)(&e.LastSuccessAt)),
		sqldb.Col("last_error", &e.LastError),
	}
}

var endpointColumns = endpointFields(&webhook.Endpoint{}).Columns()

const (
	countSQL     = `select count(*) from webhook where removed = 0`
	subscribeSQL = `insert into webhook_subscription (type, webhook_id) values ($1, $2)`
	leaveSQL     = `delete from webhook_subscription where webhook_id = $1`
)

var addSQL = `insert into webhook (` + endpointColumns.List("") + `, webhook_id) values (` + endpointColumns.Values(1) + `, $11)`

// Add implements webhook.Store.
func (s *Store) Add(ctx context.Context, e *webhook.Endpoint) error {
	return s.writeAlone(ctx, func(ctx context.Context, q sqldb.Queries) error {
		var n int
		if err := q.QueryRow(ctx, countSQL).Scan(&n); err != nil {
			return fmt.Errorf("count the endpoints: %w", err)
		}
		if n >= webhook.MaxEndpoints {
			return webhook.ErrTooMany
		}
		if err := now(ctx, q, &e.CreatedAt); err != nil {
			return err
		}
		if err := q.Run(ctx, "add an endpoint", addSQL, append(endpointFields(e).Pointers(), e.ID)...); err != nil {
			return err
		}
		return subscribe(ctx, q, *e)
	})
}

func now(ctx context.Context, q sqldb.Queries, at *time.Time) error {
	if err := q.QueryRow(ctx, `select now_ms()`).Scan((*sqldb.Time)(at)); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	return nil
}

func subscribe(ctx context.Context, q sqldb.Queries, e webhook.Endpoint) error {
	err := q.Run(ctx, "end the subscriptions", leaveSQL, e.ID)
	for _, t := range e.Events {
		if err == nil {
			err = q.Run(ctx, "subscribe", subscribeSQL, t, e.ID)
		}
	}
	return err
}

// Of an endpoint: its columns, its events, and what waits for it.
const (
	eventsSQL  = `select type from webhook_subscription where webhook_id = $1 order by type`
	waitingSQL = `(select count(*) from webhook_delivery d where d.webhook_id = w.webhook_id and d.state = 'waiting')`
	deadSQL    = `(select count(*) from webhook_delivery d where d.webhook_id = w.webhook_id and d.state = 'dead')`
	oldestSQL  = `coalesce((select min(d.happened_at) from webhook_delivery d
		where d.webhook_id = w.webhook_id and d.state = 'waiting'), 0)`
)

var (
	endpointSQL  = `select ` + endpointColumns.List("") + ` from webhook where webhook_id = $1 and removed = 0`
	endpointsSQL = `select ` + endpointColumns.List("w.") + `, w.webhook_id, ` + waitingSQL + `, ` + deadSQL + `, ` + oldestSQL + `
		from webhook w where w.removed = 0 order by w.created_at, w.webhook_id`
)

// Endpoints implements webhook.Store.
func (s *Store) Endpoints(ctx context.Context) ([]webhook.Status, error) {
	list, err := sqldb.All(ctx, s.read(), "list the endpoints", func(scan sqldb.Scan) (e webhook.Status, err error) {
		err = scan(append(endpointFields(&e.Endpoint).Pointers(), &e.ID, &e.Waiting, &e.Dead, (*sqldb.Time)(&e.OldestWaiting))...)
		return e, err
	}, endpointsSQL)
	for i := range list {
		if err == nil {
			list[i].Events, err = events(ctx, s.read(), list[i].ID)
		}
	}
	return list, err
}

func events(ctx context.Context, q sqldb.Queries, id string) ([]string, error) {
	return sqldb.All(ctx, q, "list the subscriptions", sqldb.Text, eventsSQL, id)
}

// Endpoint implements webhook.Store.
func (s *Store) Endpoint(ctx context.Context, id string) (webhook.Endpoint, error) {
	return endpoint(ctx, s.read(), id)
}

func endpoint(ctx context.Context, q sqldb.Queries, id string) (e webhook.Endpoint, err error) {
	e.ID = id
	err = q.QueryRow(ctx, endpointSQL, id).Scan(endpointFields(&e).Pointers()...)
	if err = sqldb.One("read an endpoint", err, webhook.ErrNotFound); err == nil {
		e.Events, err = events(ctx, q, id)
	}
	return e, err
}

var changeSQL = `update webhook set ` + endpointColumns.Set(1) + `, failures = 0, paused_until = 0 where webhook_id = $11`

// Change implements webhook.Store.
func (s *Store) Change(
	ctx context.Context, id string, keepPrevious time.Duration, change func(*webhook.Endpoint) error,
) (e webhook.Endpoint, err error) {
	err = s.writeAlone(ctx, func(ctx context.Context, q sqldb.Queries) error {
		if e, err = endpoint(ctx, q, id); err != nil {
			return err
		}
		before := e
		if err := change(&e); err != nil {
			return err
		}
		if e.Enabled {
			e.DisabledReason = ""
		}
		if keepPrevious > 0 {
			var at time.Time
			if err := now(ctx, q, &at); err != nil {
				return err
			}
			e.PreviousSecret, e.PreviousUntil = before.Secret, at.Add(keepPrevious)
		}
		if err := q.Run(ctx, "change an endpoint", changeSQL, append(endpointFields(&e).Pointers(), id)...); err != nil {
			return err
		}
		return subscribe(ctx, q, e)
	})
	return e, err
}

const removeSQL = `update webhook set removed = 1, enabled = 0, url = '', secret = '', previous_secret = ''
	where webhook_id = $1 and removed = 0`

// Remove implements webhook.Store.
func (s *Store) Remove(ctx context.Context, id string) error {
	return s.writeAlone(ctx, func(ctx context.Context, q sqldb.Queries) error {
		removed, err := q.Change(ctx, "remove an endpoint", removeSQL, id)
		if err == nil && !removed {
			err = webhook.ErrNotFound
		}
		if err != nil {
			return err
		}
		return q.Run(ctx, "end the subscriptions", leaveSQL, id)
	})
}

const (
	purgeDoneSQL = `delete from webhook_delivery where seq in (select seq from webhook_delivery
		where state = 'done' and ended_at < now_ms() - $1 order by ended_at limit $2)`
	removedSQL      = `select webhook_id from webhook where removed = 1 order by webhook_id limit 1`
	purgeRemovedSQL = `delete from webhook_delivery where seq in (select seq from webhook_delivery
		where webhook_id = $1 order by happened_at, seq limit $2)`
	forgetQueuesSQL = `delete from webhook_queue where webhook_id = $1`
	forgetSQL       = `delete from webhook where webhook_id = $1`
)

// Purge implements webhook.Store.
func (s *Store) Purge(ctx context.Context, age time.Duration, n int) (deleted int64, err error) {
	removed, err := sqldb.All(ctx, s.read(), "look for removed endpoints", sqldb.Text, removedSQL)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		if deleted, err = affected(ctx, q, "delete old deliveries", purgeDoneSQL, age.Milliseconds(), n); err != nil || len(removed) == 0 {
			return err
		}
		more, err := affected(ctx, q, "delete the deliveries of an endpoint", purgeRemovedSQL, removed[0], n)
		if deleted += more; err != nil || more > 0 {
			return err
		}
		if err := q.Run(ctx, "delete the queues of an endpoint", forgetQueuesSQL, removed[0]); err != nil {
			return err
		}
		return q.Run(ctx, "delete an endpoint", forgetSQL, removed[0])
	})
	return deleted, err
}

// affected runs a statement and returns how many rows it changed.
func affected(ctx context.Context, q sqldb.Queries, what, query string, args ...any) (int64, error) {
	res, err := q.Exec(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return res.RowsAffected()
}
