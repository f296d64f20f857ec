// Package sqlstore is recovery.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/recovery"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps the recovery in the database. It is safe for concurrent use.
type Store struct {
	sqldb.Queries
	officialAppID string
}

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB, officialAppID string) *Store {
	return &Store{sqldb.Queries{Querier: db.Read(), DB: db}, officialAppID}
}

func (s *Store) write(ctx context.Context, what string, statements ...statement) error {
	err := s.DB.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		for _, st := range statements {
			if _, err := tx.Exec(ctx, st.sql, st.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

type statement struct {
	sql  string
	args []any
}

const stateSQL = `select copied_at, began_at, ended_at, phase, after_first, after_second, found from recovery`

// State implements recovery.Store.
func (s *Store) State(ctx context.Context) (st recovery.State, err error) {
	err = s.QueryRow(ctx, stateSQL).Scan((*sqldb.Time)(&st.CopiedAt), (*sqldb.Time)(&st.BeganAt), (*sqldb.Time)(&st.EndedAt),
		&st.Phase, &st.After.First, &st.After.Second, &st.Found)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return st, nil
	case err != nil:
		return st, fmt.Errorf("read the recovery: %w", err)
	}
	st.Marked = true
	return st, nil
}

const (
	forgetSQL = `delete from recovery_card where exists (select 1 from recovery where ended_at > 0)`
	markSQL   = `insert into recovery (name, copied_at) values ('copy', 0) on conflict (name) do update
	set copied_at = 0, began_at = 0, phase = 0, after_first = '', after_second = '', found = 0, ended_at = 0 where recovery.ended_at > 0`
)

// Mark implements recovery.Store.
func (s *Store) Mark(ctx context.Context) error {
	return s.write(sqldb.Each(ctx, time.Minute), "mark the database as a copy", statement{sql: forgetSQL}, statement{sql: markSQL})
}

// Until the recovery begins, after_first and after_second say up to which card they were
// added.
const (
	addedUpToSQL = `select after_first, after_second from recovery where began_at = 0`
	nextCardsSQL = `select card_id, code from member_card where (card_id, code) > ($1, $2) order by card_id, code limit $3`
	addCardsSQL  = `insert into recovery_card (card_id, code) select c.card_id, c.code from (
		select card_id, code, status, face_known, told from member_card where (card_id, code) > ($1, $2)
		order by card_id, code limit $3) c
	where c.status in ('claimed', 'active', 'deleted') and (c.face_known = 1 or c.told > 0) on conflict do nothing`
	addedSQL = `update recovery set after_first = $1, after_second = $2 where began_at = 0`
)

func scanKey(scan sqldb.Scan) (k recovery.Key, err error) {
	err = scan(&k.First, &k.Second)
	return k, err
}

// AddCards implements recovery.Store.
func (s *Store) AddCards(ctx context.Context, n int) (more bool, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		more = false
		after, err := scanKey(tx.QueryRow(ctx, addedUpToSQL).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read which cards of the copy were added: %w", err)
		}
		keys, err := sqldb.All(ctx, tx, "list the cards of the copy", scanKey, nextCardsSQL, after.First, after.Second, n)
		if err != nil || len(keys) == 0 {
			return err
		}
		more = len(keys) == n
		last := keys[len(keys)-1]
		for _, st := range []statement{
			{addCardsSQL, []any{after.First, after.Second, n}}, {addedSQL, []any{last.First, last.Second}},
		} {
			if _, err := tx.Exec(ctx, st.sql, st.args...); err != nil {
				return fmt.Errorf("add the cards of the copy: %w", err)
			}
		}
		return nil
	})
	return more, err
}

// What is sent again may have been sent since the copy, so that counts as started.
var beginSQL = []statement{
	{sql: `update outbox set started = started + 1, lease_until = 0`},
	{sql: `update ticket set value = '', value_fence = 0, life = 0, ends_at = 0, lease_ends_at = 0`},
	{sql: `delete from ticket_backoff`},
	{sql: `update revocation set not_before = (now_ms() / 1000 + 1) * 1000`},
	{sql: `delete from staff_key where kind <> 'token'`},
	{sql: `update card set read_at = 0`},
	{sql: `update recovery set began_at = now_ms(), phase = 0, after_first = '', after_second = ''`},
}

// Begin implements recovery.Store.
func (s *Store) Begin(ctx context.Context) error {
	return s.DB.Write(sqldb.Each(ctx, time.Minute), func(ctx context.Context, tx sqldb.Querier) error {
		var waits int64
		if err := tx.QueryRow(ctx, `select count(*) from recovery where began_at = 0 and ended_at = 0`).Scan(&waits); err != nil || waits == 0 {
			return err
		}
		for _, st := range beginSQL {
			if _, err := tx.Exec(ctx, st.sql, st.args...); err != nil {
				return fmt.Errorf("drop the sessions and tickets of the copy: %w", err)
			}
		}
		return nil
	})
}

