// Package sqlstore is timeline.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/trail"
)

// Store reads timelines in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{db} }

// Each query reads up to $5 rows of one card ($1, $2) behind a place ($3, $4).
const (
	eventsSQL = `select happened_at, dedupe_key, event from event
	where card_id = $1 and code = $2 and (happened_at, dedupe_key) < ($3, $4) order by happened_at desc, dedupe_key desc limit $5`
	formsSQL = `select created_at, ticket_hash from form
	where card_id = $1 and code = $2 and (created_at, ticket_hash) < ($3, $4) order by created_at desc, ticket_hash desc limit $5`
	// created_at + 0 keeps both engines from walking the entries of all members of the
	// card in the order of their time, instead of the one ledger.
	entriesSQL = `select e.created_at, e.entry_id, e.add_bonus, e.bonus, e.add_balance, e.balance, e.record_bonus, e.record_balance, e.actor
	from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	where c.card_id = $1 and c.code = $2 and (e.created_at + 0, e.entry_id) < ($3, $4)
	order by e.created_at + 0 desc, e.entry_id desc limit $5`
	messagesSQL = `select created_at, outbox_id, state, kind, attempts, due_at, last_error from outbox
	where card_id = $1 and code = $2 and (created_at, outbox_id) < ($3, $4) order by created_at desc, outbox_id desc limit $5`
	cardTrailSQL = `select at, trail_id, kind, detail from trail
	where card_id = $1 and code = $2 and code <> '' and member_id = '' and (at, trail_id) < ($3, $4) order by at desc, trail_id desc limit $5`
	memberTrailSQL = `select at, trail_id, kind, detail, card_id, code from trail
	where member_id = $1 and member_id <> '' and (at, trail_id) < ($2, $3) order by at desc, trail_id desc limit $4`
)

// Sources implements timeline.Store.
func (s *Store) Sources() []timeline.Source {
	return []timeline.Source{
		s.ofCards("event", eventsSQL, scanEvent), s.ofCards("form", formsSQL, scanForm), s.ofCards("entry", entriesSQL, scanEntry),
		s.ofCards("message", messagesSQL, scanMessage), s.ofCards("trail", cardTrailSQL, scanTrail), timeline.SourceFunc(s.ofMember),
	}
}

// ofCards returns the Source of a table that has rows of cards.
func (s *Store) ofCards(name, query string, scan func(sqldb.Scan) (timeline.Event, error)) timeline.Source {
	return timeline.SourceFunc(func(ctx context.Context, of timeline.Subject, m timeline.Mark, n int) (list []timeline.Event, err error) {
		m = m.Of(name)
		for _, c := range of.Cards {
			events, err := sqldb.All(ctx, s.db.Read(), "read the timeline of a card", func(row sqldb.Scan) (timeline.Event, error) {
				e, err := scan(row)
				e.Source, e.CardID, e.Code = name, c.CardID, c.Code
				return e, err
			}, query, c.CardID, c.Code, m.At.UnixMilli(), m.ID, n)
			if err != nil {
				return nil, err
			}
			list = append(list, events...)
		}
		return list, nil
	})
}

// ofMember is the Source of the rows of the trail that name a member.
func (s *Store) ofMember(ctx context.Context, of timeline.Subject, m timeline.Mark, n int) ([]timeline.Event, error) {
	const name = "trail-of-member"
	m = m.Of(name)
	return sqldb.All(ctx, s.db.Read(), "read the timeline of a member", func(row sqldb.Scan) (timeline.Event, error) {
		var cardID, code string
		e, err := scanTrail(func(dest ...any) error { return row(append(dest, &cardID, &code)...) })
		e.Source, e.CardID, e.Code = name, cardID, code
		return e, err
	}, memberTrailSQL, of.MemberID, m.At.UnixMilli(), m.ID, n)
}

func scanEvent(scan sqldb.Scan) (e timeline.Event, err error) {
	e.Kind = timeline.Pushed
	return e, scan((*sqldb.Time)(&e.At), &e.ID, &e.Name)
}

func scanForm(scan sqldb.Scan) (e timeline.Event, err error) {
	e.Kind = timeline.Form
	return e, scan((*sqldb.Time)(&e.At), &e.ID)
}

func scanEntry(scan sqldb.Scan) (e timeline.Event, err error) {
	e.Kind, e.Entry = timeline.Entered, &timeline.Figures{}
	var other string
	err = scan((*sqldb.Time)(&e.At), &e.ID, &e.Entry.AddBonus, &e.Entry.Bonus, &e.Entry.AddBalance, &e.Entry.Balance,
		&e.Text, &other, &e.Actor)
	if e.Text == "" {
		e.Text = other
	}
	return e, err
}

