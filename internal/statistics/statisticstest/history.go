package statisticstest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

// histories checks that the figures are those of the cards and entries, whatever
// happened, and whenever it was counted or the counting failed.
func histories(t *testing.T, open func(t *testing.T) Stores) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShop(t, open(t), 0)
		h := history{s, rt, newYork}
		actions := []func(){h.issue, h.add, h.change, h.change, h.book, h.book, h.book, h.reverse, h.give, h.rollUp, h.rollUp, h.moveZone}
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			rapid.SampledFrom(actions).Draw(rt, "action")()
		}
		s.check(service(s.stores.Statistics, h.zone, 3), h.zone)
	})
}

type history struct {
	*shop
	rt   *rapid.T
	zone *time.Location
}

func (h *history) time(name string) time.Time {
	return at(1, 0).Add(time.Duration(rapid.Int64Range(0, 30*24*3600).Draw(h.rt, name)) * time.Second)
}

func (h *history) channel() string {
	return rapid.SampledFrom([]string{"", "table1", "table2"}).Draw(h.rt, "channel")
}

func (h *history) some() (key statistics.Key, ok bool) {
	if len(h.keys) == 0 {
		return key, false
	}
	return rapid.SampledFrom(h.keys).Draw(h.rt, "card"), true
}

func (h *history) newKey() statistics.Key {
	// Codes do not come in the order of the keys.
	return statistics.Key{"c1", fmt.Sprint(len(h.keys)*7919%1000, "-", len(h.keys))}
}

// issue issues a code now.
func (h *history) issue() {
	key := h.newKey()
	h.write(func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "of"+key[1]); err != nil {
			return err
		}
		_, err := tx.AddIssued(ctx, "of"+key[1], member.CodeRequest{CardID: key[0], OuterStr: "table1"}, key[1])
		return err
	})
	h.keys = append(h.keys, key)
}

// add adds a card that was taken.
func (h *history) add() {
	key := h.newKey()
	c := member.Card{CardID: key[0], Code: key[1], Status: member.Claimed, OuterStr: h.channel(), ClaimedAt: h.time("claimed")}
	c.Life.Taken = 4
	h.shop.add(c)
}

// change changes what is counted of a card.
func (h *history) change() {
	key, ok := h.some()
	if !ok {
		return
	}
	second := h.time("at").Unix()
	what := rapid.SampledFrom([]string{"claimed", "activated", "deleted", "taken", "channel", "fields"}).Draw(h.rt, "what")
	channel := h.channel()
	h.shop.change(key, func(c *member.Card) {
		switch what {
		case "claimed":
			c.ClaimedAt = time.Unix(second, 0)
		case "activated":
			c.ActivatedAt = time.Unix(second, 0)
		case "deleted":
			set(&c.Life.Deleted, 4*second+1)
		case "taken":
			set(&c.Life.Taken, 4*second)
		case "channel":
			c.OuterStr = channel
		case "fields":
			c.Fields[0] += "x"
		}
	})
}

// set sets a moment, which package member does not export.
func set[M ~int64](moment *M, n int64) { *moment = M(n) }

// give makes a card the friend's.
func (h *history) give() {
	from, ok := h.some()
	if !ok {
		return
	}
	h.add()
	h.shop.change(h.keys[len(h.keys)-1], func(c *member.Card) { c.Life.GivenFrom = from[1] })
	h.shop.change(from, func(c *member.Card) { c.Status = member.Gifted })
}

func (h *history) book() {
	key, ok := h.some()
	if !ok {
		return
	}
	route := rapid.SampledFrom([]string{request, request, request, "opening", ledger.RouteFace, ""}).Draw(h.rt, "route")
	b := ledger.Booking{AddBonus: rapid.Int64Range(-9, 99).Draw(h.rt, "bonus"), AddBalance: rapid.Int64Range(-9, 99).Draw(h.rt, "balance")}
	if c := h.card(key); c.Bonus+b.AddBonus >= 0 && c.Balance+b.AddBalance >= 0 {
		h.shop.book(key, b, route, h.time("booked"))
	}
}

func (h *history) reverse() {
	for _, e := range h.entries {
		reversed := e.reverses != ""
		for _, other := range h.entries {
			reversed = reversed || other.reverses == e.id
		}
		c := h.card(statistics.Key{e.cardID, e.ledger})
		if !reversed && c.Bonus >= e.bonus && c.Balance >= e.balance {
			h.shop.book(statistics.Key{e.cardID, e.ledger},
				ledger.Booking{AddBonus: -e.bonus, AddBalance: -e.balance, Reverses: e.id}, request, h.time("reversed"))
			return
		}
	}
}

// rollUp rolls up a few steps, until a transaction fails.
func (h *history) rollUp() {
	left := rapid.IntRange(0, 12).Draw(h.rt, "steps until it fails")
	store := failing{h.stores.Statistics, func() bool { left--; return left < 0 }}
	_ = service(store, h.zone, rapid.IntRange(1, 5).Draw(h.rt, "page")).RollUp(h.t.Context())
}

func (h *history) moveZone() {
	h.zone = rapid.SampledFrom([]*time.Location{shanghai, newYork, time.UTC}).Draw(h.rt, "zone")
}
