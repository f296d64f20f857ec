package seed

import (
	"fmt"
	"time"
)

// entry is one entry of a member's ledger.
type entry struct {
	person
	seq                  int64
	addBonus, bonus      int64
	addBalance, balance  int64
	record, recordAmount string
	createdAt            int64
	number               int // of the entry among all entries
	random               [3]uint64
}

// entriesBefore returns how many entries the members before the k-th have.
func (o Options) entriesBefore(k int) int {
	weight := func(k int) (sum int) {
		for i, w := range activity {
			sum += (k + len(activity) - 1 - i) / len(activity) * w
		}
		return sum
	}
	return int(float64(o.Entries) * (float64(weight(k)) / float64(weight(o.Members))))
}

// entries returns the entries of p: the member earns and spends bonus, charges
// the card and pays with it.
func (o Options) entries(p person) []entry {
	random := o.random(p.k, 3)
	first := o.entriesBefore(p.k)
	book := make([]entry, o.entriesBefore(p.k+1)-first)
	since := p.joinedAt + activatedAfter + 1000
	pause := (end - since) / int64(len(book)+1)
	var bonus, balance int64
	for i := range book {
		e := entry{person: p, seq: int64(i + 1), number: first + i, random: [3]uint64{random.Uint64(), random.Uint64(), random.Uint64()}}
		e.createdAt = since + int64(i)*pause + random.Int64N(pause+1)
		yuan := 1 + random.Int64N(300)
		switch kind := random.IntN(10); {
		case kind == 0 && bonus >= 100:
			e.addBonus, e.record = -100, "兑换一杯咖啡"
		case kind == 1:
			e.addBalance, e.recordAmount = 100*yuan, "充值"
		case kind < 4 && balance > 0:
			e.addBalance, e.recordAmount = -min(balance, 100*yuan), "消费"
		default:
			e.addBonus, e.record = yuan, fmt.Sprintf("消费%d元", yuan)
		}
		bonus, balance = bonus+e.addBonus, balance+e.addBalance
		e.bonus, e.balance = bonus, balance
		book[i] = e
	}
	return book
}

// entryRow returns the row of e, like one that was added through the admin API.
// The ID and the key sort by the number of the entry.
func (o Options) entryRow(e entry) []any {
	hi := uint64(e.number) * (1 << 63 / uint64(o.Entries) * 2)
	id, key, request := uuidOf(hi, e.random[0]), uuidOf(hi, e.random[1]), uuidOf(e.random[2], e.random[0])
	answer := fmt.Sprintf(`{"entry":{"id":%q,"seq":%d,"add_bonus":%d,"bonus":%d,"add_balance":%d,"balance":%d,`+
		`"record_bonus":%q,"record_balance":%q,"created_at":%q}}`, id, e.seq, e.addBonus, e.bonus, e.addBalance, e.balance,
		e.record, e.recordAmount, time.UnixMilli(e.createdAt).UTC().Format(time.RFC3339Nano))
	payload := fmt.Sprintf("%016x%016x%016x%016x", e.random[0], e.random[1], e.random[2], hi)
	return []any{
		id, o.CardID, e.code, e.seq, e.addBonus, e.bonus, e.addBalance, e.balance, e.record, e.recordAmount,
		"POST /v1/cards/" + o.CardID + "/codes/" + e.code + "/entries", key, payload, answer, request, e.createdAt,
	}
}
