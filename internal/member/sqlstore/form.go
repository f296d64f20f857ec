package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/member"
)

const addFormSQL = `insert into form (ticket_hash, card_id, code, phone, sealed, created_at)
	values ($1, $2, $3, $4, $5, now_ms()) on conflict do nothing`

func (r rows) AddForm(ctx context.Context, cardID, code string, f member.Form) (bool, error) {
	return r.changes(ctx, "keep a form", addFormSQL, f.TicketHash, cardID, code, f.Phone, f.Sealed)
}

const formCodeSQL = `select card_id, code from form where ticket_hash = $1`

func (r rows) FormCode(ctx context.Context, ticketHash string) (cardID, code string, err error) {
	err = one("look an activate_ticket up", r.q.QueryRow(ctx, formCodeSQL, ticketHash).Scan(&cardID, &code))
	return cardID, code, err
}

const formsSQL = `select sealed from form where card_id = $1 and code = $2 and sealed <> '' order by created_at, ticket_hash`

// Forms implements member.Store.
func (s *Store) Forms(ctx context.Context, cardID, code string) ([]string, error) {
	rs, err := s.q.Query(ctx, formsSQL, cardID, code)
	return all("list forms", rs, err, func(scan func(...any) error) (sealed string, err error) {
		err = scan(&sealed)
		return sealed, err
	})
}
