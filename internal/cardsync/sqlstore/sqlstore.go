// Package sqlstore is cardsync.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/trail"
	trailsql "github.com/addcard/addcard/internal/trail/sqlstore"
)

// Store keeps what the reconciler knows in the database. It is safe for concurrent
// use.
type Store struct{ tx }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{tx{membersql.NewTx(db, db.Read())}} }

// Write implements cardsync.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx cardsync.Tx) error) error {
	return s.DB.Write(ctx, func(ctx context.Context, q sqldb.Querier) error { return fn(ctx, tx{membersql.NewTx(s.DB, q)}) })
}

// tx is cardsync.Tx on a transaction, and member.Reader on the read pool.
type tx struct{ membersql.Tx }

var cardsDueSQL = `select ` + membersql.CardColumns.List("") + ` from member_card
	where check_at <= now_ms() and status in ('issued', 'claimed', 'active', 'deleted') order by check_at limit $1`

// CardsDue implements cardsync.Store.
func (s *Store) CardsDue(ctx context.Context, n int) ([]member.Card, error) {
	return sqldb.All(ctx, s, "list cards to check", membersql.ScanCard, cardsDueSQL, n)
}

var walletsDueSQL = `select ` + membersql.IdentityColumns.List("") + ` from identity
	where app_id = $1 and check_at <= now_ms() order by check_at limit $2`

// WalletsDue implements cardsync.Store.
func (s *Store) WalletsDue(ctx context.Context, appID string, n int) ([]member.Identity, error) {
	return sqldb.All(ctx, s, "list wallets to check", membersql.ScanIdentity, walletsDueSQL, appID, n)
}

// The wait doubles within its bounds, $1 and $2.
const (
	nextWait         = `case when check_wait * 2 < $1 then $1 when check_wait * 2 > $2 then $2 else check_wait * 2 end`
	setNextSQL       = ` set check_wait = ` + nextWait + `, check_at = now_ms() + ` + nextWait
	checkedSQL       = `update member_card` + setNextSQL + ` where card_id = $3 and code = $4`
	walletCheckedSQL = `update identity` + setNextSQL + ` where app_id = $3 and openid = $4`
	checkSoonSQL     = `update member_card set check_wait = 0, check_at = now_ms() + $1
	where card_id = $2 and code = $3 and check_at > now_ms() + $1`
	clearDriftSQL  = `update member_card set modified = 0, face_at = 0 where card_id = $1 and code = $2 and (modified <> 0 or face_at <> 0)`
	recordDriftSQL = `update member_card set face_bonus = $3, face_balance = $4, face_at = case face_at when 0 then now_ms() else face_at end
	where card_id = $1 and code = $2 and modified = 1`
)

// Checked implements cardsync.Tx.
func (tx tx) Checked(ctx context.Context, cardID, code string, least, most time.Duration) error {
	return tx.Run(ctx, "record a check", checkedSQL, least.Milliseconds(), most.Milliseconds(), cardID, code)
}

// WalletChecked implements cardsync.Tx.
func (tx tx) WalletChecked(ctx context.Context, id member.Identity, least, most time.Duration) error {
	return tx.Run(ctx, "record a check", walletCheckedSQL, least.Milliseconds(), most.Milliseconds(), id.AppID, id.OpenID)
}

// CheckSoon implements cardsync.Tx.
func (tx tx) CheckSoon(ctx context.Context, cardID, code string, wait time.Duration) error {
	return tx.Run(ctx, "make a card due to be checked", checkSoonSQL, wait.Milliseconds(), cardID, code)
}

// ClearDrift implements cardsync.Tx.
func (tx tx) ClearDrift(ctx context.Context, cardID, code string) error {
	return tx.Run(ctx, "clear a drift", clearDriftSQL, cardID, code)
}

// RecordDrift implements cardsync.Tx.
func (tx tx) RecordDrift(ctx context.Context, cardID, code string, bonus, balance int64) (bool, error) {
	return tx.Change(ctx, "record a drift", recordDriftSQL, cardID, code, bonus, balance)
}

const (
	hadTotalsSQL = `select count(*) from member_card c where c.card_id = $1 and c.code = $2 and (
		cast($3 as bigint) <= 0 and cast($4 as bigint) = 0 and cast($5 as bigint) = 0
		or exists (select 1 from entry e where e.card_id = c.card_id and e.ledger = c.ledger
			and e.seq >= $3 and e.bonus = $4 and e.balance = $5))`
	// A message that sets the totals repairs what may have been lost at any time.
	firstUnsentSQL = `select coalesce(min(e.seq), 0), max(case when due >= $3 or exists (select 1 from outbox o
			where o.card_id = $1 and o.code = $2 and o.kind = '` + ledger.KindTotals + `') then 1 else 0 end)
		from member_card c left join entry e on e.card_id = c.card_id and e.ledger = c.ledger
			and (e.seq > c.told and e.route <> '` + ledger.RouteFace + `' or e.entry_id in (select o.payload from outbox o
				where o.card_id = $1 and o.code = $2 and o.kind in ('` + ledger.KindEntry + `', '` + ledger.KindEntryAgain + `')))
		where c.card_id = $1 and c.code = $2`
)

// HadTotals implements cardsync.Tx.
func (tx tx) HadTotals(ctx context.Context, cardID, code string, seq, bonus, balance int64) (bool, error) {
	return tx.Any(ctx, "look for earlier totals", hadTotalsSQL, cardID, code, seq, bonus, balance)
}

// FirstUnsent implements cardsync.Tx.
func (tx tx) FirstUnsent(ctx context.Context, cardID, code string) (unsent bool, seq int64, err error) {
	var totals bool
	err = tx.QueryRow(ctx, firstUnsentSQL, cardID, code, int64(ledger.PendingTotals)).Scan(&seq, (*sqldb.Bool)(&totals))
	if err != nil {
		return false, 0, fmt.Errorf("look for unsent entries: %w", err)
	}
	if totals {
		return true, 1, nil
	}
	return seq > 0, seq, nil
}

// AddTrail implements cardsync.Tx.
func (tx tx) AddTrail(ctx context.Context, r trail.Row) error {
	return trailsql.AddOfCard(ctx, tx.Queries, r)
}

// StartJob implements cardsync.Store.
func (s *Store) StartJob(ctx context.Context, job string, every time.Duration) (bool, error) {
	return s.DB.StartJob(ctx, job, every)
}

const selectDriftSQL = `select card_id, code, bonus, balance, face_bonus, face_balance, face_at from member_card `

func scanDrift(scan sqldb.Scan) (d cardsync.Drift, err error) {
	err = scan(&d.CardID, &d.Code, &d.Bonus, &d.Balance, &d.FaceBonus, &d.FaceBalance, (*sqldb.Time)(&d.SeenAt))
	return d, err
}

const driftsSQL = selectDriftSQL + `where face_at > 0 order by face_at limit $1`

// Drifts implements cardsync.Store.
func (s *Store) Drifts(ctx context.Context, n int) ([]cardsync.Drift, error) {
	return sqldb.All(ctx, s, "list drifts", scanDrift, driftsSQL, n)
}

const driftOfSQL = selectDriftSQL + `where card_id = $1 and code = $2 and face_at > 0`

// DriftOf implements cardsync.Store.
func (s *Store) DriftOf(ctx context.Context, cardID, code string) (cardsync.Drift, error) {
	d, err := scanDrift(s.QueryRow(ctx, driftOfSQL, cardID, code).Scan)
	return d, sqldb.One("read a drift", err, member.ErrNotFound)
}
