// Package statisticstest is the conformance suite of statistics.Store, together with
// statistics.Service, which relies on it: the figures are those of the member cards and
// the entries, whatever happens while they are counted.
package statisticstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"
	_ "time/tzdata" // the zones below

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

// Stores are the stores of one fresh, empty database.
type Stores struct {
	Statistics statistics.Store
	Members    member.Store
	// Concurrent says that other transactions run while one runs.
	Concurrent bool
}

// Run runs the suite. open returns the stores of a fresh database for each test.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	for name, test := range map[string]func(*testing.T, *shop){
		"the life of a card is counted":                    lifeOfACard,
		"a late event moves a claim to its day":            lateEvent,
		"a card from a friend is no new card":              gift,
		"the event of a gift may come late":                lateGift,
		"a card that is taken again is not deleted":        takenAgain,
		"a deletion without an event is counted":           unseenDeletion,
		"an erased member's cards stay":                    erasure,
		"a reversal is taken off what it reverses":         reversals,
		"what the shop did not give is not counted":        notGiven,
		"entries have the channel of their ledger":         entryChannel,
		"a roll-up that fails counts nothing":              failure,
		"a new zone counts everything anew":                newZone,
		"what was there before is counted":                 olderRows,
		"a page has the changes that it saw":               changedMeanwhile,
		"too many changes meanwhile: the page waits":       manyMeanwhile,
		"everything is counted once while it changes":      meanwhile,
		"one of several replicas rolls up":                 oneReplica,
		"every day of the span has a row":                  days,
		"channels come in order, and the rest is together": channels,
		"a channel without figures leaves no row":          noEmptyRows,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newShop(t, open(t), 0))
		})
	}
	t.Run("random histories", func(t *testing.T) {
		t.Parallel()
		histories(t, open)
	})
}

var (
	shanghai = zone("Asia/Shanghai")
	newYork  = zone("America/New_York")
)

func zone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // time/tzdata has it
	}
	return z
}

// shop is what the tests work on.
type shop struct {
	*statistics.Service
	t       *testing.T
	stores  Stores
	members *member.Service
	keys    []statistics.Key // of the cards
	entries []booked
}

// booked is an entry as it was added.
type booked struct {
	cardID, ledger, id, route string
	reverses                  string
	at                        time.Time
	bonus, balance            int64
}

func newShop(t *testing.T, stores Stores, pageSize int) *shop {
	t.Helper()
	s := &shop{t: t, stores: stores, Service: service(stores.Statistics, shanghai, pageSize)}
	s.members = member.New(stores.Members, member.Apps{MiniProgram: "wxapp", Official: "wxofficial"}, catalogue{}, func() {})
	s.write(func(ctx context.Context, tx member.Tx) error { return tx.AddMember(ctx, "m1") })
	return s
}

func service(store statistics.Store, zone *time.Location, pageSize int) *statistics.Service {
	return statistics.New(store, statistics.Options{Zone: zone, Log: slog.New(slog.DiscardHandler), PageSize: pageSize})
}

// catalogue has cards that activate themselves ("auto") and others that addcard
// activates.
type catalogue struct{}

func (catalogue) Plan(_ context.Context, cardID string) (member.Plan, error) {
	if cardID == "auto" {
		return member.PlanAuto, nil
	}
	return member.PlanPush, nil
}

func (c catalogue) FetchPlan(ctx context.Context, cardID string) (member.Plan, error) {
	return c.Plan(ctx, cardID)
}

func (catalogue) InitialGrant(context.Context, string) (member.InitialGrant, error) {
	return member.InitialGrant{}, nil
}

