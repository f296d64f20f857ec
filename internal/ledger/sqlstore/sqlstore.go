package sqlstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/member"
)

const answerSQL = `select payload, answer from entry where idempotency_key = $2 and route = $1 and idempotency_key <> ''`

func (r rows) Answer(ctx context.Context, route, key string) (a member.Answer, err error) {
	err = r.q.QueryRow(ctx, answerSQL, route, key).Scan(&a.Payload, &a.Body)
	return a, one("look a request up", err)
}

const entryColumns = `e.entry_id, e.seq, e.add_bonus, e.bonus, e.add_balance, e.balance, e.record_bonus, e.record_balance,
	e.notify_bonus, e.notify_balance, e.reverses, e.created_at,
	case when exists (select 1 from entry o where o.reverses = e.entry_id and o.reverses <> '') then 1 else 0 end`

const entrySQL = `select ` + entryColumns + ` from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	where c.card_id = $1 and c.code = $2 and e.entry_id = $3`

func (r rows) Entry(ctx context.Context, cardID, code, id string) (member.Entry, error) {
	e, err := scanEntry(r.q.QueryRow(ctx, entrySQL, cardID, code, id).Scan)
	return e, one("look an entry up", err)
}

const entryFromSQL = `select ` + entryColumns + ` from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	where c.card_id = $1 and c.code = $2 and e.route = $3
	and not exists (select 1 from entry o where o.reverses = e.entry_id and o.reverses <> '') order by e.seq limit 1`

func (r rows) EntryFrom(ctx context.Context, cardID, code, route string) (member.Entry, error) {
	e, err := scanEntry(r.q.QueryRow(ctx, entryFromSQL, cardID, code, route).Scan)
	return e, one("look an entry up", err)
}

const entriesSQL = `select ` + entryColumns + `,
	case when e.seq > c.told then 'held' else coalesce(o.state, 'sent') end
	from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger left join outbox o on o.outbox_id = e.entry_id
	where c.card_id = $1 and c.code = $2 and e.seq < $3 order by e.seq desc limit $4`

func (r rows) Entries(ctx context.Context, cardID, code string, before int64, n int) ([]member.Entry, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rs, err := r.q.Query(ctx, entriesSQL, cardID, code, before, n)
	return all("list entries", rs, err, func(scan func(...any) error) (member.Entry, error) {
		var push member.Push
		e, err := scanEntry(scan, &push)
		e.Push = push
		return e, err
	})
}

// scanEntry reads entryColumns, and what comes after them into more.
func scanEntry(scan func(...any) error, more ...any) (e member.Entry, err error) {
	var notifyBonus, notifyBalance, at, reversed int64
	err = scan(append([]any{&e.ID, &e.Seq, &e.AddBonus, &e.Bonus, &e.AddBalance, &e.Balance, &e.RecordBonus, &e.RecordBalance,
		&notifyBonus, &notifyBalance, &e.Reverses, &at, &reversed}, more...)...)
	e.NotifyBonus, e.NotifyBalance, e.Reversed = notifyBonus != 0, notifyBalance != 0, reversed != 0
	e.CreatedAt = when(at)
	return e, err
}

const postSQL = `update member_card set bonus = bonus + $3, balance = balance + $4, seq = seq + 1,
	told = case when status = 'active' and told = seq then seq + 1 else told end
	where card_id = $1 and code = $2 and (cast($6 as bigint) = 0 or status in ('claimed', 'active', 'deleted'))
	and bonus + $3 between 0 and $5 and balance + $4 between 0 and $5
	returning ledger, seq, bonus, balance, status, told, now_ms()`

// newID names an entry or a message. These IDs grow with time, so the index of
// millions grows at its end and not everywhere.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (r rows) Post(ctx context.Context, cardID, code string, b member.Booking, held bool) (member.Posting, error) {
	p := member.Posting{CardID: cardID, Code: code, Entry: member.Entry{Booking: b, ID: newID()}}
	var told, at int64
	err := r.q.QueryRow(ctx, postSQL, cardID, code, b.AddBonus, b.AddBalance, int64(member.MaxTotal), bit(held)).
		Scan(&p.Ledger, &p.Seq, &p.Bonus, &p.Balance, &p.Status, &told, &at)
	p.CreatedAt, p.Told = when(at), told == p.Seq && p.Seq > 0
	return p, one("move the totals of a card", err)
}

const addEntrySQL = `insert into entry (entry_id, card_id, ledger, seq, add_bonus, bonus, add_balance, balance,
	record_bonus, record_balance, notify_bonus, notify_balance, reverses, route, idempotency_key, payload, answer, request_id, created_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) on conflict do nothing`

func (r rows) AddEntry(ctx context.Context, p member.Posting, q member.Request, answer []byte) (bool, error) {
	return r.changes(ctx, "add an entry", addEntrySQL, p.ID, p.CardID, p.Ledger, p.Seq, p.AddBonus, p.Bonus, p.AddBalance, p.Balance,
		p.RecordBonus, p.RecordBalance, bit(p.NotifyBonus), bit(p.NotifyBalance), p.Reverses,
		q.Route, q.Key, q.Payload, string(answer), q.ID, millis(p.CreatedAt))
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

const moveLedgerSQL = `update member_card set ledger = o.ledger, seq = o.seq, bonus = o.bonus, balance = o.balance, told = o.seq
	from member_card o where member_card.card_id = $1 and member_card.code in ($2, $3)
	and o.card_id = $1 and o.code = case member_card.code when $2 then $3 else $2 end`

func (r rows) MoveLedger(ctx context.Context, cardID, giver, heir string) error {
	return r.exec(ctx, "move a ledger", moveLedgerSQL, cardID, giver, heir)
}

// Page by page, so that no statement runs for long.
const sumsSQL = `select c.card_id, c.code, c.bonus, c.balance, cast(coalesce(sum(e.add_bonus), 0) as bigint),
	cast(coalesce(sum(e.add_balance), 0) as bigint), c.seq, count(e.entry_id)
	from (select card_id, code, ledger, bonus, balance, seq from member_card
		where (card_id, code) > ($1, $2) order by card_id, code limit $3) c
	left join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	group by c.card_id, c.code, c.bonus, c.balance, c.seq order by c.card_id, c.code`

// Unbalanced implements member.Store.
func (s *Store) Unbalanced(ctx context.Context, n int) (wrong []member.Imbalance, err error) {
	const page = 1000
	for last := (member.Imbalance{}); ; {
		rs, err := s.q.Query(ctx, sumsSQL, last.CardID, last.Code, page)
		sums, err := all("add the ledger up", rs, err, func(scan func(...any) error) (i member.Imbalance, err error) {
			err = scan(&i.CardID, &i.Code, &i.Bonus, &i.Balance, &i.SumBonus, &i.SumBalance, &i.Seq, &i.Entries)
			return i, err
		})
		if err != nil {
			return nil, err
		}
		for _, i := range sums {
			if i.Bonus != i.SumBonus || i.Balance != i.SumBalance || i.Seq != i.Entries {
				wrong = append(wrong, i)
			}
			last = i
		}
		if len(sums) < page || len(wrong) >= n {
			return wrong[:min(n, len(wrong))], nil
		}
	}
}
