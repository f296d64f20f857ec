// Package sqlstore is outbox.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/trail"
	trailsql "github.com/addcard/addcard/internal/trail/sqlstore"
)

// Store keeps the outbox in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{db} }

// Write implements outbox.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx outbox.Tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		return fn(ctx, Tx{sqldb.Queries{Querier: tx, DB: s.db}})
	})
}

// Tx is outbox.Tx on a transaction.
type Tx struct{ sqldb.Queries }

// NewID returns an ID for an entry or a message. The IDs grow with time, so the
// index of millions of rows grows at its end.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// A message behind another of its card becomes due in an hour, so that a long
// queue costs nothing to the query for due messages; promoteSQL makes it due when
// the one before it ends. Messages of kind apply_event are due at once: their
// card may have no row, and without its lock the two have no order.
const enqueueSQL = `insert into outbox (outbox_id, card_id, code, seq, kind, payload, started, due_at, created_at)
	select $1, $2, $3, coalesce((select max(seq) from outbox where card_id = $2 and code = $3), 0) + 1, $4, $5, $6,
		case when $4 <> 'apply_event' and exists (select 1 from outbox where card_id = $2 and code = $3 and state = 'waiting')
			then now_ms() + 3600000 else now_ms() end, now_ms()
	where not exists (`

// A message with an ID is stored unless that ID is there; the others are compared
// by kind and payload.
const (
	sameIDSQL      = `select 1 from outbox where outbox_id = $1`
	sameContentSQL = `select 1 from outbox where card_id = $2 and code = $3 and kind = $4 and payload = $5 and state = 'waiting'`
	onceSQL        = `) on conflict (card_id, code, seq) do nothing`
	addByIDSQL     = enqueueSQL + sameIDSQL + onceSQL
	addOnceSQL     = enqueueSQL + sameContentSQL + onceSQL
	hasIDSQL       = `select count(*) from outbox where outbox_id = $1`
	hasContentSQL  = `select count(*) from outbox where card_id = $1 and code = $2 and kind = $3 and payload = $4 and state = 'waiting'`
)

// Enqueue implements outbox.Tx.
func (tx Tx) Enqueue(ctx context.Context, m outbox.Message) error {
	add, id := addByIDSQL, m.ID
	has, same := hasIDSQL, []any{m.ID}
	if id == "" {
		add, id = addOnceSQL, NewID()
		has, same = hasContentSQL, []any{m.CardID, m.Code, m.Kind, m.Payload}
	}
	for {
		added, err := tx.Change(ctx, "enqueue a message", add, id, m.CardID, m.Code, m.Kind, m.Payload, sqldb.Bool(m.Started))
		if err != nil || added {
			return err
		}
		if there, err := tx.Any(ctx, "look for a message", has, same...); err != nil || there {
			return err
		}
		// Where transactions run side by side, another used this seq first.
	}
}

// Of each card the oldest waiting message comes first. While it is leased or
// postponed, the others of the card wait behind it.
const dueSQL = ` from outbox o
	where o.state = 'waiting' and o.due_at <= now_ms() and o.lease_until <= now_ms()
	and not exists (select 1 from outbox b
		where b.card_id = o.card_id and b.code = o.code and b.state = 'waiting' and b.seq < o.seq)`

// leaseSQL leases rows that no other sender is leasing, which is what skipLocked does.
func leaseSQL(skipLocked string) string {
	return `update outbox set lease_owner = $1, lease_until = now_ms() + $2, started = started + 1
	where outbox_id in (select o.outbox_id` + dueSQL + ` order by o.due_at limit $3` + skipLocked + `)
	returning outbox_id, card_id, code, kind, payload, attempts, started, seq`
}

// anyDueSQL keeps an idle sender from using the writing connection.
const anyDueSQL = `select count(*) from (select 1` + dueSQL + ` limit 1) as due`

// Lease implements outbox.Store.
func (s *Store) Lease(ctx context.Context, name string, time time.Duration, n int) (leased []outbox.Message, err error) {
	due, err := sqldb.Queries{Querier: s.db.Read()}.Any(ctx, "look for due messages", anyDueSQL)
	if err != nil || !due {
		return nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		leased, err = sqldb.All(ctx, tx, "lease messages", func(scan sqldb.Scan) (outbox.Message, error) {
			m := outbox.Message{Lease: name}
			var leases int64
			err := scan(&m.ID, &m.CardID, &m.Code, &m.Kind, &m.Payload, &m.Attempts, &leases, &m.Seq)
			m.Started = leases > 1
			return m, err
		}, leaseSQL(s.db.SkipLocked("o")), name, time.Milliseconds(), n)
		return err
	})
	if err != nil {
		return nil, err // what was not committed is not leased
	}
	return leased, nil
}

const backlogSQL = `select count(case when state = 'waiting' then 1 end), count(case when state = 'dead' then 1 end),
	coalesce(now_ms() - min(case when state = 'waiting' then created_at end), 0) from outbox`

// Backlog implements outbox.Store.
func (s *Store) Backlog(ctx context.Context) (outbox.Backlog, error) {
	return s.backlog(ctx, backlogSQL)
}