func (s *shop) write(fn func(ctx context.Context, tx member.Tx) error) {
	s.t.Helper()
	if err := s.tryWrite(fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) tryWrite(fn func(ctx context.Context, tx member.Tx) error) error {
	return ledger.RetryConflicts(func() error { return s.stores.Members.Write(s.t.Context(), fn) })
}

// add adds a card of member m1, as it is given.
func (s *shop) add(c member.Card) {
	s.t.Helper()
	if c.MemberID == "" {
		c.MemberID = "m1"
	}
	s.write(func(ctx context.Context, tx member.Tx) error {
		added, err := tx.AddCard(ctx, c)
		if err == nil && !added {
			err = fmt.Errorf("%s is there", c.Code)
		}
		return err
	})
	s.keys = append(s.keys, statistics.Key{c.CardID, c.Code})
}

// change changes a card.
func (s *shop) change(key statistics.Key, edit func(c *member.Card)) {
	s.t.Helper()
	if err := s.tryChange(key, edit); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) tryChange(key statistics.Key, edit func(c *member.Card)) error {
	return s.tryWrite(func(ctx context.Context, tx member.Tx) error {
		c, err := tx.Card(ctx, key[0], key[1])
		if err != nil {
			return err
		}
		edit(&c)
		return member.Save(ctx, tx, c)
	})
}

// receive delivers an event.
func (s *shop) receive(e member.Event) {
	s.t.Helper()
	e.DedupeKey = fmt.Sprint(e.Name, e.Code, e.At)
	if err := s.members.Receive(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
	s.keys = append(s.keys, statistics.Key{e.CardID, e.Code})
}

// book adds an entry to the ledger of a card, at a time.
func (s *shop) book(key statistics.Key, b ledger.Booking, route string, at time.Time) (id string) {
	s.t.Helper()
	var e booked
	s.write(func(ctx context.Context, tx member.Tx) (err error) {
		e, err = bookIn(ctx, tx, key, b, route, at)
		return err
	})
	s.entries = append(s.entries, e)
	return e.id
}

func bookIn(ctx context.Context, tx member.Tx, key statistics.Key, b ledger.Booking, route string, at time.Time) (booked, error) {
	p, err := tx.Post(ctx, key[0], key[1], b, false)
	if err != nil {
		return booked{}, err
	}
	p.CreatedAt = at
	added, err := tx.AddEntry(ctx, p, ledger.Request{Route: route}, nil)
	if err == nil && !added {
		err = errors.New("the entry was not added")
	}
	return booked{key[0], p.Ledger, p.ID, route, b.Reverses, at, b.AddBonus, b.AddBalance}, err
}

// rollUp counts everything.
func (s *shop) rollUp() {
	s.t.Helper()
	if err := s.RollUp(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// at returns a time of a day in November 2026, in Shanghai.
func at(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, shanghai) }

// november asks for the whole month.
var november = statistics.Span{From: statistics.DayOf(at(1, 0), shanghai), To: statistics.DayOf(at(30, 0), shanghai)}

// wants checks the figures of November: by the day of the month and by channel.
func (s *shop) wants(byDay map[int]statistics.Figures, byChannel map[string]statistics.Figures) {
	s.t.Helper()
	s.rollUp()
	report, err := s.Days(s.t.Context(), november)
	if err != nil || len(report.Rows) != 30 {
		s.t.Fatalf("%d days, %v", len(report.Rows), err)
	}
	for i, row := range report.Rows {
		if want := byDay[i+1]; row.Figures != want || row.Day != november.From+statistics.Day(i) {
			s.t.Errorf("%v: got %+v, want %+v", row.Day, row.Figures, want)
		}
	}
	if report, err = s.Channels(s.t.Context(), november); err != nil {
		s.t.Fatal(err)
	}
	got := map[string]statistics.Figures{}
	for _, row := range report.Rows {
		got[row.Channel] = row.Figures
	}
	for channel := range byChannel {
		if got[channel] != byChannel[channel] {
			s.t.Errorf("channel %q: got %+v, want %+v", channel, got[channel], byChannel[channel])
		}
		delete(got, channel)
	}
	if len(got) > 0 {
		s.t.Errorf("more channels: %+v", got)
	}
}
