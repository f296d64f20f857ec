// Package sqlstore is ledger.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/outbox"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps the ledger in the database. It is safe for concurrent use.
type Store struct{ Tx }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{NewTx(db, db.Read())} }

// Write implements ledger.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx ledger.Tx) error) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error { return fn(ctx, NewTx(s.DB, tx)) })
}

// Tx is ledger.Tx on a transaction, and ledger.Reader on the read pool.
type Tx struct{ outboxsql.Tx }

// NewTx returns the Tx that q runs.
func NewTx(db *sqldb.DB, q sqldb.Querier) Tx {
	return Tx{outboxsql.Tx{Queries: sqldb.Queries{Querier: q, DB: db}}}
}

const accountSQL = `select bonus, balance, seq, case when status in ('claimed', 'active', 'deleted') then 1 else 0 end,
	case when told > 0 then 1 else 0 end from member_card where card_id = $1 and code = $2`

// Account implements ledger.Reader.
func (tx Tx) Account(ctx context.Context, cardID, code string) (ledger.Account, error) {
	a := ledger.Account{CardID: cardID, Code: code}
	err := tx.QueryRow(ctx, accountSQL, cardID, code).
		Scan(&a.Bonus, &a.Balance, &a.Seq, (*sqldb.Bool)(&a.Held), (*sqldb.Bool)(&a.Sent))
	return a, sqldb.One("read an account", err, ledger.ErrNotFound)
}

const answerSQL = `select payload, answer from entry where idempotency_key = $2 and route = $1 and idempotency_key <> ''`

// Answer implements ledger.Reader.
func (tx Tx) Answer(ctx context.Context, route, key string) (a ledger.Answer, err error) {
	err = tx.QueryRow(ctx, answerSQL, route, key).Scan(&a.Payload, &a.Body)
	return a, sqldb.One("look for the answer to a request", err, ledger.ErrNotFound)
}

// entryFields are the columns of an entry that are read.
func entryFields(e *ledger.Entry) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("entry_id", &e.ID), sqldb.Col("seq", &e.Seq),
		sqldb.Col("add_bonus", &e.AddBonus), sqldb.Col("bonus", &e.Bonus),
		sqldb.Col("add_balance", &e.AddBalance), sqldb.Col("balance", &e.Balance),
		sqldb.Col("record_bonus", &e.RecordBonus), sqldb.Col("record_balance", &e.RecordBalance),
		sqldb.Col("notify_bonus", (*sqldb.Bool)(&e.NotifyBonus)), sqldb.Col("notify_balance", (*sqldb.Bool)(&e.NotifyBalance)),
		sqldb.Col("reverses", &e.Reverses), sqldb.Col("created_at", (*sqldb.Time)(&e.CreatedAt)),
		sqldb.Col("actor", &e.Actor), sqldb.Col("store", &e.Store), sqldb.Col("order_id", &e.Order),
	}
}

// rowFields are all columns of an entry.
func rowFields(p *ledger.Posting, r ledger.Request, answer string) sqldb.Fields {
	return append(entryFields(&p.Entry), sqldb.Fields{
		sqldb.Col("card_id", p.CardID), sqldb.Col("ledger", p.Ledger), sqldb.Col("route", r.Route), sqldb.Col("idempotency_key", r.Key),
		sqldb.Col("payload", r.Payload), sqldb.Col("answer", answer), sqldb.Col("request_id", r.ID),
	}...)
}

const (
	reversedSQL = `exists (select 1 from entry o where o.reverses = e.entry_id and o.reverses <> '')`
	ofCardSQL   = ` from member_card c join entry e on e.card_id = c.card_id and e.ledger = c.ledger`
)

var selectSQL = `select ` + entryFields(&ledger.Entry{}).Columns().List("e.") + `, case when ` + reversedSQL + ` then 1 else 0 end`

// scanEntry reads selectSQL's columns, and those that come after them into more.
func scanEntry(scan sqldb.Scan, more ...any) (e ledger.Entry, err error) {
	err = scan(append(append(entryFields(&e).Pointers(), (*sqldb.Bool)(&e.Reversed)), more...)...)
	return e, err
}

var entrySQL = selectSQL + ofCardSQL + ` where c.card_id = $1 and c.code = $2 and e.entry_id = $3`

