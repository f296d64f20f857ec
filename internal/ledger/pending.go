package ledger

import (
	"context"
	"errors"
	"strconv"

	"github.com/addcard/addcard/internal/outbox"
)

// PendingUpdates is a bit set of the updates of a card's face, other than entries,
// that have not been sent to WeChat: which custom fields have changed, which of
// these changes to notify the holder of, and whether to set the totals without a
// notification.
type PendingUpdates int64

// The lowest three bits are the fields, the next three their notifications.
const (
	fieldCount                   = 3
	PendingFields PendingUpdates = 1<<fieldCount - 1
	PendingTotals PendingUpdates = 1 << (2 * fieldCount)
	notifications                = PendingFields << fieldCount
)

// PendingField returns the update of custom field i (from 0), with or without a
// notification.
func PendingField(i int, notify bool) PendingUpdates {
	p := PendingUpdates(1) << i
	if notify {
		p |= p << fieldCount
	}
	return p
}

// Field reports whether custom field i has changed, and whether to notify the
// holder of it.
func (p PendingUpdates) Field(i int) (changed, notify bool) {
	return p>>i&1 != 0, p>>(i+fieldCount)&1 != 0
}

// The kinds of messages that change what the holder of a card sees, all of them
// sent with /card/membercard/updateuser.
const (
	KindEntry      = "entry"       // one entry
	KindEntryAgain = "entry_again" // an entry that was parked and is retried out of its order
	KindFields     = "fields"      // custom fields
	KindTotals     = "totals"      // sets the totals without a notification
)

// Kinds are the kinds of messages of this package.
var Kinds = []string{KindEntry, KindEntryAgain, KindFields, KindTotals}

// EnqueuePending enqueues the unsent entries and the pending updates of a card. The
// card must be active, and the same transaction must have changed it before (see
// outbox.Tx.Enqueue).
func EnqueuePending(ctx context.Context, tx Tx, cardID, code string) error {
	entries, updates, err := tx.DrainPending(ctx, cardID, code)
	if err != nil {
		return err
	}
	var messages []outbox.Message
	for _, id := range entries {
		m := message(cardID, code, id)
		m.Started = true // it may have been sent before the card was deleted
		messages = append(messages, m)
	}
	if fields := updates & (PendingFields | notifications); fields != 0 {
		messages = append(messages, outbox.Message{CardID: cardID, Code: code, Kind: KindFields, Payload: strconv.FormatInt(int64(fields), 10)})
	}
	if updates&PendingTotals != 0 {
		messages = append(messages, outbox.Message{CardID: cardID, Code: code, Kind: KindTotals})
	}
	for _, m := range messages {
		if err := tx.Enqueue(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// message is about an entry, and has its ID, so that an operator finds one by the
// other.
func message(cardID, code, entryID string) outbox.Message {
	return outbox.Message{ID: entryID, CardID: cardID, Code: code, Kind: KindEntry, Payload: entryID}
}

// WithdrawPushes removes the pushes that wait behind m from the outbox, because
// their card is not active, and makes their updates and that of m pending until the
// card is active again. m itself must have been finished.
func WithdrawPushes(ctx context.Context, tx Tx, m outbox.Message) error {
	behind, err := tx.Withdraw(ctx, m.CardID, m.Code, Kinds)
	if err != nil {
		return err
	}
	first, pending := Entry{}, PendingUpdates(0)
	for _, m := range append([]outbox.Message{m}, behind...) {
		pending |= Pending(m)
		if m.Kind == KindEntry && first.Seq == 0 {
			if first, err = tx.Entry(ctx, m.CardID, m.Code, m.Payload); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
	}
	if first.Seq > 0 {
		if err := tx.MarkUnsent(ctx, m.CardID, m.Code, first.Seq); err != nil {
			return err
		}
	}
	return tx.AddPending(ctx, m.CardID, m.Code, pending)
}

// Pending returns the updates that a message contains. An entry in its order
// contains none.
func Pending(m outbox.Message) PendingUpdates {
	switch m.Kind {
	case KindEntry:
		return 0
	case KindFields:
		n, _ := strconv.ParseInt(m.Payload, 10, 64) // 0 is no field
		return PendingUpdates(n)
	}
	return PendingTotals
}
