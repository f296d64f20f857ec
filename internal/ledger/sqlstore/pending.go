package sqlstore

import (
	"context"
	"fmt"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/sqldb"
)

// member_card.told is the seq up to which WeChat was sent the entries, due the
// pending updates.
const (
	pendingSQL = `select seq - told, due from member_card where card_id = $1 and code = $2`
	unsentSQL  = `select e.entry_id from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	where c.card_id = $1 and c.code = $2 and e.seq > c.told and e.route <> '` + ledger.RouteFace + `' order by e.seq`
	markSentSQL = `update member_card set told = seq, due = 0 where card_id = $1 and code = $2`
)

// DrainPending implements ledger.Tx.
func (tx Tx) DrainPending(ctx context.Context, cardID, code string) (ids []string, updates ledger.PendingUpdates, err error) {
	var entries int64
	if err := tx.QueryRow(ctx, pendingSQL, cardID, code).Scan(&entries, &updates); err != nil {
		return nil, 0, fmt.Errorf("read the pending updates: %w", err)
	}
	if entries == 0 && updates == 0 {
		return nil, 0, nil
	}
	if ids, err = sqldb.All(ctx, tx, "list unsent entries", sqldb.Text, unsentSQL, cardID, code); err != nil {
		return nil, 0, err
	}
	return ids, updates, tx.Run(ctx, "mark entries as sent", markSentSQL, cardID, code)
}

const markUnsentSQL = `update member_card set told = $3 - 1 where card_id = $1 and code = $2 and told >= $3`

// MarkUnsent implements ledger.Tx.
func (tx Tx) MarkUnsent(ctx context.Context, cardID, code string, seq int64) error {
	return tx.Run(ctx, "mark entries as not sent", markUnsentSQL, cardID, code, seq)
}

const addPendingSQL = `update member_card set due = due | $3 where card_id = $1 and code = $2`

// AddPending implements ledger.Tx.
func (tx Tx) AddPending(ctx context.Context, cardID, code string, updates ledger.PendingUpdates) error {
	if updates == 0 {
		return nil
	}
	return tx.Run(ctx, "add pending updates", addPendingSQL, cardID, code, int64(updates))
}
