package member

import (
	"context"
	"errors"
	"strconv"
)

// WeChat is told of a card that is active. What happens to one that is not yet,
// or was deleted, is owed until it is: the entries of its ledger above a seq,
// and a few facts about its face.

// Due is what is owed about a card's face: for each custom field whether it has
// changed, and whether the holder is to be notified of it, and whether the
// totals have to be set right without a word.
type Due int64

// The lowest three bits are the fields, the next their notices.
const (
	noticeBits     = 3
	dueFields  Due = 1<<noticeBits - 1
	dueNotice  Due = dueFields << noticeBits
	dueTotals  Due = 1 << (2 * noticeBits)
)

// field tells whether a custom field has changed, and whether to notify.
func (d Due) field(i int) (changed, notify bool) {
	return d>>i&1 != 0, d>>(i+noticeBits)&1 != 0
}

// The kinds of messages that change what the holder sees.
const (
	tellEntry   = "entry"       // /card/membercard/updateuser about one entry
	repeatEntry = "entry_again" // the same for one that was parked and is retried
	tellFields  = "fields"      // about custom fields
	tellTotals  = "totals"      // sets the totals without a word
)

// tell enqueues what is owed about a card that is active. The same transaction
// must have changed the card before.
func tell(ctx context.Context, tx Tx, c Card) error {
	if c.Status != Active {
		return nil
	}
	entries, due, err := tx.Untold(ctx, c.CardID, c.Code)
	if err != nil {
		return err
	}
	for _, id := range entries {
		m := entryMessage(c.CardID, c.Code, id)
		m.Started = true // it may have been on its way before the card was deleted
		if err := tx.Enqueue(ctx, m); err != nil {
			return err
		}
	}
	if fields := due & (dueFields | dueNotice); fields != 0 {
		m := Message{CardID: c.CardID, Code: c.Code, Kind: tellFields, Payload: strconv.FormatInt(int64(fields), 10)}
		if err := tx.Enqueue(ctx, m); err != nil {
			return err
		}
	}
	if due&dueTotals == 0 {
		return nil
	}
	return tx.Enqueue(ctx, Message{CardID: c.CardID, Code: c.Code, Kind: tellTotals})
}

// entryMessage has the entry's ID, so that the operator finds one by the other.
func entryMessage(cardID, code, id string) Message {
	return Message{ID: id, CardID: cardID, Code: code, Kind: tellEntry, Payload: id}
}

// owe notes what is due about a card that was written before, and enqueues it
// if the card is active.
func owe(ctx context.Context, tx Tx, c Card, due Due) error {
	if err := tx.Owe(ctx, c.CardID, c.Code, due); err != nil {
		return err
	}
	return tell(ctx, tx, c)
}

// recall takes back what waits to be told of a card that is not active, after
// m, which was on its way, and notes it as owed.
func recall(ctx context.Context, tx Tx, m Message) error {
	behind, err := tx.Recall(ctx, m.CardID, m.Code, []string{tellEntry, repeatEntry, tellFields, tellTotals})
	if err != nil {
		return err
	}
	first, due := Entry{}, Due(0)
	for _, m := range append([]Message{m}, behind...) {
		switch {
		case m.Kind == tellEntry && first.Seq == 0:
			if first, err = tx.Entry(ctx, m.CardID, m.Code, m.Payload); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		case m.Kind == tellFields:
			due |= dueIn(m)
		case m.Kind != tellEntry:
			due |= dueTotals
		}
	}
	if first.Seq > 0 {
		if err := tx.Untell(ctx, m.CardID, m.Code, first.Seq); err != nil {
			return err
		}
	}
	return tx.Owe(ctx, m.CardID, m.Code, due)
}

// dueIn is what a message about fields carries.
func dueIn(m Message) Due {
	n, _ := strconv.ParseInt(m.Payload, 10, 64) // 0 is none
	return Due(n)
}
