package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

// What waits behind another of its card is not due before an hour, so that a
// long queue costs those nothing who look for what is due; its turn comes when
// the one before is done with (promoteSQL). Only an event that has yet to be
// applied may find no card whose row puts that in order.
const enqueueSQL = `insert into outbox (outbox_id, card_id, code, seq, kind, payload, started, due_at, created_at)
	select $1, $2, $3, coalesce((select max(seq) from outbox where card_id = $2 and code = $3), 0) + 1, $4, $5, $6,
		case when $4 <> 'apply_event' and exists (select 1 from outbox where card_id = $2 and code = $3 and state = 'waiting')
			then now_ms() + 3600000 else now_ms() end, now_ms()
	where not exists (`

// One that has an ID of its own is there if that is. Of the others the queue of
// the card has to be looked through.
const (
	sameIDSQL    = `select 1 from outbox where outbox_id = $1`
	sameKindSQL  = `select 1 from outbox where card_id = $2 and code = $3 and kind = $4 and payload = $5 and state = 'waiting'`
	onceSQL      = `) on conflict (card_id, code, seq) do nothing`
	enqueueIDSQL = enqueueSQL + sameIDSQL + onceSQL
	enqueueOne   = enqueueSQL + sameKindSQL + onceSQL
	queuedIDSQL  = `select count(*) from outbox where outbox_id = $1`
	queuedSQL    = `select count(*) from outbox where card_id = $1 and code = $2 and kind = $3 and payload = $4 and state = 'waiting'`
)

func (r rows) Enqueue(ctx context.Context, m member.Message) error {
	insert, id := enqueueIDSQL, m.ID
	queued, which := queuedIDSQL, []any{m.ID}
	if id == "" {
		insert, id = enqueueOne, newID()
		queued, which = queuedSQL, []any{m.CardID, m.Code, m.Kind, m.Payload}
	}
	for {
		done, err := r.changes(ctx, "enqueue", insert, id, m.CardID, m.Code, m.Kind, m.Payload, bit(m.Started))
		if err != nil || done {
			return err
		}
		var there int
		if err := r.q.QueryRow(ctx, queued, which...).Scan(&there); err != nil {
			return fmt.Errorf("look at the outbox: %w", err)
		}
		if there > 0 {
			return nil
		}
		// Where transactions run side by side, another had this seq first.
	}
}

// A card's oldest waiting message goes first, and while it is leased or
// postponed the others of that card wait behind it.
const dueSQL = ` from outbox o
	where o.state = 'waiting' and o.due_at <= now_ms() and o.lease_until <= now_ms()
	and not exists (select 1 from outbox b
		where b.card_id = o.card_id and b.code = o.code and b.state = 'waiting' and b.seq < o.seq)`

// takeSQL picks rows that no other worker is picking; locked is what that takes.
func takeSQL(locked string) string {
	return `update outbox set lease_owner = $1, lease_until = now_ms() + $2, started = started + 1
	where outbox_id in (select o.outbox_id` + dueSQL + ` order by o.due_at limit $3` + locked + `)
	returning outbox_id, card_id, code, kind, payload, attempts, started, seq`
}

// idleSQL keeps a worker with nothing to do from taking the writing connection.
const idleSQL = `select count(*) from (select 1` + dueSQL + ` limit 1) as due`

// Take implements member.Store.
func (s *Store) Take(ctx context.Context, lease string, time time.Duration, n int) (out []member.Message, err error) {
	var due int
	if err := s.q.QueryRow(ctx, idleSQL).Scan(&due); err != nil {
		return nil, fmt.Errorf("look at the outbox: %w", err)
	}
	if due == 0 {
		return nil, nil
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		rs, err := tx.Query(ctx, takeSQL(s.db.SkipLocked("o")), lease, time.Milliseconds(), n)
		out, err = all("take from the outbox", rs, err, func(scan func(...any) error) (member.Message, error) {
			m := member.Message{Lease: lease}
			var started int64
			err := scan(&m.ID, &m.CardID, &m.Code, &m.Kind, &m.Payload, &m.Attempts, &started, &m.Seq)
			m.Started = started > 1
			return m, err
		})
		return err
	})
	if err != nil {
		return nil, err // what was not committed is not leased
	}
	return out, nil
}

const backlogSQL = `select count(case when state = 'waiting' then 1 end), count(case when state = 'dead' then 1 end),
	coalesce(now_ms() - min(case when state = 'waiting' then created_at end), 0) from outbox`

// Waiting implements member.Store.
func (s *Store) Waiting(ctx context.Context) (b member.Backlog, err error) {
	var oldest int64
	if err := s.q.QueryRow(ctx, backlogSQL).Scan(&b.Waiting, &b.Dead, &oldest); err != nil {
		return b, fmt.Errorf("count the outbox: %w", err)
	}
	b.Oldest = time.Duration(oldest) * time.Millisecond
	return b, nil
}

const lockSQL = `update member_card set check_wait = check_wait where card_id = $1 and code = $2`

func (r rows) Lock(ctx context.Context, cardID, code string) error {
	return r.exec(ctx, "lock a card", lockSQL, cardID, code)
}

