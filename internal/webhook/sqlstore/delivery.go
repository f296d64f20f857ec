package sqlstore

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/webhook"
)

func deliveryFields(d *webhook.Delivery) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("seq", &d.Seq), sqldb.Col("webhook_id", &d.WebhookID), sqldb.Col("queue", &d.Queue), sqldb.Col("event_id", &d.ID),
		sqldb.Col("type", &d.Type), sqldb.Col("member_id", &d.MemberID), sqldb.Col("card_id", &d.CardID), sqldb.Col("code", &d.Code),
		sqldb.Col("data", &d.Data), sqldb.Col("happened_at", (*sqldb.Time)(&d.HappenedAt)), sqldb.Col("state", &d.State),
		sqldb.Col("attempts", &d.Attempts), sqldb.Col("last_error", &d.LastError),
	}
}

var selectSQL = `select ` + deliveryFields(&webhook.Delivery{}).Columns().List("d.")

func scanDelivery(scan sqldb.Scan) (d webhook.Delivery, err error) {
	err = scan(deliveryFields(&d).Pointers()...)
	return d, err
}

const (
	listSQL = `, case when d.state = 'waiting' then coalesce(q.due_at, 0) else 0 end from webhook_delivery d
		left join webhook_queue q on q.webhook_id = d.webhook_id and q.queue = d.queue
		where d.webhook_id = $1 and (d.happened_at, d.seq) < ($2, $3) and (d.type = $4 or $4 = '')`
	newestSQL = ` order by d.happened_at desc, d.seq desc limit $5`
)

// Deliveries implements webhook.Store. Each state has a statement of its own, because
// each has an index of its own.
func (s *Store) Deliveries(ctx context.Context, id string, f webhook.Filter, after webhook.Mark, n int) ([]webhook.Delivery, error) {
	query := selectSQL + listSQL
	switch f.State {
	case webhook.Waiting:
		query += ` and d.state = 'waiting'`
	case webhook.Parked:
		query += ` and d.state = 'dead'`
	case webhook.Done:
		query += ` and d.state = 'done'`
	}
	from := []any{id, sqldb.Time(after.HappenedAt), after.Seq, f.Type, n}
	if after == (webhook.Mark{}) {
		from[1] = int64(math.MaxInt64)
	}
	return sqldb.All(ctx, s.read(), "list deliveries", func(scan sqldb.Scan) (d webhook.Delivery, err error) {
		err = scan(append(deliveryFields(&d).Pointers(), (*sqldb.Time)(&d.DueAt))...)
		return d, err
	}, query+newestSQL, from...)
}

// What waits again needs its queue. queueDueSQL also makes the queue due, unless it is
// being sent.
const (
	againSQL    = `update webhook_delivery set state = 'waiting', attempts = 0, last_error = '', ended_at = 0 where seq = $1`
	queueDueSQL = `insert into webhook_queue (webhook_id, queue, due_at) values ($1, $2, now_ms())
		on conflict (webhook_id, queue) do update
		set due_at = case webhook_queue.lease when '' then excluded.due_at else webhook_queue.due_at end`
)

var byIDSQL = selectSQL + ` from webhook_delivery d where d.webhook_id = $1 and d.event_id = $2`

// Resend implements webhook.Store.
func (s *Store) Resend(ctx context.Context, id, eventID string) error {
	return s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		d, err := scanDelivery(q.QueryRow(ctx, byIDSQL, id, eventID).Scan)
		if err = sqldb.One("read a delivery", err, webhook.ErrNotFound); err != nil {
			return err
		}
		return resend(ctx, q, d)
	})
}

func resend(ctx context.Context, q sqldb.Queries, d webhook.Delivery) error {
	if err := q.Run(ctx, "make a queue due", queueDueSQL, d.WebhookID, d.Queue); err != nil {
		return err
	}
	if d.State == webhook.Waiting {
		return nil
	}
	return q.Run(ctx, "resend a delivery", againSQL, d.Seq)
}

var spanSQL = selectSQL + ` from webhook_delivery d where d.webhook_id = $1 and (d.happened_at, d.seq) > ($2, $3)
	and d.happened_at < $4 and d.state <> 'waiting'`

// ResendSpan implements webhook.Store.
func (s *Store) ResendSpan(ctx context.Context, id string, span webhook.Span, after webhook.Mark, n int) (marks []webhook.Mark, err error) {
	query := spanSQL
	args := []any{id, sqldb.Time(after.HappenedAt), after.Seq, sqldb.Time(span.To), n}
	if len(span.Types) > 0 {
		query += ` and d.type in (` + sqldb.Columns(span.Types).Values(len(args)+1) + `)`
		for _, t := range span.Types {
			args = append(args, t)
		}
	}
	query += ` order by d.happened_at, d.seq limit $5`
	err = s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		marks = nil
		list, err := sqldb.All(ctx, q, "list deliveries to resend", scanDelivery, query, args...)
		for _, d := range list {
			if err == nil {
				err = resend(ctx, q, d)
			}
			marks = append(marks, d.Mark())
		}
		return err
	})
	return marks, err
}

