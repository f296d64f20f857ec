package sqlstore

import (
	"context"
	"fmt"

	"github.com/addcard/addcard/internal/member"
)

const (
	owedSQL   = `select seq - told, due from member_card where card_id = $1 and code = $2`
	untoldSQL = `select e.entry_id from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	where c.card_id = $1 and c.code = $2 and e.seq > c.told order by e.seq`
	toldSQL = `update member_card set told = seq, due = 0 where card_id = $1 and code = $2`
)

func (r rows) Untold(ctx context.Context, cardID, code string) (ids []string, due member.Due, err error) {
	var entries int64
	if err := r.q.QueryRow(ctx, owedSQL, cardID, code).Scan(&entries, &due); err != nil {
		return nil, 0, fmt.Errorf("look at what is owed: %w", err)
	}
	if entries == 0 && due == 0 {
		return nil, 0, nil
	}
	rs, err := r.q.Query(ctx, untoldSQL, cardID, code)
	ids, err = all("list what is owed", rs, err, func(scan func(...any) error) (id string, err error) {
		err = scan(&id)
		return id, err
	})
	if err != nil {
		return nil, 0, err
	}
	return ids, due, r.exec(ctx, "note what is told", toldSQL, cardID, code)
}

const untellSQL = `update member_card set told = $3 - 1 where card_id = $1 and code = $2 and told >= $3`

func (r rows) Untell(ctx context.Context, cardID, code string, seq int64) error {
	return r.exec(ctx, "note what is owed", untellSQL, cardID, code, seq)
}

const oweSQL = `update member_card set due = due | $3 where card_id = $1 and code = $2`

func (r rows) Owe(ctx context.Context, cardID, code string, due member.Due) error {
	if due == 0 {
		return nil
	}
	return r.exec(ctx, "note what is owed", oweSQL, cardID, code, int64(due))
}

const nextSQL = `select ` + entryColumns + ` from outbox o join entry e on e.entry_id = o.outbox_id
	where o.card_id = $1 and o.code = $2 and o.seq > $3 and o.state = 'waiting' and o.kind = 'entry' order by o.seq limit 1`

func (r rows) Next(ctx context.Context, m member.Message) (member.Entry, error) {
	e, err := scanEntry(r.q.QueryRow(ctx, nextSQL, m.CardID, m.Code, m.Seq).Scan)
	return e, one("look at what waits", err)
}
