package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const cardsDueSQL = `select ` + cardColumns + ` from member_card
	where check_at <= now_ms() and status in ('issued', 'claimed', 'active', 'deleted') order by check_at limit $1`

// CardsDue implements member.Store.
func (s *Store) CardsDue(ctx context.Context, n int) ([]member.Card, error) {
	rs, err := s.q.Query(ctx, cardsDueSQL, n)
	return all("list cards to check", rs, err, scanCard)
}

const walletsDueSQL = `select app_id, openid, unionid, member_id from identity
	where app_id = $1 and check_at <= now_ms() order by check_at limit $2`

// WalletsDue implements member.Store.
func (s *Store) WalletsDue(ctx context.Context, appID string, n int) ([]member.Identity, error) {
	rs, err := s.q.Query(ctx, walletsDueSQL, appID, n)
	return all("list wallets to check", rs, err, scanIdentity)
}

// The wait doubles within its bounds, $1 and $2.
const (
	nextWait         = `case when check_wait * 2 < $1 then $1 when check_wait * 2 > $2 then $2 else check_wait * 2 end`
	checkedSQL       = `update member_card set check_wait = ` + nextWait + `, check_at = now_ms() + ` + nextWait + ` where card_id = $3 and code = $4`
	walletCheckedSQL = `update identity set check_wait = ` + nextWait + `, check_at = now_ms() + ` + nextWait + ` where app_id = $3 and openid = $4`
	checkSoonSQL     = `update member_card set check_wait = 0, check_at = now_ms() + $1 where card_id = $2 and code = $3 and check_at > now_ms() + $1`
	suspectSQL       = `update member_card set modified = 1, check_wait = 0, check_at = 0 where card_id = $1 and code = $2`
	equalSQL         = `update member_card set modified = 0, face_at = 0 where card_id = $1 and code = $2 and (modified <> 0 or face_at <> 0)`
	driftsSQL        = `update member_card set face_bonus = $3, face_balance = $4, face_at = case face_at when 0 then now_ms() else face_at end
	where card_id = $1 and code = $2 and modified = 1`
)

func (r rows) Checked(ctx context.Context, cardID, code string, least, most time.Duration) error {
	return r.exec(ctx, "note a check", checkedSQL, least.Milliseconds(), most.Milliseconds(), cardID, code)
}

func (r rows) WalletChecked(ctx context.Context, id member.Identity, least, most time.Duration) error {
	return r.exec(ctx, "note a check", walletCheckedSQL, least.Milliseconds(), most.Milliseconds(), id.AppID, id.OpenID)
}

func (r rows) CheckSoon(ctx context.Context, cardID, code string, wait time.Duration) error {
	return r.exec(ctx, "note a check", checkSoonSQL, wait.Milliseconds(), cardID, code)
}

func (r rows) Suspect(ctx context.Context, cardID, code string) error {
	return r.exec(ctx, "suspect a face", suspectSQL, cardID, code)
}

func (r rows) Equal(ctx context.Context, cardID, code string) error {
	return r.exec(ctx, "trust a face", equalSQL, cardID, code)
}

func (r rows) Drifts(ctx context.Context, cardID, code string, bonus, balance int64) (bool, error) {
	return r.changes(ctx, "note a drift", driftsSQL, cardID, code, bonus, balance)
}

const waitsSQL = `select count(*) from (select 1 from outbox where card_id = $1 and code = $2 and state = 'waiting' limit 1) as found`

func (r rows) Waits(ctx context.Context, cardID, code string) (bool, error) {
	var n int
	if err := r.q.QueryRow(ctx, waitsSQL, cardID, code).Scan(&n); err != nil {
		return false, fmt.Errorf("look at what waits: %w", err)
	}
	return n > 0, nil
}

const turnSQL = `insert into schedule (name, taken_at) values ($1, now_ms())
	on conflict (name) do update set taken_at = excluded.taken_at
	where schedule.taken_at <= excluded.taken_at - $2
	returning taken_at`

// takenSQL keeps those whose turn it is not from taking the writing connection.
const takenSQL = `select count(*) from schedule where name = $1 and taken_at > now_ms() - $2`

// Turn implements member.Store.
func (s *Store) Turn(ctx context.Context, job string, every time.Duration) (mine bool, err error) {
	var taken int
	if err := s.q.QueryRow(ctx, takenSQL, job, every.Milliseconds()).Scan(&taken); err != nil {
		return false, fmt.Errorf("take a turn: %w", err)
	}
	if taken > 0 {
		return false, nil
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		var at int64
		err := one("take a turn", tx.QueryRow(ctx, turnSQL, job, every.Milliseconds()).Scan(&at))
		mine = err == nil
		if errors.Is(err, member.ErrNotFound) {
			err = nil
		}
		return err
	})
	return mine, err
}

const (
	driftColumns = `card_id, code, bonus, balance, face_bonus, face_balance, face_at`
	driftingSQL  = `select ` + driftColumns + ` from member_card where face_at > 0 order by face_at limit $1`
	driftOfSQL   = `select ` + driftColumns + ` from member_card where card_id = $1 and code = $2 and face_at > 0`
)

// Drifting implements member.Store.
func (s *Store) Drifting(ctx context.Context, n int) ([]member.Drift, error) {
	rs, err := s.q.Query(ctx, driftingSQL, n)
	return all("list drifts", rs, err, scanDrift)
}

// DriftOf implements member.Store.
func (s *Store) DriftOf(ctx context.Context, cardID, code string) (member.Drift, error) {
	d, err := scanDrift(s.q.QueryRow(ctx, driftOfSQL, cardID, code).Scan)
	return d, one("look a drift up", err)
}

func scanDrift(scan func(...any) error) (d member.Drift, err error) {
	var at int64
	err = scan(&d.CardID, &d.Code, &d.Bonus, &d.Balance, &d.FaceBonus, &d.FaceBalance, &at)
	d.SeenAt = when(at)
	return d, err
}