const dueSQL = `select w.webhook_id from webhook w where w.enabled = 1 and w.paused_until <= now_ms()
	and (select min(q.due_at) from webhook_queue q where q.webhook_id = w.webhook_id) <= now_ms() order by w.webhook_id`

// Due implements webhook.Queue.
func (s *Store) Due(ctx context.Context) ([]string, error) {
	return sqldb.All(ctx, s.read(), "look for due deliveries", sqldb.Text, dueSQL)
}

const (
	// probeSQL lets one replica try an endpoint that does not answer, once.
	probeSQL  = `update webhook set paused_until = now_ms() + $2 where webhook_id = $1 and failures >= $3 and paused_until <= now_ms()`
	activeSQL = `select count(*) from webhook where webhook_id = $1 and enabled = 1 and paused_until <= now_ms()`
	headSQL   = ` from webhook_delivery d where d.webhook_id = $1 and d.queue = $2 and d.state = 'waiting' order by d.seq limit 1`
	emptySQL  = `delete from webhook_queue where webhook_id = $1 and queue = $2`
)

// leaseSQL leases rows that no other sender is leasing, which is what skipLocked does.
func leaseSQL(skipLocked string) string {
	return `update webhook_queue set lease = $2, due_at = now_ms() + $3 where (webhook_id, queue) in (
		select q.webhook_id, q.queue from webhook_queue q where q.webhook_id = $1 and q.due_at <= now_ms()
		order by q.due_at limit $4` + skipLocked + `) returning queue`
}

// Lease implements webhook.Queue.
func (s *Store) Lease(ctx context.Context, id, lease string, time time.Duration, n int) (leased []webhook.Delivery, err error) {
	err = s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		leased = nil
		probing, err := q.Change(ctx, "try an endpoint", probeSQL, id, time.Milliseconds(), webhook.PauseAfter)
		if err != nil {
			return err
		}
		most := n
		if probing {
			most = 1
		} else if active, err := q.Any(ctx, "look at an endpoint", activeSQL, id); err != nil || !active {
			return err
		}
		queues, err := sqldb.All(ctx, q, "lease queues", sqldb.Text, leaseSQL(s.db.SkipLocked("q")), id, lease, time.Milliseconds(), most)
		if err != nil {
			return err
		}
		for _, queue := range queues {
			switch d, err := head(ctx, q, id, queue); {
			case err == nil:
				d.Lease, d.Probe = lease, probing
				leased = append(leased, d)
			case errors.Is(err, webhook.ErrNotFound):
				if err := q.Run(ctx, "delete a queue", emptySQL, id, queue); err != nil {
					return err
				}
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err // what was not committed is not leased
	}
	return leased, nil
}

// head returns the oldest delivery of a queue that waits, or ErrNotFound.
func head(ctx context.Context, q sqldb.Queries, id, queue string) (webhook.Delivery, error) {
	d, err := scanDelivery(q.QueryRow(ctx, selectSQL+headSQL, id, queue).Scan)
	return d, sqldb.One("read a delivery", err, webhook.ErrNotFound)
}

// ended runs fn after statement has changed the leased queue of d. The statement locks
// the queue, so no delivery is added to it until fn has looked for more.
func (s *Store) ended(
	ctx context.Context, d webhook.Delivery, wait time.Duration, fn func(ctx context.Context, q sqldb.Queries) error,
) error {
	return s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		leased, err := q.Change(ctx, "end a lease", postponeSQL, d.WebhookID, d.Queue, d.Lease, wait.Milliseconds())
		if err == nil && !leased {
			err = webhook.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return fn(ctx, q)
	})
}

const (
	postponeSQL = `update webhook_queue set lease = '', due_at = now_ms() + $4 where webhook_id = $1 and queue = $2 and lease = $3`
	extendSQL   = `update webhook_queue set lease = $3, due_at = now_ms() + $4 where webhook_id = $1 and queue = $2`
	doneSQL     = `update webhook_delivery set state = 'done', last_error = '', ended_at = now_ms() where seq = $1 and state = 'waiting'`
	// A success is recorded at most once in ten seconds, because all deliveries share the row.
	successSQL = `update webhook set last_success_at = now_ms(), failures = 0, paused_until = 0, last_error = ''
		where webhook_id = $1 and (failures > 0 or last_error <> '' or last_success_at < now_ms() - 10000)`
	wasPausedSQL = `select count(*) from webhook where webhook_id = $1 and failures >= $2`
	resumeSQL    = `update webhook_queue set due_at = now_ms() where webhook_id = $1 and lease = '' and due_at > now_ms()`
	enabledSQL   = `select count(*) from webhook where webhook_id = $1 and enabled = 1`
)

