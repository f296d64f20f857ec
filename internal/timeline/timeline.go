// Package timeline answers the operator's question why a member's card is as it is:
// one list of all that is known to have happened to a member and their cards, newest
// first, and one sentence about each card. It only reads, and does not call WeChat.
package timeline

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/addcard/addcard/internal/member"
)

// The kinds of events, besides those of package trail.
const (
	Issued     = "issue"        // a code was made
	Claimed    = "claim"        // the card came into the wallet
	Activated  = "activation"   // it can be used since
	Gift       = "gift"         // it was received from a friend
	Form       = "form"         // a one-click form was filled in
	Pushed     = "event"        // an event of WeChat's; see Event.Name
	Entered    = "entry"        // a ledger entry
	PushWaits  = "push_waiting" // a message in the outbox that waits
	PushParked = "push_parked"  // a message in the outbox that is parked
	Operator   = "operator"     // an action that the audit log has; see Event.Name
)

// Event is one line of a timeline. Each kind has its own fields; the others are zero.
type Event struct {
	At           time.Time
	Source       string // orders the events of one moment, with ID; has no space
	ID           string // of the row; unique in its source, and without a space
	Kind         string
	CardID, Code string
	Name         string // WeChat's name of an event, the kind of a message, or an action
	Actor        string // who booked an entry, or acted
	Text         string // WeChat's words, or the record of an entry
	Attempts     int64
	NextAt       time.Time // when a waiting message is tried next
	Entry        *Figures  // what an entry changed
	Face         *Figures  // what the reconciler read at WeChat
	Outcome      string    // of a comparison, or of an action
}

// Figures are points and fen (分): what was added, and the totals.
type Figures struct{ AddBonus, Bonus, AddBalance, Balance int64 }

// Mark is a place in a timeline; the zero Mark is its beginning.
type Mark struct {
	At         time.Time
	Source, ID string
}

// Mark returns the place behind e.
func (e Event) Mark() Mark { return Mark{e.At, e.Source, e.ID} }

// compare orders the newest first.
func compare(a, b Mark) int {
	return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Source, a.Source), cmp.Compare(b.ID, a.ID))
}

// AfterLast is greater than every ID.
const AfterLast = "zzzz"

// Of returns the place in one source that is behind m in the timeline: the source is to
// return the events with (At, ID) smaller than the Mark's.
func (m Mark) Of(source string) Mark {
	switch {
	case m == Mark{}:
		return Mark{time.UnixMilli(1 << 52), source, AfterLast}
	case source < m.Source:
		return Mark{m.At, source, AfterLast}
	case source > m.Source:
		return Mark{m.At, source, ""}
	}
	return m
}

// Subject is whose timeline it is.
type Subject struct {
	MemberID string
	Cards    []member.Card
}

// Source has events of one sort.
type Source interface {
	// Events returns events of the subject behind m, in any order, among them the n
	// newest.
	Events(ctx context.Context, s Subject, m Mark, n int) ([]Event, error)
}

// SourceFunc is a Source.
type SourceFunc func(ctx context.Context, s Subject, m Mark, n int) ([]Event, error)

// Events implements Source.
func (f SourceFunc) Events(ctx context.Context, s Subject, m Mark, n int) ([]Event, error) {
	return f(ctx, s, m, n)
}

// Members is what the Service needs of package member.
type Members interface {
	// Person returns member.ErrMemberUnknown for an unknown member.
	Person(ctx context.Context, memberID string) (member.Person, error)
}

// Plans says how cards become active. It must not call WeChat.
type Plans interface {
	Plan(ctx context.Context, cardID string) (member.Plan, error)
}

// Store reads what a Service needs besides. It is safe for concurrent use.
type Store interface {
	// Sources returns a Source for each table.
	Sources() []Source
	// Situation returns what decides why a card is as it is, besides the card.
	Situation(ctx context.Context, c member.Card) (Situation, error)
	// Lost lists up to n codes that were signed for the member and are another's.
	Lost(ctx context.Context, memberID string, n int) ([]member.Card, error)
}

// Service reads timelines. It is safe for concurrent use.
type Service struct {
	members Members
	plans   Plans
	store   Store
	sources []Source
	zone    *time.Location
}

// New returns a Service. Times in sentences are those of zone. more are sources
// besides those of the store.
func New(members Members, plans Plans, store Store, zone *time.Location, more ...Source) *Service {
	sources := append([]Source{SourceFunc(milestones)}, store.Sources()...)
	return &Service{members, plans, store, append(sources, more...), zone}
}

// Events returns up to n events of a member behind m, newest first. It returns
// member.ErrMemberUnknown for an unknown member.
func (s *Service) Events(ctx context.Context, memberID string, m Mark, n int) ([]Event, error) {
	p, err := s.members.Person(ctx, memberID)
	if err != nil {
		return nil, err
	}
	var all []Event
	for _, source := range s.sources {
		events, err := source.Events(ctx, Subject{memberID, p.Cards}, m, n)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b Event) int { return compare(a.Mark(), b.Mark()) })
	all = all[:min(n, len(all))]
	for i := range all {
		all[i].Text = clean(all[i].Text)
	}
	return all, nil
}

// milestones is the Source of the times that a card itself has.
func milestones(_ context.Context, s Subject, m Mark, n int) (list []Event, _ error) {
	const source = "card"
	for _, c := range s.Cards {
		kept := momentTime(int64(c.Life.Taken))
		if c.Life.GivenFrom == "" {
			kept = time.Time{}
		}
		for kind, at := range map[string]time.Time{Issued: c.IssuedAt, Claimed: c.ClaimedAt, Activated: c.ActivatedAt, Gift: kept} {
			if !at.IsZero() {
				list = append(list, Event{At: at, Source: source, ID: kind + ":" + c.Code, Kind: kind, CardID: c.CardID, Code: c.Code})
			}
		}
	}
	slices.SortFunc(list, func(a, b Event) int { return compare(a.Mark(), b.Mark()) })
	list = slices.DeleteFunc(list, func(e Event) bool { return m != Mark{} && compare(e.Mark(), m) <= 0 })
	return list[:min(n, len(list))], nil
}

// momentTime returns the second of a moment; see member.Life.
func momentTime(moment int64) time.Time {
	if moment < 4 {
		return time.Time{}
	}
	return time.Unix(moment/4, 0).UTC()
}

// maxText bounds a text, in bytes.
const maxText = 300

// clean returns a text of WeChat's or of an operator as it may be shown: bounded, and
// without control characters.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText-len("…")], "") + "…"
	}
	return text
}