// Count implements outbox.Store.
func (s *Store) Count(ctx context.Context, f outbox.Filter) (outbox.Backlog, error) {
	return s.backlog(ctx, backlogSQL+` where state <> ''`+selectedSQL, selected(f, math.MaxInt64)...)
}

func (s *Store) backlog(ctx context.Context, query string, args ...any) (b outbox.Backlog, err error) {
	var oldest int64
	if err := s.db.Read().QueryRow(ctx, query, args...).Scan(&b.Waiting, &b.Parked, &oldest); err != nil {
		return b, fmt.Errorf("count the messages: %w", err)
	}
	b.Oldest = time.Duration(oldest) * time.Millisecond
	return b, nil
}

const hasWaitingSQL = `select count(*) from (select 1 from outbox where card_id = $1 and code = $2 and state = 'waiting' limit 1) as found`

// HasWaiting implements outbox.Tx.
func (tx Tx) HasWaiting(ctx context.Context, cardID, code string) (bool, error) {
	return tx.Any(ctx, "look for waiting messages", hasWaitingSQL, cardID, code)
}

const lockCardSQL = `update member_card set check_wait = check_wait where card_id = $1 and code = $2`

// LockCard implements outbox.Tx.
func (tx Tx) LockCard(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "lock a card", lockCardSQL, cardID, code)
}

const touchSQL = `update member_card set version = version + 1 where card_id = $1 and code = $2`

// Touch implements outbox.Tx.
func (tx Tx) Touch(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "mark a card as changed", touchSQL, cardID, code)
}

const makeCardDueSQL = `update outbox set due_at = now_ms() where card_id = $1 and code = $2 and state = 'waiting'`

// MakeCardDue implements outbox.Tx.
func (tx Tx) MakeCardDue(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "make messages due", makeCardDueSQL, cardID, code)
}

const finishSQL = `delete from outbox where outbox_id = $1 and lease_owner = $2`

// Finish implements outbox.Tx.
func (tx Tx) Finish(ctx context.Context, m outbox.Message) (bool, error) {
	done, err := tx.Change(ctx, "finish a message", finishSQL, m.ID, m.Lease)
	if err != nil || !done {
		return done, err
	}
	if err := tx.addTrail(ctx, trail.PushSent, m, m.Attempts, ""); err != nil {
		return false, err
	}
	return true, tx.promote(ctx, m.CardID, m.Code)
}

// addTrail records the outcome of a message.
func (tx Tx) addTrail(ctx context.Context, kind string, m outbox.Message, failed int64, why string) error {
	detail := trail.Detail{Message: m.Kind, ID: m.ID, Attempts: failed, Text: why}
	return trailsql.AddOfCard(ctx, tx.Queries, trail.Row{CardID: m.CardID, Code: m.Code, Kind: kind, Detail: detail})
}

const promoteSQL = `update outbox set due_at = now_ms() where outbox_id = (select outbox_id from outbox
		where card_id = $1 and code = $2 and state = 'waiting' order by seq limit 1)
	and due_at > now_ms() and attempts = 0`

// promote makes the next message of a card due.
func (tx Tx) promote(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "make the next message due", promoteSQL, cardID, code)
}

const postponeSQL = `update outbox set lease_owner = '', lease_until = 0, attempts = $5, due_at = now_ms() + $3, last_error = $4
	where outbox_id = $1 and lease_owner = $2`

// Postpone implements outbox.Tx.
func (tx Tx) Postpone(ctx context.Context, m outbox.Message, wait time.Duration, why string) (bool, error) {
	failures := m.Attempts + 1
	done, err := tx.Change(ctx, "postpone a message", postponeSQL, m.ID, m.Lease, wait.Milliseconds(), why, failures)
	if err != nil || !done || !outbox.Recorded(failures) {
		return done, err
	}
	return true, tx.addTrail(ctx, trail.PushFailed, m, failures, why)
}

const releaseSQL = `update outbox set lease_owner = '', lease_until = 0 where outbox_id = $1 and lease_owner = $2`

// Release implements outbox.Tx.
func (tx Tx) Release(ctx context.Context, m outbox.Message) (bool, error) {
	return tx.Change(ctx, "release a message", releaseSQL, m.ID, m.Lease)
}

const parkSQL = `update outbox set lease_owner = '', lease_until = 0, attempts = attempts + 1, state = 'dead', last_error = $3
	where outbox_id = $1 and lease_owner = $2`

// Park implements outbox.Tx.
func (tx Tx) Park(ctx context.Context, m outbox.Message, why string) (bool, error) {
	done, err := tx.Change(ctx, "park a message", parkSQL, m.ID, m.Lease, why)
	if err != nil || !done {
		return done, err
	}
	if err := tx.addTrail(ctx, trail.PushRefused, m, m.Attempts+1, why); err != nil {
		return false, err
	}
	return true, tx.promote(ctx, m.CardID, m.Code)
}

const withdrawSQL = `delete from outbox where card_id = $1 and code = $2 and state = 'waiting' and kind = $3
	returning outbox_id, kind, payload, seq`

