package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/addcard/addcard/internal/member"
)

const addEventSQL = `insert into event (dedupe_key, event, card_id, code, openid, happened_at, received_at, fields)
	values ($1, $2, $3, $4, $5, $6, now_ms(), $7) on conflict do nothing`

func (r rows) AddEvent(ctx context.Context, e member.Event) (bool, error) {
	fields, err := json.Marshal(e)
	if err != nil {
		return false, fmt.Errorf("keep an event: %w", err)
	}
	return r.changes(ctx, "keep an event", addEventSQL, e.DedupeKey, e.Name, e.CardID, e.Code, e.OpenID, e.At.UnixMilli(), string(fields))
}

const eventSQL = `select fields from event where dedupe_key = $1`

func (r rows) Event(ctx context.Context, dedupeKey string) (e member.Event, err error) {
	var fields []byte
	if err := one("look an event up", r.q.QueryRow(ctx, eventSQL, dedupeKey).Scan(&fields)); err != nil {
		return e, err
	}
	if err := json.Unmarshal(fields, &e); err != nil {
		return e, fmt.Errorf("read a kept event: %w", err)
	}
	e.At = e.At.UTC()
	return e, nil
}
