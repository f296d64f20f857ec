// Package sqlstore is trail.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/trail"
)

// Store keeps the trail in the database. It is safe for concurrent use.
type Store struct {
	db   *sqldb.DB
	lock int64
}

// New returns a Store on db, whose tables must be up to date. lock is the number of
// the lock that an erasure holds exclusively.
func New(db *sqldb.DB, lock int64) *Store { return &Store{db, lock} }

const addOfMemberSQL = `insert into trail (trail_id, member_id, card_id, code, kind, at, detail)
	select $1, $2, $3, $4, $5, $6, $7 where exists (select 1 from member where member_id = $2 and erased_at = 0)`

// Add implements trail.Store.
func (s *Store) Add(ctx context.Context, rows []trail.Row) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		// What waits for an erasure finds no member afterwards.
		if _, err := s.db.Hold(ctx, tx, s.lock, false); err != nil {
			return fmt.Errorf("add to the trail: %w", err)
		}
		for _, r := range rows {
			detail, err := encode(r.Detail)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, addOfMemberSQL, newID(), r.MemberID, r.CardID, r.Code, r.Kind, sqldb.Time(r.At), detail); err != nil {
				return fmt.Errorf("add to the trail: %w", err)
			}
		}
		return nil
	})
}

const addOfCardSQL = `insert into trail (trail_id, card_id, code, kind, at, detail)
	select $1, $2, $3, $4, now_ms(), $5 where exists (select 1 from member_card c join member m on m.member_id = c.member_id
		where c.card_id = $2 and c.code = $3 and m.erased_at = 0)`

// AddOfCard adds a row about a code to the caller's transaction, which must have
// locked the card. It adds none about a code that has no holder, or whose holder was
// erased.
func AddOfCard(ctx context.Context, tx sqldb.Queries, r trail.Row) error {
	detail, err := encode(r.Detail)
	if err != nil {
		return err
	}
	return tx.Run(ctx, "add to the trail", addOfCardSQL, newID(), r.CardID, r.Code, r.Kind, detail)
}

// The detail of a row about a message has its ID.
const ofMessageSQL = `select kind, at, detail from trail
	where card_id = $1 and code = $2 and code <> '' and member_id = '' and replace(detail, $3, '') <> detail
	order by at desc, trail_id desc limit $4`

// OfMessage lists up to n rows about a message, newest first. It reads no more rows
// than the card has.
func OfMessage(ctx context.Context, q sqldb.Querier, cardID, code, id string, n int) ([]trail.Row, error) {
	return sqldb.All(ctx, q, "read the trail of a message", func(scan sqldb.Scan) (r trail.Row, err error) {
		r.CardID, r.Code = cardID, code
		var detail []byte
		if err := scan(&r.Kind, (*sqldb.Time)(&r.At), &detail); err != nil {
			return r, err
		}
		return r, json.Unmarshal(detail, &r.Detail)
	}, ofMessageSQL, cardID, code, `"id":"`+id+`"`, n)
}

func encode(d trail.Detail) (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode a row of the trail: %w", err)
	}
	return string(text), nil
}

// newID returns an ID. The IDs grow with time, so the index grows at its end.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

const purgeSQL = `delete from trail where trail_id in (
	select trail_id from (select trail_id, at from trail order by trail_id limit $2) oldest where at < now_ms() - $1)`

// Purge implements trail.Store.
func (s *Store) Purge(ctx context.Context, age time.Duration, n int) (deleted int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		result, err := tx.Exec(ctx, purgeSQL, age.Milliseconds(), n)
		if err != nil {
			return err
		}
		rows, err := result.RowsAffected()
		deleted = int(rows)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge the trail: %w", err)
	}
	return deleted, nil
}

// StartJob implements trail.Store.
func (s *Store) StartJob(ctx context.Context, job string, every time.Duration) (bool, error) {
	return s.db.StartJob(ctx, job, every)
}
