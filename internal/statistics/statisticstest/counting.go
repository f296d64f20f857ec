package statisticstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

var errUndo = errors.New("undo this")

// failing is a store of which the transactions fail at their end when fail says so.
type failing struct {
	statistics.Store
	fail func() bool
}

func (f failing) Write(ctx context.Context, fn func(ctx context.Context, tx statistics.Tx) error) error {
	return f.Store.Write(ctx, func(ctx context.Context, tx statistics.Tx) error {
		err := fn(ctx, tx)
		if err == nil && f.fail() {
			err = errUndo
		}
		return err
	})
}

func failure(t *testing.T, s *shop) {
	some(s)
	s.rollUp()
	s.add(member.Card{CardID: "c1", Code: "B1", Status: member.Claimed, ClaimedAt: at(7, 8)})
	s.book(statistics.Key{"c1", "B1"}, ledger.Booking{AddBonus: 5}, request, at(8, 8))
	broken := service(failing{s.stores.Statistics, func() bool { return true }}, shanghai, 0)
	for range 2 {
		if err := broken.RollUp(t.Context()); !errors.Is(err, errUndo) {
			t.Fatalf("got %v", err)
		}
	}
	s.check(s.Service, shanghai)
}

// some adds a few cards and entries.
func some(s *shop) {
	for i := range 7 {
		key := statistics.Key{"c1", fmt.Sprint("A", i)}
		s.add(member.Card{
			CardID: key[0], Code: key[1], Status: member.Active, OuterStr: fmt.Sprint("table", i%2),
			IssuedAt: at(1+i, 1), ClaimedAt: at(1+i, 2), ActivatedAt: at(1+i, 22),
		})
		s.book(key, ledger.Booking{AddBonus: int64(1 + i)}, request, at(2+i, 1))
	}
}

func newZone(t *testing.T, s *shop) {
	some(s)
	s.check(s.Service, shanghai)
	american := service(s.stores.Statistics, newYork, 2)
	if report, err := american.Days(t.Context(), november); err != nil || !report.Until.IsZero() {
		t.Errorf("not counted yet: %v, %v", report.Until, err)
	}
	s.check(american, newYork)
	some := s.keys[0]
	s.change(some, func(c *member.Card) { c.OuterStr = "table9" })
	s.check(american, newYork)
	s.check(s.Service, shanghai) // a replica with the former zone, which starts again
	s.check(american, newYork)
}

// Rows that were there before the triggers: their changes are not stored.
func olderRows(t *testing.T, s *shop) {
	some(s)
	err := s.stores.Statistics.Write(t.Context(), func(ctx context.Context, tx statistics.Tx) error {
		for _, source := range []statistics.Source{statistics.Cards, statistics.Entries} {
			changes, err := tx.Changes(ctx, source, statistics.Cursor{End: true}, 100)
			if err != nil {
				return err
			}
			ids := make([]string, len(changes))
			for i, change := range changes {
				ids[i] = change.ID
			}
			if err := tx.Forget(ctx, source, ids); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	small := service(s.stores.Statistics, shanghai, 2)
	s.change(s.keys[5], func(c *member.Card) { c.ClaimedAt = at(20, 8) })
	s.check(small, shanghai)
	s.change(s.keys[1], func(c *member.Card) { c.ClaimedAt = at(21, 8) })
	s.check(small, shanghai)
}

// hooked is a store that calls functions around the reading of each page of cards.
type hooked struct {
	statistics.Store
	before, after func(first bool)
}

func (h hooked) Write(ctx context.Context, fn func(ctx context.Context, tx statistics.Tx) error) error {
	return h.Store.Write(ctx, func(ctx context.Context, tx statistics.Tx) error { return fn(ctx, hookedTx{tx, h}) })
}

type hookedTx struct {
	statistics.Tx
	h hooked
}

func (tx hookedTx) Page(ctx context.Context, of statistics.Source, c statistics.Cursor, n int) ([]statistics.Item, error) {
	if of != statistics.Cards {
		return tx.Tx.Page(ctx, of, c, n)
	}
	first := c == statistics.Cursor{}
	tx.h.before(first)
	items, err := tx.Tx.Page(ctx, of, c, n)
	tx.h.after(first)
	return items, err
}

// Other transactions change what a page has, before and after it is read. There are
// two pages, the first of A0 to A4.
func changedMeanwhile(_ *testing.T, s *shop) {
	if !s.stores.Concurrent {
		return // nothing can happen meanwhile
	}
	some(s)
	move := func(code string, day int) {
		s.change(statistics.Key{"c1", code}, func(c *member.Card) { c.ClaimedAt = at(day, 9) })
	}
	hooks := hooked{s.stores.Statistics, func(first bool) {
		if first {
			move("A0", 11) // the page sees it
		} else {
			move("A5", 13)
		}
	}, func(first bool) {
		if first {
			move("A0", 14) // the page does not see it
			move("A6", 12) // only the second page does
		} else {
			s.add(member.Card{CardID: "c1", Code: "A55", Status: member.Claimed, ClaimedAt: at(15, 9)})
			s.add(member.Card{CardID: "c1", Code: "A9", Status: member.Claimed, ClaimedAt: at(17, 9)})
			move("A5", 16)
		}
	}}
	s.check(service(hooks, shanghai, 5), shanghai)
}

func manyMeanwhile(_ *testing.T, s *shop) {
	if !s.stores.Concurrent {
		return // nothing can happen meanwhile
	}
	some(s)
	times := 0
	hooks := hooked{s.stores.Statistics, func(bool) {}, func(first bool) {
		for i := range 3 {
			if times++; !first && times < 20 {
				s.change(statistics.Key{"c1", fmt.Sprint("A", 1+i)}, func(c *member.Card) { c.ClaimedAt = at(11+times%9, 9) })
			}
		}
	}}
	s.check(service(hooks, shanghai, 2), shanghai)
}

// Several members and several replicas, of which some have another zone.
func meanwhile(t *testing.T, s *shop) {
	const writers, each = 6, 12
	some(s)
	var group, rolling sync.WaitGroup
	stop := make(chan struct{})
	for _, figures := range []*statistics.Service{
		service(s.stores.Statistics, shanghai, 3), service(s.stores.Statistics, shanghai, 3), service(s.stores.Statistics, newYork, 4),
	} {
		rolling.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithCancel(t.Context())
				steps := 0
				broken := failing{s.stores.Statistics, func() bool { // the process ends
					if steps++; steps > 5+round%7 {
						cancel()
					}
					return ctx.Err() != nil
				}}
				_ = statistics.New(broken, figures.Options).RollUp(ctx)
				cancel()
			}
		})
	}
	var mu sync.Mutex
	for w := range writers {
		group.Go(func() {
			for i := range each {
				key := statistics.Key{"c1", fmt.Sprint("A", (w+i)%7)}
				var e booked
				err := s.tryWrite(func(ctx context.Context, tx member.Tx) (err error) {
					e, err = bookIn(ctx, tx, key, ledger.Booking{AddBonus: 1}, request, at(1+i, 20))
					return err
				})
				if err == nil {
					err = s.tryChange(key, func(c *member.Card) { c.ClaimedAt, c.OuterStr = at(1+i, 20), fmt.Sprint("table", w%3) })
				}
				mu.Lock()
				if e.id != "" {
					s.entries = append(s.entries, e)
				}
				mu.Unlock()
				if err != nil && !errors.Is(err, ledger.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	close(stop)
	rolling.Wait()
	s.check(s.Service, shanghai)
}
