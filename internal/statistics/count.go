package statistics

import (
	"time"

	"github.com/addcard/addcard/internal/ledger"
)

// Subject is what figures are counted from: a Card or an Entry.
type Subject interface {
	// count calls add with each figure and the time at which it happened.
	count(add func(at time.Time, f Figures))
	place() (cardID, channel string)
}

// Card is what is counted of a member card. Its channel is its outer_str, and is that
// of all its figures: if it changes, they move to the new one.
type Card struct {
	CardID, Channel                  string
	IssuedAt, ClaimedAt, ActivatedAt time.Time
	// Deleted says that the card was deleted and not taken again, DeletedAt when, or
	// something earlier if that is unknown.
	Deleted   bool
	DeletedAt time.Time
	// Received says that the card came from a friend, Gifted that it went to one. The
	// giver's code and the recipient's are one card, which is counted once.
	Received, Gifted bool
}

func (c Card) place() (cardID, channel string) { return c.CardID, c.Channel }

func (c Card) count(add func(at time.Time, f Figures)) {
	if !c.IssuedAt.IsZero() {
		add(c.IssuedAt, Figures{Issued: 1})
	}
	if !c.ClaimedAt.IsZero() && !c.Received {
		add(c.ClaimedAt, Figures{Claimed: 1})
	}
	if !c.ActivatedAt.IsZero() && !c.Received {
		add(c.ActivatedAt, Figures{Activated: 1})
	}
	if c.Deleted && !c.Gifted {
		at := c.DeletedAt
		if at.Before(c.ClaimedAt) {
			at = c.ClaimedAt
		}
		add(at, Figures{Deleted: 1})
	}
}

// Entry is what is counted of an entry of a ledger. Its channel is that of the code
// that the ledger is named after, so it stays the same when the card is given away.
// The route of a reversal is that of the entry that it reverses.
type Entry struct {
	CardID, Channel      string
	At                   time.Time
	AddBonus, AddBalance int64
	Reversal             bool
	Route                string
}

func (e Entry) place() (cardID, channel string) { return e.CardID, e.Channel }

// count leaves out what the shop did not give: the opening entry of what a card had
// before, and entries that move totals from one code of a card to another, which have
// no route.
func (e Entry) count(add func(at time.Time, f Figures)) {
	if e.Route == "" || e.Route == ledger.RouteFace || e.Route == ledger.RouteImport {
		return
	}
	f := Figures{Entries: 1}
	f.BonusGiven, f.BonusSpent = givenOrSpent(e.AddBonus, e.Reversal)
	f.BalanceGiven, f.BalanceSpent = givenOrSpent(e.AddBalance, e.Reversal)
	add(e.At, f)
}

// givenOrSpent returns what an amount adds to the two figures.
func givenOrSpent(n int64, reversal bool) (given, spent int64) {
	if (n > 0) != reversal {
		return n, 0
	}
	return 0, -n
}

// AllCards is the CardID of the figures of all cards together. They are kept, too:
// otherwise a report would have to add up every card.
const AllCards = ""

// Cell is one row of the figures.
type Cell struct {
	CardID  string // or AllCards
	Day     Day
	Channel string
}

// sums are changes of the figures.
type sums map[Cell]Figures

// add counts a subject n times.
func (s sums) add(subject Subject, zone *time.Location, n int64) {
	cardID, channel := subject.place()
	subject.count(func(at time.Time, f Figures) {
		for _, id := range []string{cardID, AllCards} {
			cell := Cell{id, DayOf(at, zone), channel}
			sum := s[cell]
			sum.Add(f, n)
			s[cell] = sum
		}
	})
}
