// Package sqlstore implements card.Store with the same SQL for SQLite and
// PostgreSQL. It holds no rules of the catalogue.
package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps the catalogue in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{db} }

const loadSQL = `select doc, settings, now_ms() - read_at, coalesce(reason, '')
	from card left join card_review on card_review.card_id = card.card_id where card.card_id = $1`

// Load implements card.Store.
func (s *Store) Load(ctx context.Context, cardID string) (card.Card, time.Duration, error) {
	var doc, settings []byte
	var age int64
	var reason string
	err := s.db.Read().QueryRow(ctx, loadSQL, cardID).Scan(&doc, &settings, &age, &reason)
	if errors.Is(err, sql.ErrNoRows) {
		return card.Card{}, 0, card.ErrNotFound
	}
	c := card.Card{ID: cardID}
	if err == nil {
		err = errors.Join(json.Unmarshal(doc, &c), json.Unmarshal(settings, &c.Settings))
	}
	if err != nil {
		return card.Card{}, 0, fmt.Errorf("load card %s: %w", cardID, err)
	}
	if c.Status == card.VerifyFailed {
		c.RefuseReason = reason
	}
	return c, time.Duration(age) * time.Millisecond, nil
}

const saveSQL = `insert into card (card_id, doc, read_at) values ($1, $2, now_ms())
	on conflict (card_id) do update set doc = excluded.doc, read_at = excluded.read_at`

// Save implements card.Store.
func (s *Store) Save(ctx context.Context, c card.Card) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("save card %s: %w", c.ID, err)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		q := sqldb.Queries{Querier: tx}
		err := q.Run(ctx, "save card "+c.ID, saveSQL, c.ID, string(doc))
		if err == nil && (c.Status == card.Verified || c.Status == card.Dispatched) {
			err = q.Run(ctx, "save card "+c.ID, approveSQL, c.ID)
		}
		return err
	})
}

const (
	approveSQL = `update card_review set reason = '' where card_id = $1 and reason <> ''`
	reviewSQL  = `insert into card_review (card_id, reason, reviewed_at) values ($1, $2, $3)
	on conflict (card_id) do update set reason = excluded.reason, reviewed_at = excluded.reviewed_at
	where card_review.reviewed_at <= excluded.reviewed_at`
)

// SaveReview implements card.Store.
func (s *Store) SaveReview(ctx context.Context, cardID, reason string, at time.Time) (bool, error) {
	return s.db.Change(ctx, "save the review of card "+cardID, reviewSQL, cardID, reason, at.UnixMilli())
}

const (
	settingsSQL  = `select settings from card where card_id = $1`
	configureSQL = `update card set settings = $2 where card_id = $1 and settings = $3`
)

// Configure implements card.Store.
func (s *Store) Configure(ctx context.Context, cardID string, change func(*card.Settings)) error {
	what := "configure card " + cardID
	for range 50 { // enough for every one of several concurrent changes
		var done bool
		err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
			var before []byte
			if err := tx.QueryRow(ctx, settingsSQL, cardID).Scan(&before); err != nil {
				return err
			}
			var settings card.Settings
			if err := json.Unmarshal(before, &settings); err != nil {
				return err
			}
			change(&settings)
			after, err := json.Marshal(settings)
			if err != nil {
				return err
			}
			done, err = sqldb.Queries{Querier: tx}.Change(ctx, "write", configureSQL, cardID, string(after), string(before))
			return err
		})
		if errors.Is(err, sql.ErrNoRows) {
			return card.ErrNotFound
		}
		if err != nil || done {
			return wrapped(what, err)
		}
	}
	return fmt.Errorf("%s: changed concurrently too often", what)
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

const idsSQL = `select card_id from card order by card_id`

// IDs implements card.Store.
func (s *Store) IDs(ctx context.Context) ([]string, error) {
	return sqldb.All(ctx, s.db.Read(), "list the catalogue", sqldb.Text, idsSQL)
}

// A statement that has waited for the row may come with the minute before that of the
// row, and must not begin it again. A row that is further ahead was written by a clock
// that was wrong.
const allowSQL = `insert into allowance (name, slot, used) values ($1, now_ms() / 60000, 1)
	on conflict (name) do update
	set used = case when allowance.slot - excluded.slot in (0, 1) then allowance.used + 1 else 1 end,
		slot = case when allowance.slot - excluded.slot in (0, 1) then allowance.slot else excluded.slot end
	where allowance.slot - excluded.slot not in (0, 1) or allowance.used < $2
	returning used`