const (
	cardsSQL = `select card_id, code from recovery_card where state = 'unread' and (card_id, code) > ($1, $2)
	order by card_id, code limit $3`
	walletsSQL = `select openid, '' from identity where app_id = $1 and openid > $2 order by openid limit $3`
	codesSQL   = `select card_id, code from member_card where (card_id, code) > ($1, $2) and status = 'issued'
	and issued_at < (select began_at from recovery) order by card_id, code limit $3`
)

// Cards implements recovery.Store.
func (s *Store) Cards(ctx context.Context, after recovery.Key, n int) ([]recovery.Key, error) {
	return sqldb.All(ctx, s, "list the cards to look at", scanKey, cardsSQL, after.First, after.Second, n)
}

// Wallets implements recovery.Store.
func (s *Store) Wallets(ctx context.Context, after recovery.Key, n int) ([]recovery.Key, error) {
	return sqldb.All(ctx, s, "list the wallets to look at", scanKey, walletsSQL, s.officialAppID, after.First, n)
}

// Codes implements recovery.Store.
func (s *Store) Codes(ctx context.Context, after recovery.Key, n int) ([]recovery.Key, error) {
	return sqldb.All(ctx, s, "list the codes to look at", scanKey, codesSQL, after.First, after.Second, n)
}

const advanceSQL = `update recovery set phase = $1, after_first = $2, after_second = $3, found = found + $4`

// Advance implements recovery.Store.
func (s *Store) Advance(ctx context.Context, phase int, after recovery.Key, found int64) error {
	return s.write(ctx, "record how far the recovery is", statement{advanceSQL, []any{phase, after.First, after.Second, found}})
}

const cardStateSQL = `select state from recovery_card where card_id = $1 and code = $2`

// CardState implements recovery.Store.
func (s *Store) CardState(ctx context.Context, k recovery.Key) (state string, err error) {
	err = s.QueryRow(ctx, cardStateSQL, k.First, k.Second).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

// A message that was postponed because its card was held becomes due, the first of the
// card only: the others wait for it.
const (
	dueSQL       = `update outbox set due_at = now_ms() where state = 'waiting' and due_at > now_ms() and due_at < now_ms() + 60000`
	dueOfCardSQL = dueSQL + ` and card_id = $1 and code = $2`
)

// A card that was adopted stays so in the list, with the figures that it had.
const settleSQL = `update recovery_card set state = $3, bonus = $4, balance = $5, face_bonus = $6, face_balance = $7, looked_at = now_ms()
	where card_id = $1 and code = $2 and state in ('unread', 'differs')`

// Settle implements recovery.Store.
func (s *Store) Settle(ctx context.Context, d recovery.Difference) error {
	statements := []statement{{settleSQL, []any{d.CardID, d.Code, d.State, d.Bonus, d.Balance, d.FaceBonus, d.FaceBalance}}}
	if d.State != recovery.Differs {
		statements = append(statements, statement{dueOfCardSQL, []any{d.CardID, d.Code}})
	}
	return s.write(ctx, "record how a card was found", statements...)
}

const countsSQL = `select state, count(*) from recovery_card group by state`

// Counts implements recovery.Store.
func (s *Store) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	_, err := sqldb.All(sqldb.Each(ctx, time.Minute), s, "count the cards of the copy", func(scan sqldb.Scan) (none struct{}, err error) {
		var state string
		var n int64
		err = scan(&state, &n)
		counts[state] = n
		return none, err
	}, countsSQL)
	return counts, err
}

const differencesSQL = `select card_id, code, state, bonus, balance, face_bonus, face_balance, looked_at from recovery_card
	where state in ('differs', 'adopted', 'unsent', 'left') and (card_id, code) > ($1, $2) order by card_id, code limit $3`

// Differences implements recovery.Store.
func (s *Store) Differences(ctx context.Context, after recovery.Key, n int) ([]recovery.Difference, error) {
	return sqldb.All(ctx, s, "list the differences", func(scan sqldb.Scan) (d recovery.Difference, err error) {
		err = scan(&d.CardID, &d.Code, &d.State, &d.Bonus, &d.Balance, &d.FaceBonus, &d.FaceBalance, (*sqldb.Time)(&d.LookedAt))
		return d, err
	}, differencesSQL, after.First, after.Second, n)
}

const (
	leaveSQL = `update recovery_card set state = 'left' where state in ('unread', 'differs')`
	endSQL   = `update recovery set ended_at = now_ms()`
	driftSQL = `update member_card set modified = 1, face_bonus = r.face_bonus, face_balance = r.face_balance, face_at = now_ms()
	from recovery_card r where r.card_id = member_card.card_id and r.code = member_card.code and r.state = 'differs'`
)

// End implements recovery.Store.
func (s *Store) End(ctx context.Context) error {
	return s.write(sqldb.Each(ctx, time.Minute), "end the recovery",
		statement{sql: driftSQL}, statement{sql: leaveSQL}, statement{sql: dueSQL}, statement{sql: endSQL})
}

// StartJob implements recovery.Store.
func (s *Store) StartJob(ctx context.Context, job string, every time.Duration) (bool, error) {
	return s.DB.StartJob(ctx, job, every)
}
