package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/sqldb"
)

// A reversal is no booking of its own here: it gives back what it has reversed of the
// entry.
const daySQL = `select
	cast(coalesce(sum(case when e.add_bonus > 0 then e.add_bonus + coalesce(r.add_bonus, 0) end), 0) as bigint),
	cast(coalesce(sum(case when e.add_bonus < 0 then -e.add_bonus - coalesce(r.add_bonus, 0) end), 0) as bigint),
	cast(coalesce(sum(case when e.add_balance > 0 then e.add_balance + coalesce(r.add_balance, 0) end), 0) as bigint),
	cast(coalesce(sum(case when e.add_balance < 0 then -e.add_balance - coalesce(r.add_balance, 0) end), 0) as bigint), now_ms()
	from entry e left join entry r on r.reverses = e.entry_id and r.reverses <> '' and r.actor = e.actor
	where e.actor = $1 and e.actor <> '' and e.created_at >= $2 and e.reverses = ''`

// LockDay implements ledger.Tx.
func (tx Tx) LockDay(ctx context.Context, actor string, since time.Time) (day ledger.Day, err error) {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("actor " + actor))
	if _, err := tx.DB.Hold(ctx, tx, int64(hash.Sum64()), true); err != nil {
		return day, fmt.Errorf("lock the bookings of an actor: %w", err)
	}
	err = tx.QueryRow(ctx, daySQL, actor, sqldb.Time(since)).
		Scan(&day.GivenBonus, &day.TakenBonus, &day.GivenBalance, &day.TakenBalance, (*sqldb.Time)(&day.Now))
	if err != nil {
		err = fmt.Errorf("add up the bookings of an actor: %w", err)
	}
	return day, err
}