func scanMessage(scan sqldb.Scan) (e timeline.Event, err error) {
	var state string
	err = scan((*sqldb.Time)(&e.At), &e.ID, &state, &e.Name, &e.Attempts, (*sqldb.Time)(&e.NextAt), &e.Text)
	if e.Kind = timeline.PushWaits; state == "dead" {
		e.Kind, e.NextAt = timeline.PushParked, time.Time{}
	}
	return e, err
}

func scanTrail(scan sqldb.Scan) (e timeline.Event, err error) {
	var detail []byte
	if err := scan((*sqldb.Time)(&e.At), &e.ID, &e.Kind, &detail); err != nil {
		return e, err
	}
	var d trail.Detail
	if err := json.Unmarshal(detail, &d); err != nil {
		return e, fmt.Errorf("decode a row of the trail: %w", err)
	}
	e.Name, e.Text, e.Attempts, e.Outcome = d.Message, d.Text, d.Attempts, d.Outcome
	if d.FaceBonus != nil || d.FaceBalance != nil {
		e.Face = &timeline.Figures{Bonus: value(d.FaceBonus), Balance: value(d.FaceBalance)}
	}
	return e, nil
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

const (
	pushSQL    = `select kind, attempts, last_error, due_at from outbox where card_id = $1 and code = $2 and state = $3 order by seq `
	waitingSQL = pushSQL + `limit 1`
	parkedSQL  = pushSQL + `desc limit 1`
	driftSQL   = `select face_at from member_card where card_id = $1 and code = $2`
	givenSQL   = `select held_at from member_card where card_id = $1 and given_from = $2 and given_from <> '' order by held_at limit 1`
	// Without an outcome, or after a failure, WeChat may have made it unavailable.
	endedSQL = `select a.actor, a.at from audit a left join audit_outcome o on o.audit_id = a.audit_id
	where a.card_id = $1 and a.card_id <> '' and a.code = $2 and a.action = 'unavailable' and coalesce(o.result, '') <> 'refused'
	order by case when o.result = 'done' then 0 else 1 end, a.at limit 1`
	lostSQL = `select distinct t.card_id, t.code from trail t join member_card c on c.card_id = t.card_id and c.code = t.code
	where t.member_id = $1 and t.member_id <> '' and t.code <> '' and c.member_id <> $1 order by t.card_id, t.code limit $2`
)

// Situation implements timeline.Store.
func (s *Store) Situation(ctx context.Context, c member.Card) (in timeline.Situation, err error) {
	if in.Waiting, err = s.push(ctx, waitingSQL, c, "waiting"); err != nil {
		return in, err
	}
	if in.Parked, err = s.push(ctx, parkedSQL, c, "dead"); err != nil {
		return in, err
	}
	var drift int64
	if err := s.number(ctx, driftSQL, c, &drift); err != nil {
		return in, err
	}
	in.Drift = drift > 0
	switch c.Status {
	case member.Gifted:
		err = s.given(ctx, c, &in)
	case member.Unavailable:
		err = s.ended(ctx, c, &in)
	}
	return in, err
}

// given reads when a friend took the card.
func (s *Store) given(ctx context.Context, c member.Card, in *timeline.Situation) error {
	var held int64
	if err := s.number(ctx, givenSQL, c, &held); err != nil {
		return err
	}
	if held >= 4 {
		in.GivenAt = time.Unix(held/4, 0).UTC()
	}
	return nil
}

// ended reads who made the card unavailable.
func (s *Store) ended(ctx context.Context, c member.Card, in *timeline.Situation) error {
	err := s.db.Read().QueryRow(ctx, endedSQL, c.CardID, c.Code).Scan(&in.EndedBy, (*sqldb.Time)(&in.EndedAt))
	if err = sqldb.One("read who ended a card", err, errNone); errors.Is(err, errNone) {
		return nil
	}
	return err
}

var errNone = errors.New("no such row")

func (s *Store) push(ctx context.Context, query string, c member.Card, state string) (*timeline.Push, error) {
	var p timeline.Push
	err := s.db.Read().QueryRow(ctx, query, c.CardID, c.Code, state).Scan(&p.Kind, &p.Attempts, &p.Text, (*sqldb.Time)(&p.NextAt))
	switch err = sqldb.One("read a message of a card", err, errNone); {
	case errors.Is(err, errNone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &p, nil
}

// number reads one number about a card, which is 0 if there is no row.
func (s *Store) number(ctx context.Context, query string, c member.Card, n *int64) error {
	err := s.db.Read().QueryRow(ctx, query, c.CardID, c.Code).Scan(n)
	if err = sqldb.One("read a card", err, errNone); errors.Is(err, errNone) {
		return nil
	}
	return err
}

// Lost implements timeline.Store.
func (s *Store) Lost(ctx context.Context, memberID string, n int) ([]member.Card, error) {
	return sqldb.All(ctx, s.db.Read(), "list codes of others", func(scan sqldb.Scan) (c member.Card, err error) {
		return c, scan(&c.CardID, &c.Code)
	}, lostSQL, memberID, n)
}