// Entry implements ledger.Reader.
func (tx Tx) Entry(ctx context.Context, cardID, code, id string) (ledger.Entry, error) {
	return tx.entry(ctx, entrySQL, cardID, code, id)
}

func (tx Tx) entry(ctx context.Context, query string, args ...any) (ledger.Entry, error) {
	e, err := scanEntry(tx.QueryRow(ctx, query, args...).Scan)
	return e, sqldb.One("read an entry", err, ledger.ErrNotFound)
}

var firstFromSQL = selectSQL + ofCardSQL + ` where c.card_id = $1 and c.code = $2 and e.route = $3
	and not ` + reversedSQL + ` order by e.seq limit 1`

// FirstFrom implements ledger.Reader.
func (tx Tx) FirstFrom(ctx context.Context, cardID, code, route string) (ledger.Entry, error) {
	return tx.entry(ctx, firstFromSQL, cardID, code, route)
}

var ofOrderSQL = selectSQL + ofCardSQL + ` where c.card_id = $1 and c.code = $2 and e.order_id = $3 and e.order_id <> ''
	and e.reverses = '' and not ` + reversedSQL + ` limit 1`

// OfOrder implements ledger.Reader.
func (tx Tx) OfOrder(ctx context.Context, cardID, code, order string) (ledger.Entry, error) {
	return tx.entry(ctx, ofOrderSQL, cardID, code, order)
}

var entriesSQL = selectSQL + listSQL + ofCardSQL + listJoins + `
	where c.card_id = $1 and c.code = $2 and e.seq < $3 order by e.seq desc limit $4`

// Entries implements ledger.Reader.
func (tx Tx) Entries(ctx context.Context, cardID, code string, before int64, n int) ([]ledger.Entry, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	return sqldb.All(ctx, tx, "list entries", func(scan sqldb.Scan) (ledger.Entry, error) {
		return scanListed(scan)
	}, entriesSQL, cardID, code, before, n)
}

var nextQueuedSQL = selectSQL + ` from outbox o join entry e on e.entry_id = o.outbox_id
	where o.card_id = $1 and o.code = $2 and o.seq > $3 and o.state = 'waiting' and o.kind = 'entry' order by o.seq limit 1`

// NextQueued implements ledger.Reader.
func (tx Tx) NextQueued(ctx context.Context, m outbox.Message) (ledger.Entry, error) {
	return tx.entry(ctx, nextQueuedSQL, m.CardID, m.Code, m.Seq)
}

const totalsAtSQL = `select c.bonus - cast(coalesce(sum(e.add_bonus), 0) as bigint),
	c.balance - cast(coalesce(sum(e.add_balance), 0) as bigint)
	from member_card c
	left join outbox o on o.card_id = c.card_id and o.code = c.code and o.seq > $3 and o.state = 'waiting' and o.kind = 'entry'
	left join entry e on e.entry_id = o.outbox_id
	where c.card_id = $1 and c.code = $2 group by c.bonus, c.balance`

// TotalsAt implements ledger.Reader.
func (tx Tx) TotalsAt(ctx context.Context, m outbox.Message) (bonus, balance int64, err error) {
	err = tx.QueryRow(ctx, totalsAtSQL, m.CardID, m.Code, m.Seq).Scan(&bonus, &balance)
	return bonus, balance, sqldb.One("add up the totals to send", err, ledger.ErrNotFound)
}

const postSQL = `update member_card set bonus = bonus + $3, balance = balance + $4, seq = seq + 1,
	told = case when status = 'active' and face_known = 1 and told = seq then seq + 1 else told end
	where card_id = $1 and code = $2 and (cast($6 as bigint) = 0 or status in ('claimed', 'active', 'deleted'))
	and bonus + $3 between 0 and $5 and balance + $4 between 0 and $5
	returning ledger, seq, bonus, balance, case when status = 'active' and face_known = 1 then 1 else 0 end, told, now_ms()`