// Done implements webhook.Queue.
func (s *Store) Done(ctx context.Context, d webhook.Delivery, time time.Duration) (next webhook.Delivery, err error) {
	err = s.ended(ctx, d, 0, func(ctx context.Context, q sqldb.Queries) error {
		next = webhook.Delivery{}
		if err := q.Run(ctx, "record a delivery", doneSQL, d.Seq); err != nil {
			return err
		}
		if err := succeeded(ctx, q, d.WebhookID); err != nil {
			return err
		}
		next, err = head(ctx, q, d.WebhookID, d.Queue)
		if errors.Is(err, webhook.ErrNotFound) {
			return q.Run(ctx, "delete a queue", emptySQL, d.WebhookID, d.Queue)
		}
		if err != nil {
			return err
		}
		enabled, err := q.Any(ctx, "look at an endpoint", enabledSQL, d.WebhookID)
		if err != nil || !enabled {
			next = webhook.Delivery{}
			return err
		}
		next.Lease = d.Lease
		return q.Run(ctx, "extend a lease", extendSQL, d.WebhookID, d.Queue, d.Lease, time.Milliseconds())
	})
	if err == nil && next.Lease == "" {
		err = webhook.ErrNotFound
	}
	return next, err
}

// succeeded records that an endpoint has answered. What failed while it was paused is due.
func succeeded(ctx context.Context, q sqldb.Queries, id string) error {
	paused, err := q.Any(ctx, "look at an endpoint", wasPausedSQL, id, webhook.PauseAfter)
	if err == nil {
		err = q.Run(ctx, "record a success", successSQL, id)
	}
	if err == nil && paused {
		err = q.Run(ctx, "resume the queues of an endpoint", resumeSQL, id)
	}
	return err
}

const (
	failSQL    = `update webhook_delivery set attempts = attempts + 1, last_error = $2 where seq = $1 and state = 'waiting'`
	parkSQL    = `update webhook_delivery set state = 'dead', ended_at = now_ms() where seq = $1 and state = 'waiting'`
	troubleSQL = `update webhook set last_error = $2 where webhook_id = $1 returning failures`
	pauseSQL   = `update webhook set failures = $2,
		paused_until = case when cast($2 as bigint) >= $3 then now_ms() + $4 else 0 end where webhook_id = $1`
	disableSQL = `update webhook set enabled = 0, disabled_reason = $2 where webhook_id = $1`
)

// Fail implements webhook.Queue.
func (s *Store) Fail(ctx context.Context, d webhook.Delivery, f webhook.Failure) error {
	wait := f.Wait
	if f.Park || f.Disable != "" { // what comes next is due; a disabled endpoint gets nothing
		wait = 0
	}
	return s.ended(ctx, d, wait, func(ctx context.Context, q sqldb.Queries) error {
		if err := q.Run(ctx, "record a failure", failSQL, d.Seq, f.Why); err != nil {
			return err
		}
		if f.Park {
			if err := q.Run(ctx, "park a delivery", parkSQL, d.Seq); err != nil {
				return err
			}
		}
		return trouble(ctx, q, d, f)
	})
}

// trouble records a failure of an endpoint, which pauses it or ends its pause.
func trouble(ctx context.Context, q sqldb.Queries, d webhook.Delivery, f webhook.Failure) error {
	id, failures := d.WebhookID, int64(0)
	if err := q.QueryRow(ctx, troubleSQL, id, f.Why).Scan(&failures); err != nil {
		return sqldb.One("record a failure of an endpoint", err, webhook.ErrNotFound)
	}
	if f.Disable != "" {
		return q.Run(ctx, "disable an endpoint", disableSQL, id, f.Disable)
	}
	paused := failures >= webhook.PauseAfter
	failures++
	switch {
	case !f.NoAnswer:
		failures = 0
	case paused && !d.Probe: // it began before the pause
		return nil
	}
	if paused && !f.NoAnswer {
		if err := q.Run(ctx, "resume the queues of an endpoint", resumeSQL, id); err != nil {
			return err
		}
	}
	return q.Run(ctx, "pause an endpoint", pauseSQL, id, failures, int64(webhook.PauseAfter), webhook.Pause(failures).Milliseconds())
}

// Release implements webhook.Queue.
func (s *Store) Release(ctx context.Context, d webhook.Delivery) error {
	return s.ended(ctx, d, 0, func(context.Context, sqldb.Queries) error { return nil })
}