// Allow implements card.Store.
func (s *Store) Allow(ctx context.Context, name string, limit int) (bool, error) {
	return s.db.Try(ctx, "count "+name, allowSQL, name, limit)
}

// AcquireJob implements card.Store.
func (s *Store) AcquireJob(ctx context.Context, job string, notWithin time.Duration) (bool, error) {
	return s.db.StartJob(ctx, job, notWithin)
}

const attemptSQL = `insert into card_attempt (definition, had, begun_at) values ($1, $2, now_ms())
	on conflict (definition) do update set
		had = case when card_attempt.begun_at > excluded.begun_at - $3 then card_attempt.had else excluded.had end,
		begun_at = case when card_attempt.begun_at > excluded.begun_at - $3 then card_attempt.begun_at else excluded.begun_at end
	returning had`

const createdSQL = `select card_id from card_created`

// BeginCreation implements card.Store.
func (s *Store) BeginCreation(ctx context.Context, definition string, own []string, within time.Duration) (had []string, err error) {
	text, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("begin a card's creation: %w", err)
	}
	var kept []byte
	var created []string
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		if err := tx.QueryRow(ctx, attemptSQL, definition, string(text), within.Milliseconds()).Scan(&kept); err != nil {
			return err
		}
		created, err = sqldb.All(ctx, tx, "list created cards", sqldb.Text, createdSQL)
		return err
	})
	if err == nil {
		err = json.Unmarshal(kept, &had)
	}
	return append(had, created...), wrapped("begin a card's creation", err)
}

const (
	settleSQL = `delete from card_attempt where definition = $1`
	recordSQL = `insert into card_created (card_id, definition, created_at) values ($1, $2, now_ms()) on conflict (card_id) do nothing`
)

// EndCreation implements card.Store.
func (s *Store) EndCreation(ctx context.Context, definition, exact, cardID string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		q := sqldb.Queries{Querier: tx}
		err := q.Run(ctx, "end a card's creation", settleSQL, definition)
		if err == nil && cardID != "" {
			err = q.Run(ctx, "record a created card", recordSQL, cardID, exact)
		}
		return err
	})
}

const createdSinceSQL = `select card_id from card_created where definition = $1 and created_at > now_ms() - $2
	order by created_at desc limit 1`

// CreatedSince implements card.Store.
func (s *Store) CreatedSince(ctx context.Context, exact string, since time.Duration) (cardID string, err error) {
	err = s.db.Read().QueryRow(ctx, createdSinceSQL, exact, since.Milliseconds()).Scan(&cardID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return cardID, wrapped("find a created card", err)
}

const (
	lockSQL = `insert into card_lock (name, holder, ends_at) values ($1, $2, now_ms() + $3)
	on conflict (name) do update set holder = excluded.holder, ends_at = excluded.ends_at
	where card_lock.ends_at <= now_ms()`
	extendSQL = `update card_lock set ends_at = now_ms() + $3 where name = $1 and holder = $2`
	unlockSQL = `delete from card_lock where name = $1 and holder = $2`
)

// Lock implements card.Store.
func (s *Store) Lock(ctx context.Context, name, holder string, lease time.Duration) (bool, error) {
	return s.db.Change(ctx, "lock "+name, lockSQL, name, holder, lease.Milliseconds())
}

// ExtendLock implements card.Store.
func (s *Store) ExtendLock(ctx context.Context, name, holder string, lease time.Duration) (bool, error) {
	return s.db.Change(ctx, "extend the lock "+name, extendSQL, name, holder, lease.Milliseconds())
}

// Unlock implements card.Store.
func (s *Store) Unlock(ctx context.Context, name, holder string) error {
	_, err := s.db.Change(ctx, "unlock "+name, unlockSQL, name, holder)
	return err
}

const (
	addPictureSQL = `insert into picture (url, content) values ($1, $2) on conflict (url) do nothing`
	picturesSQL   = `select url, content from picture`
)

// AddPicture implements card.Store.
func (s *Store) AddPicture(ctx context.Context, url, content string) error {
	_, err := s.db.Change(ctx, "add a picture", addPictureSQL, url, content)
	return err
}

// Pictures implements card.Store.
func (s *Store) Pictures(ctx context.Context) (map[string]string, error) {
	contents := map[string]string{}
	_, err := sqldb.All(ctx, s.db.Read(), "list pictures", func(scan sqldb.Scan) (struct{}, error) {
		var url, content string
		err := scan(&url, &content)
		contents[url] = content
		return struct{}{}, err
	}, picturesSQL)
	return contents, err
}