// Post implements ledger.Tx.
func (tx Tx) Post(ctx context.Context, cardID, code string, b ledger.Booking, ifHeld bool) (ledger.Posting, error) {
	p := ledger.Posting{CardID: cardID, Code: code, Entry: ledger.Entry{Booking: b, ID: outboxsql.NewID()}}
	var sent int64
	err := tx.QueryRow(ctx, postSQL, cardID, code, b.AddBonus, b.AddBalance, int64(ledger.MaxTotal), sqldb.Bool(ifHeld)).
		Scan(&p.Ledger, &p.Seq, &p.Bonus, &p.Balance, (*sqldb.Bool)(&p.Sendable), &sent, (*sqldb.Time)(&p.CreatedAt))
	p.MustEnqueue = sent == p.Seq && p.Seq > 0
	return p, sqldb.One("move the totals of a card", err, ledger.ErrNotFound)
}

var (
	rowColumns  = rowFields(&ledger.Posting{}, ledger.Request{}, "").Columns()
	addEntrySQL = `insert into entry (` + rowColumns.List("") + `) values (` + rowColumns.Values(1) + `) on conflict do nothing`
)

// AddEntry implements ledger.Tx.
func (tx Tx) AddEntry(ctx context.Context, p ledger.Posting, r ledger.Request, answer []byte) (bool, error) {
	return tx.Change(ctx, "add an entry", addEntrySQL, rowFields(&p, r, string(answer)).Pointers()...)
}

// The entries of a ledger that came before the face was known have not been sent.
const moveLedgerSQL = `update member_card set ledger = o.ledger, seq = o.seq, bonus = o.bonus, balance = o.balance,
	told = case when o.face_known = 1 then o.seq else o.told end
	from member_card o where member_card.card_id = $1 and member_card.code in ($2, $3)
	and o.card_id = $1 and o.code = case member_card.code when $2 then $3 else $2 end`

// MoveLedger implements ledger.Tx.
func (tx Tx) MoveLedger(ctx context.Context, cardID, giver, recipient string) error {
	return tx.Run(ctx, "move a ledger", moveLedgerSQL, cardID, giver, recipient)
}

// Page by page, so that no statement runs for long.
const sumsSQL = `select c.card_id, c.code, c.bonus, c.balance, cast(coalesce(sum(e.add_bonus), 0) as bigint),
	cast(coalesce(sum(e.add_balance), 0) as bigint), c.seq, count(e.entry_id)
	from (select card_id, code, ledger, bonus, balance, seq from member_card
		where (card_id, code) > ($1, $2) order by card_id, code limit $3) c
	left join entry e on e.card_id = c.card_id and e.ledger = c.ledger
	group by c.card_id, c.code, c.bonus, c.balance, c.seq order by c.card_id, c.code`

// The ledger of an imported account has what it began with until a card takes it, or
// nothing after an entry has taken all to a card.
const importedSumsSQL = `select a.card_id, a.account_id, case when a.joined_code = '' then a.bonus else 0 end,
	case when a.joined_code = '' then a.balance else 0 end, cast(coalesce(sum(e.add_bonus), 0) as bigint),
	cast(coalesce(sum(e.add_balance), 0) as bigint), count(e.entry_id), count(e.entry_id)
	from (select i.card_id, i.account_id, i.joined_code, i.bonus, i.balance from imported i
		where i.account_id > $2 and $1 = $1 and not exists (
			select 1 from member_card c where c.card_id = i.card_id and c.ledger = i.account_id and c.ledger <> c.code)
		order by i.account_id limit $3) a
	left join entry e on e.card_id = a.card_id and e.ledger = a.account_id
	group by a.card_id, a.account_id, a.joined_code, a.bonus, a.balance order by a.account_id`

func scanSums(scan sqldb.Scan) (i ledger.Imbalance, err error) {
	err = scan(&i.CardID, &i.Code, &i.Bonus, &i.Balance, &i.SumBonus, &i.SumBalance, &i.Seq, &i.Entries)
	return i, err
}

// Unbalanced implements ledger.Store.
func (s *Store) Unbalanced(ctx context.Context, n int) ([]ledger.Imbalance, error) {
	wrong, err := s.unbalanced(ctx, sumsSQL, n)
	if err != nil || len(wrong) == n {
		return wrong, err
	}
	accounts, err := s.unbalanced(ctx, importedSumsSQL, n-len(wrong))
	return append(wrong, accounts...), err
}

func (s *Store) unbalanced(ctx context.Context, query string, n int) (wrong []ledger.Imbalance, err error) {
	const page = 1000
	for last := (ledger.Imbalance{}); ; {
		sums, err := sqldb.All(ctx, s, "add the ledger up", scanSums, query, last.CardID, last.Code, page)
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