const hastenCardSQL = `update outbox set due_at = now_ms() where card_id = $1 and code = $2 and state = 'waiting' and due_at > now_ms()`

func (r rows) HastenCard(ctx context.Context, cardID, code string) error {
	return r.exec(ctx, "hasten messages", hastenCardSQL, cardID, code)
}

const finishSQL = `delete from outbox where outbox_id = $1 and lease_owner = $2`

func (r rows) Finish(ctx context.Context, m member.Message) (bool, error) {
	done, err := r.changes(ctx, "finish a message", finishSQL, m.ID, m.Lease)
	if err != nil || !done {
		return done, err
	}
	return true, r.promote(ctx, m.CardID, m.Code)
}

const promoteSQL = `update outbox set due_at = now_ms() where outbox_id = (select outbox_id from outbox
		where card_id = $1 and code = $2 and state = 'waiting' order by seq limit 1)
	and due_at > now_ms() and attempts = 0`

// promote lets the next message of a card go.
func (r rows) promote(ctx context.Context, cardID, code string) error {
	return r.exec(ctx, "let the next message go", promoteSQL, cardID, code)
}

const postponeSQL = `update outbox set lease_owner = '', lease_until = 0, attempts = attempts + 1, due_at = now_ms() + $3, last_error = $4
	where outbox_id = $1 and lease_owner = $2`

func (r rows) Postpone(ctx context.Context, m member.Message, wait time.Duration, why string) (bool, error) {
	return r.changes(ctx, "postpone a message", postponeSQL, m.ID, m.Lease, wait.Milliseconds(), why)
}

const releaseSQL = `update outbox set lease_owner = '', lease_until = 0 where outbox_id = $1 and lease_owner = $2`

func (r rows) Release(ctx context.Context, m member.Message) (bool, error) {
	return r.changes(ctx, "release a message", releaseSQL, m.ID, m.Lease)
}

const burySQL = `update outbox set lease_owner = '', lease_until = 0, attempts = attempts + 1, state = 'dead', last_error = $3
	where outbox_id = $1 and lease_owner = $2`

func (r rows) Bury(ctx context.Context, m member.Message, why string) (bool, error) {
	done, err := r.changes(ctx, "park a message", burySQL, m.ID, m.Lease, why)
	if err != nil || !done {
		return done, err
	}
	return true, r.promote(ctx, m.CardID, m.Code)
}

const recallSQL = `delete from outbox where card_id = $1 and code = $2 and state = 'waiting' and kind = $3
	returning outbox_id, kind, payload, seq`

func (r rows) Recall(ctx context.Context, cardID, code string, kinds []string) (out []member.Message, err error) {
	for _, kind := range kinds {
		rs, err := r.q.Query(ctx, recallSQL, cardID, code, kind)
		some, err := all("take messages back", rs, err, func(scan func(...any) error) (member.Message, error) {
			m := member.Message{CardID: cardID, Code: code}
			err := scan(&m.ID, &m.Kind, &m.Payload, &m.Seq)
			return m, err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.SortFunc(out, func(a, b member.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, r.promote(ctx, cardID, code)
}

const queuedColumns = `outbox_id, card_id, code, kind, payload, attempts, seq, state, last_error, created_at, due_at`

func scanQueued(scan func(...any) error) (q member.Queued, err error) {
	var created, due int64
	err = scan(&q.ID, &q.CardID, &q.Code, &q.Kind, &q.Payload, &q.Attempts, &q.Seq, &q.State, &q.LastError, &created, &due)
	q.CreatedAt, q.DueAt = when(created), when(due)
	return q, err
}

const messageSQL = `select ` + queuedColumns + ` from outbox where outbox_id = $1`

func (r rows) Message(ctx context.Context, id string) (member.Queued, error) {
	q, err := scanQueued(r.q.QueryRow(ctx, messageSQL, id).Scan)
	return q, one("look a message up", err)
}

const hastenSQL = `update outbox set due_at = now_ms() where outbox_id = $1 and state = 'waiting'`

func (r rows) Hasten(ctx context.Context, id string) error {
	return r.exec(ctx, "hasten a message", hastenSQL, id)
}

const discardSQL = `delete from outbox where outbox_id = $1 and state = 'dead'`

func (r rows) Discard(ctx context.Context, id string) error {
	return r.exec(ctx, "discard a message", discardSQL, id)
}

const messagesSQL = `select ` + queuedColumns + ` from outbox
	where (state, created_at, outbox_id) > ($1, $2, $3) and state <= $4
	order by state, created_at, outbox_id limit $5`

// Messages implements member.Store.
func (s *Store) Messages(ctx context.Context, state string, after member.MessageMark, n int) ([]member.Queued, error) {
	from, to := cmp.Or(state, member.MessageDead), cmp.Or(state, member.MessageWaits)
	if after.State > from {
		from = after.State
	}
	rs, err := s.q.Query(ctx, messagesSQL, from, millis(after.CreatedAt), after.ID, to, n)
	return all("list messages", rs, err, scanQueued)
}
