package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const addEventSQL = `insert into event (dedupe_key, event, card_id, code, openid, friend_openid, happened_at, received_at, fields)
	values ($1, $2, $3, $4, $5, $6, $7, now_ms(), $8) on conflict do nothing`

// AddEvent implements member.Tx.
func (tx Tx) AddEvent(ctx context.Context, e member.Event) (bool, error) {
	fields, err := json.Marshal(e)
	if err != nil {
		return false, fmt.Errorf("encode an event: %w", err)
	}
	return tx.Change(ctx, "add an event", addEventSQL,
		e.DedupeKey, e.Name, e.CardID, e.Code, e.OpenID, e.FriendOpenID, e.At.UnixMilli(), string(fields))
}

const eventSQL = `select fields from event where dedupe_key = $1`

// Event implements member.Tx.
func (tx Tx) Event(ctx context.Context, dedupeKey string) (e member.Event, err error) {
	var fields []byte
	if err := sqldb.One("read an event", tx.QueryRow(ctx, eventSQL, dedupeKey).Scan(&fields), member.ErrNotFound); err != nil {
		return e, err
	}
	if err := json.Unmarshal(fields, &e); err != nil {
		return e, fmt.Errorf("decode an event: %w", err)
	}
	e.At = e.At.UTC()
	return e, nil
}

const addFormSQL = `insert into form (ticket_hash, card_id, code, phone, sealed, created_at)
	values ($1, $2, $3, $4, $5, now_ms()) on conflict do nothing`

// AddForm implements member.Tx.
func (tx Tx) AddForm(ctx context.Context, cardID, code string, f member.Form) (bool, error) {
	return tx.Change(ctx, "add a form", addFormSQL, f.TicketHash, cardID, code, f.Phone, f.Sealed)
}

const formCodeSQL = `select card_id, code from form where ticket_hash = $1`

// FormCode implements member.Reader.
func (tx Tx) FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error) {
	err = tx.QueryRow(ctx, formCodeSQL, ticketHash).Scan(&cardID, &code)
	return cardID, code, sqldb.One("look for an activate_ticket", err, member.ErrNotFound)
}

const formsSQL = `select sealed from form where card_id = $1 and code = $2 and sealed <> '' order by created_at, ticket_hash`

// Forms implements member.Store.
func (s *Store) Forms(ctx context.Context, cardID, code string) ([]string, error) {
	return sqldb.All(ctx, s, "list forms", sqldb.Text, formsSQL, cardID, code)
}
