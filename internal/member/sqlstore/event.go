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

const useTicketSQL = `insert into form (ticket_hash, card_id, code, created_at, indexed)
	values ($1, $2, $3, now_ms(), 1) on conflict do nothing`

// UseTicket implements member.Tx.
func (tx Tx) UseTicket(ctx context.Context, ticketHash, cardID, code string) (bool, error) {
	return tx.Change(ctx, "record an activate_ticket", useTicketSQL, ticketHash, cardID, code)
}

const putFormSQL = `insert into form (ticket_hash, card_id, code, phone, sealed, created_at, indexed)
	values ($1, $2, $3, $4, $5, now_ms(), 1) on conflict (ticket_hash) do update
	set phone = excluded.phone, sealed = excluded.sealed, created_at = excluded.created_at, indexed = 1`

// PutForm implements member.Tx.
func (tx Tx) PutForm(ctx context.Context, cardID, code string, f member.SealedForm) error {
	return tx.Run(ctx, "store a form", putFormSQL, f.Key, cardID, code, f.Phone, f.Sealed)
}

const formCodeSQL = `select card_id, code from form where ticket_hash = $1`

// FormCode implements member.Reader.
func (tx Tx) FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error) {
	err = tx.QueryRow(ctx, formCodeSQL, ticketHash).Scan(&cardID, &code)
	return cardID, code, sqldb.One("look for an activate_ticket", err, member.ErrNotFound)
}

const formsSQL = `select ticket_hash, phone, sealed from form where card_id = $1 and code = $2 and sealed <> ''
	order by created_at, ticket_hash`

func scanForm(scan sqldb.Scan) (f member.SealedForm, err error) {
	err = scan(&f.Key, &f.Phone, &f.Sealed)
	return f, err
}

// Forms implements member.Reader.
func (tx Tx) Forms(ctx context.Context, cardID, code string) ([]member.SealedForm, error) {
	return sqldb.All(ctx, tx, "list forms", scanForm, formsSQL, cardID, code)
}

const unindexedFormsSQL = `select ticket_hash, card_id, code from form
	where indexed = 0 and sealed <> '' and ticket_hash > $1 order by ticket_hash limit $2`

func scanUnindexedForm(scan sqldb.Scan) (f member.UnindexedForm, err error) {
	err = scan(&f.Key, &f.CardID, &f.Code)
	return f, err
}

// UnindexedForms implements member.Store.
func (s *Store) UnindexedForms(ctx context.Context, after string, n int) ([]member.UnindexedForm, error) {
	return sqldb.All(ctx, s, "list forms to index", scanUnindexedForm, unindexedFormsSQL, after, n)
}