// Withdraw implements outbox.Tx.
func (tx Tx) Withdraw(ctx context.Context, cardID, code string, kinds []string) (all []outbox.Message, err error) {
	for _, kind := range kinds {
		some, err := sqldb.All(ctx, tx, "withdraw messages", func(scan sqldb.Scan) (outbox.Message, error) {
			m := outbox.Message{CardID: cardID, Code: code}
			err := scan(&m.ID, &m.Kind, &m.Payload, &m.Seq)
			return m, err
		}, withdrawSQL, cardID, code, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b outbox.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return all, tx.promote(ctx, cardID, code)
}

func storedFields(m *outbox.Stored) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("outbox_id", &m.ID), sqldb.Col("card_id", &m.CardID), sqldb.Col("code", &m.Code),
		sqldb.Col("kind", &m.Kind), sqldb.Col("payload", &m.Payload), sqldb.Col("attempts", &m.Attempts),
		sqldb.Col("seq", &m.Seq), sqldb.Col("state", &m.State), sqldb.Col("last_error", &m.LastError),
		sqldb.Col("created_at", (*sqldb.Time)(&m.CreatedAt)), sqldb.Col("due_at", (*sqldb.Time)(&m.DueAt)),
	}
}

func scanStored(scan sqldb.Scan) (m outbox.Stored, err error) {
	err = scan(storedFields(&m).Pointers()...)
	return m, err
}

var (
	selectStoredSQL = `select ` + storedFields(&outbox.Stored{}).Columns().List("") + ` from outbox `
	messageSQL      = selectStoredSQL + `where outbox_id = $1`
)

// Message implements outbox.Tx.
func (tx Tx) Message(ctx context.Context, id string) (outbox.Stored, error) {
	m, err := scanStored(tx.QueryRow(ctx, messageSQL, id).Scan)
	return m, sqldb.One("read a message", err, outbox.ErrNotFound)
}

// Message implements outbox.Store.
func (s *Store) Message(ctx context.Context, id string) (outbox.Stored, error) {
	m, err := scanStored(s.db.Read().QueryRow(ctx, messageSQL, id).Scan)
	return m, sqldb.One("read a message", err, outbox.ErrNotFound)
}

// outcomes are those of attempts, by the kinds of their rows in the trail.
var outcomes = map[string]string{trail.PushFailed: outbox.TryFailed, trail.PushRefused: outbox.TryParked, trail.PushSent: outbox.TrySent}

// Tries implements outbox.Store.
func (s *Store) Tries(ctx context.Context, m outbox.Stored, n int) (tries []outbox.Try, err error) {
	rows, err := trailsql.OfMessage(ctx, s.db.Read(), m.CardID, m.Code, m.ID, n)
	for _, r := range rows {
		tries = append(tries, outbox.Try{At: r.At, Outcome: outcomes[r.Kind], Attempts: r.Detail.Attempts, Text: r.Detail.Text})
	}
	return tries, err
}

const makeDueSQL = `update outbox set due_at = now_ms() where outbox_id = $1 and state = 'waiting' and not exists (
	select 1 from outbox b where b.card_id = outbox.card_id and b.code = outbox.code and b.state = 'waiting' and b.seq < outbox.seq)`

// MakeDue implements outbox.Tx.
func (tx Tx) MakeDue(ctx context.Context, id string) error {
	return tx.Run(ctx, "make a message due", makeDueSQL, id)
}

const discardSQL = `delete from outbox where outbox_id = $1 and state = 'dead'`

// Discard implements outbox.Tx.
func (tx Tx) Discard(ctx context.Context, id string) (bool, error) {
	return tx.Change(ctx, "discard a message", discardSQL, id)
}

// selectedSQL are the conditions of a filter. replace finds a part of a text in the
// same way on both engines.
const selectedSQL = ` and ($1 = '' or kind = $1) and ($2 = '' or card_id = $2) and ($3 = '' or code = $3)
	and ($4 = '' or replace(last_error, $4, '') <> last_error) and created_at < $5`

// selected returns the arguments of selectedSQL. No message is stored at or after the
// given moment, if that is earlier than the filter's.
func selected(f outbox.Filter, before int64) []any {
	if !f.Before.IsZero() {
		before = min(before, f.Before.UnixMilli())
	}
	return []any{f.Kind, f.CardID, f.Code, f.ErrorContains, before}
}

var messagesSQL = selectStoredSQL + `where (state, created_at, outbox_id) > ($6, $7, $8) and state <= $9` + selectedSQL + `
	order by state, created_at, outbox_id limit $10`

// Messages implements outbox.Store.
func (s *Store) Messages(ctx context.Context, f outbox.Filter, after outbox.Mark, n int) ([]outbox.Stored, error) {
	from, to := cmp.Or(f.State, outbox.Parked), cmp.Or(f.State, outbox.Waiting)
	if after.State > from {
		from = after.State
	}
	return sqldb.All(ctx, s.db.Read(), "list messages", scanStored, messagesSQL,
		append(selected(f, math.MaxInt64), from, sqldb.Time(after.CreatedAt), after.ID, to, n)...)
}
