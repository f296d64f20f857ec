// Package statistics keeps the figures of the shop: how many cards were issued,
// claimed, activated and deleted, and how much bonus and balance was given and spent,
// by day, card and channel.
//
// The figures are sums over the member cards and the entries of the ledger. What
// changes a member card or adds an entry stores, in the same transaction, that this is
// not counted yet. The roll-up counts it a few seconds later, so that no request waits
// for a row that others change, and each figure costs the same however many members
// there are. Numbers and rows move in one transaction: whatever is interrupted or run
// twice, everything is counted once.
//
// Days are those of the shop's time zone. When that changes, everything is counted
// anew.
package statistics

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// Figures count what has happened. Bonus is in points, balance in fen (分).
type Figures struct {
	Issued    int64 // codes that addcard made for members
	Claimed   int64 // cards that came into a wallet, other than from a friend
	Activated int64 // those of them that became active
	Deleted   int64 // cards that their holders deleted and did not take again
	// Given and spent are what entries add and take away. A reversal is subtracted
	// from what it reverses, so each may be below zero on a day.
	BonusGiven, BonusSpent     int64
	BalanceGiven, BalanceSpent int64
	Entries                    int64 // reversals included
}

// Add adds g, times n.
func (f *Figures) Add(g Figures, n int64) {
	f.Issued += n * g.Issued
	f.Claimed += n * g.Claimed
	f.Activated += n * g.Activated
	f.Deleted += n * g.Deleted
	f.BonusGiven += n * g.BonusGiven
	f.BonusSpent += n * g.BonusSpent
	f.BalanceGiven += n * g.BalanceGiven
	f.BalanceSpent += n * g.BalanceSpent
	f.Entries += n * g.Entries
}

// Row has the figures of one day, or those of one channel. Other marks the figures of
// all channels that have no row of their own.
type Row struct {
	Day     Day
	Channel string
	Other   bool
	Figures
}

// Report has the figures of a span. Everything that was committed before Until is
// counted; Until is zero while the roll-up still counts what is older than itself.
type Report struct {
	Rows  []Row
	Total Figures
	Until time.Time
}

// Span asks for the figures from one day to another, both included, of one card or of
// AllCards.
type Span struct {
	From, To Day
	CardID   string
}

// MaxChannels is how many channels have rows of their own in a report.
const MaxChannels = 200

// Options are the settings of a Service.
type Options struct {
	Zone *time.Location // in which days begin
	Log  *slog.Logger
	// PageSize bounds the rows of each source that one transaction counts; 0 is 500,
	// which take some milliseconds.
	PageSize int
}

// Service reports the figures and rolls them up. It is safe for concurrent use.
type Service struct {
	Options
	store Store
}

// New returns a Service on store.
func New(store Store, o Options) *Service {
	o.PageSize = cmp.Or(o.PageSize, 500)
	return &Service{o, store}
}

// Days reports the figures of each day of the span, in order.
func (s *Service) Days(ctx context.Context, span Span) (Report, error) {
	return s.report(ctx, func() ([]Row, error) {
		found, err := s.store.Days(ctx, span)
		rows := make([]Row, 0, span.To-span.From+1)
		for day := span.From; day <= span.To; day++ {
			row := Row{Day: day}
			if len(found) > 0 && found[0].Day == day {
				row, found = found[0], found[1:]
			}
			rows = append(rows, row)
		}
		return rows, err
	})
}

// Channels reports the figures of each channel, the one with the most cards first. An
// empty channel stands for none. The last row has the rest if there are more than
// MaxChannels.
func (s *Service) Channels(ctx context.Context, span Span) (Report, error) {
	return s.report(ctx, func() ([]Row, error) { return s.store.Channels(ctx, span, MaxChannels) })
}

func (s *Service) report(ctx context.Context, read func() ([]Row, error)) (r Report, err error) {
	p, err := s.store.Progress(ctx) // first: the rows are at least as new
	if err != nil {
		return r, err
	}
	if p.Zone == s.Zone.String() {
		r.Until = p.Until
	}
	if r.Rows, err = read(); err != nil {
		return Report{}, err
	}
	for _, row := range r.Rows {
		r.Total.Add(row.Figures, 1)
	}
	return r, nil
}
