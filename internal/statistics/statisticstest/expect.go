package statisticstest

import (
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

// place is what figures are of.
type place struct {
	day             string
	cardID, channel string
}

// expected returns the figures of the cards and the entries as they are, by day and
// card, and those of the cards by day, card and channel.
func (s *shop) expected(zone *time.Location) (all, ofCards map[place]statistics.Figures) {
	s.t.Helper()
	all, ofCards = map[place]statistics.Figures{}, map[place]statistics.Figures{}
	add := func(to map[place]statistics.Figures, p place, f statistics.Figures) {
		sum := to[p]
		sum.Add(f, 1)
		if to[p] = sum; sum == (statistics.Figures{}) {
			delete(to, p)
		}
	}
	seen := map[statistics.Key]bool{}
	for _, key := range s.keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		for at, f := range figuresOf(s.card(key)) {
			day := at.In(zone).Format(time.DateOnly)
			add(all, place{day, key[0], ""}, f)
			add(ofCards, place{day, key[0], s.card(key).OuterStr}, f)
		}
	}
	routes := map[string]string{}
	for _, e := range s.entries {
		routes[e.id] = e.route
		if e.reverses != "" {
			e.route = routes[e.reverses]
		}
		if e.route == "" || e.route == ledger.RouteFace {
			continue
		}
		f := statistics.Figures{Entries: 1}
		for _, amount := range []struct {
			n            int64
			given, spent *int64
		}{{e.bonus, &f.BonusGiven, &f.BonusSpent}, {e.balance, &f.BalanceGiven, &f.BalanceSpent}} {
			if amount.n > 0 && e.reverses == "" || amount.n < 0 && e.reverses != "" {
				*amount.given = amount.n
			} else {
				*amount.spent = -amount.n
			}
		}
		add(all, place{e.at.In(zone).Format(time.DateOnly), e.cardID, ""}, f)
	}
	return all, ofCards
}

func (s *shop) card(key statistics.Key) member.Card {
	s.t.Helper()
	c, err := s.stores.Members.Card(s.t.Context(), key[0], key[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// figuresOf returns the figures of a card by time.
func figuresOf(c member.Card) map[time.Time]statistics.Figures {
	figures := map[time.Time]statistics.Figures{}
	add := func(at time.Time, f statistics.Figures) {
		sum := figures[at]
		sum.Add(f, 1)
		figures[at] = sum
	}
	if !c.IssuedAt.IsZero() {
		add(c.IssuedAt, statistics.Figures{Issued: 1})
	}
	if !c.ClaimedAt.IsZero() && c.Life.GivenFrom == "" {
		add(c.ClaimedAt, statistics.Figures{Claimed: 1})
	}
	if !c.ActivatedAt.IsZero() && c.Life.GivenFrom == "" {
		add(c.ActivatedAt, statistics.Figures{Activated: 1})
	}
	if c.Life.Deleted > c.Life.Taken && c.Status != member.Gifted {
		at := time.Unix(int64(c.Life.Deleted/4), 0)
		if c.ClaimedAt.After(at) {
			at = c.ClaimedAt
		}
		add(at, statistics.Figures{Deleted: 1})
	}
	return figures
}

// check compares the figures in a zone with those of the cards and entries as they
// are.
func (s *shop) check(figures *statistics.Service, zone *time.Location) {
	s.t.Helper()
	if err := figures.RollUp(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	all, ofCards := s.expected(zone)
	got, gotOfCards := map[place]statistics.Figures{}, map[place]statistics.Figures{}
	for _, cardID := range []string{"c1", "auto"} {
		// Every day for which the tests have cards, and today.
		span := statistics.Span{From: november.From - 2, To: statistics.DayOf(time.Now(), zone) + 1, CardID: cardID}
		span.To = max(span.To, november.To+2)
		span.From = min(span.From, statistics.DayOf(time.Now(), zone)-1)
		report, err := figures.Days(s.t.Context(), span)
		if err != nil || report.Until.IsZero() {
			s.t.Fatalf("counted until %v, %v", report.Until, err)
		}
		for _, row := range report.Rows {
			if row.Figures == (statistics.Figures{}) {
				continue
			}
			got[place{row.Day.String(), cardID, ""}] = row.Figures
			span.From, span.To = row.Day, row.Day
			byChannel, err := figures.Channels(s.t.Context(), span)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, c := range byChannel.Rows {
				f := statistics.Figures{Issued: c.Issued, Claimed: c.Claimed, Activated: c.Activated, Deleted: c.Deleted}
				if f != (statistics.Figures{}) {
					gotOfCards[place{row.Day.String(), cardID, c.Channel}] = f
				}
			}
		}
	}
	compare(s, "by day", got, all)
	compare(s, "by channel", gotOfCards, ofCards)
}

func compare(s *shop, what string, got, want map[place]statistics.Figures) {
	s.t.Helper()
	for p := range want {
		if got[p] != want[p] {
			s.t.Errorf("%s: %v: got %+v, want %+v", what, p, got[p], want[p])
		}
		delete(got, p)
	}
	if len(got) > 0 {
		s.t.Errorf("%s: also %+v", what, got)
	}
}
