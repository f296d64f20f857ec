package seed

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/statistics"
	statisticssql "github.com/addcard/addcard/internal/statistics/sqlstore"
)

// Life is what a member's card, which exists, has behind it: it was taken at Since, and
// Entries were booked afterwards. Its ledger must be empty.
type Life struct {
	CardID, Code string
	Since        time.Time
	Entries      []PastEntry
}

// PastEntry is an entry of the past.
type PastEntry struct {
	At                   time.Time
	AddBonus, AddBalance int64
	Record               string
	Actor, Store, Order  string
}

// Past moves the cards into the past, with their members, events and logins, and writes
// their entries. What the faces show does not change: the next entry of a card sends its
// totals.
func Past(ctx context.Context, db *sqldb.DB, seed uint64, lives []Life) error {
	return db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		random, number := rand.New(rand.NewPCG(seed, 0)), 0
		for _, l := range lives {
			if err := l.move(ctx, tx); err != nil {
				return fmt.Errorf("move the card %s into the past: %w", l.Code, err)
			}
			if err := l.book(ctx, tx, random, &number); err != nil {
				return fmt.Errorf("book the past of the card %s: %w", l.Code, err)
			}
		}
		return nil
	})
}

// Count brings the figures up to date. zone is the shop's time zone.
func Count(ctx context.Context, db *sqldb.DB, zone *time.Location) error {
	log := slog.New(slog.DiscardHandler)
	return statistics.New(statisticssql.New(db), statistics.Options{Zone: zone, Log: log}).RollUp(ctx)
}

const memberOfCard = `(select member_id from member_card where card_id = $2 and code = $3)`

// moves set the times of what is about a card: $1 is the time, in milliseconds, $2 and $3
// are the card, and $4 is the moment of the time.
var moves = []string{
	`update member set created_at = $1 where member_id = ` + memberOfCard,
	`update identity set created_at = $1 where member_id = ` + memberOfCard,
	`update trail set at = $1 where member_id = ` + memberOfCard + ` or (card_id = $2 and code = $3)`,
	`update event set happened_at = $1, received_at = $1 + 700 where card_id = $2 and code = $3`,
}

const moveCardSQL = `update member_card set version = version + 1, created_at = $1,
	issued_at = case when issued_at > 0 then $1 else 0 end,
	claimed_at = case when claimed_at > 0 then $1 + 20000 else 0 end,
	activated_at = case when activated_at > 0 then $1 + 21000 else 0 end,
	held_at = case when held_at > 0 then $4 else 0 end, outer_at = case when outer_at > 0 then $4 else 0 end
	where card_id = $2 and code = $3`

func (l Life) move(ctx context.Context, tx sqldb.Querier) error {
	ms := l.Since.UnixMilli()
	for _, query := range moves {
		if _, err := tx.Exec(ctx, query, ms, l.CardID, l.Code); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, moveCardSQL, ms, l.CardID, l.Code, moment(ms+claimedAfter))
	return err
}

const (
	pastEntrySQL = `insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance, record_bonus, record_balance,
	notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at, actor, store, order_id)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, 1, '', $11, $12, $13, $14, $15, $16, $17, $18, $19)`
	totalsSQL = `update member_card set version = version + 1, bonus = $1, balance = $2, seq = $3, told = $3 where card_id = $4 and code = $5`
)

// book writes the entries. number counts those of all cards.
func (l Life) book(ctx context.Context, tx sqldb.Querier, random *rand.Rand, number *int) error {
	const most = 1 << 20 // of the numbers, in which the IDs are ordered
	e := entry{person: person{code: l.Code}}
	for i, p := range l.Entries {
		e.seq, e.number, e.createdAt = int64(i+1), *number, p.At.UnixMilli()
		e.random = [3]uint64{random.Uint64(), random.Uint64(), random.Uint64()}
		e.addBonus, e.addBalance, e.record, e.recordAmount = p.AddBonus, p.AddBalance, p.Record, ""
		if p.AddBalance != 0 {
			e.record, e.recordAmount = "", p.Record
		}
		e.bonus, e.balance = e.bonus+p.AddBonus, e.balance+p.AddBalance
		row := append(Options{CardID: l.CardID, Entries: most}.entryRow(e), p.Actor, p.Store, p.Order)
		if _, err := tx.Exec(ctx, pastEntrySQL, row...); err != nil {
			return err
		}
		*number++
	}
	_, err := tx.Exec(ctx, totalsSQL, e.bonus, e.balance, e.seq, l.CardID, l.Code)
	return err
}
