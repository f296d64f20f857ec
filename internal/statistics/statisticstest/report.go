package statisticstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/statistics"
)

func cell(day statistics.Day, cardID, channel string) statistics.Cell {
	return statistics.Cell{Day: day, CardID: cardID, Channel: channel}
}

// put adds figures to a card, and to all.
func (s *shop) put(figures map[statistics.Cell]statistics.Figures) {
	s.t.Helper()
	err := s.stores.Statistics.Write(s.t.Context(), func(ctx context.Context, tx statistics.Tx) error {
		for cell, f := range figures {
			all := cell
			all.CardID = statistics.AllCards
			if err := errors.Join(tx.Add(ctx, cell, f), tx.Add(ctx, all, f)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func days(t *testing.T, s *shop) {
	before := time.Now().Add(-time.Minute)
	if report, err := s.Days(t.Context(), november); err != nil || !report.Until.IsZero() {
		t.Errorf("nothing was counted: %v, %v", report.Until, err)
	}
	s.rollUp()
	s.put(map[statistics.Cell]statistics.Figures{
		cell(november.From-1, "c1", ""):      {Issued: 1},
		cell(november.From, "c1", "a"):       {Issued: 2, BalanceSpent: 1e15},
		cell(november.From, "c1", "b"):       {Issued: 4, BalanceSpent: 1e15},
		cell(november.From, "c2", "a"):       {Issued: 8},
		cell(november.From+2, "c1", "a"):     {Issued: 16, Claimed: 1, Activated: 2, Deleted: 3, BonusGiven: -4, BonusSpent: 5, Entries: 9},
		cell(november.To, "c1", "a"):         {Issued: 32, BalanceGiven: 7},
		cell(november.To+1, "c1", "a"):       {Issued: 64},
		cell(november.From+2, "c10", "a"):    {Issued: 128},
		cell(november.From+2, "c1", "other"): {},
	})
	for _, tt := range []struct {
		span  statistics.Span
		days  map[statistics.Day]int64 // issued, by day of the span
		total statistics.Figures
	}{
		{november, map[statistics.Day]int64{0: 14, 2: 144, 29: 32}, statistics.Figures{
			Issued: 190, Claimed: 1, Activated: 2, Deleted: 3, BonusGiven: -4, BonusSpent: 5, BalanceGiven: 7, BalanceSpent: 2e15, Entries: 9,
		}},
		{statistics.Span{From: november.From, To: november.From, CardID: "c2"}, map[statistics.Day]int64{0: 8}, statistics.Figures{Issued: 8}},
		{statistics.Span{From: november.From + 3, To: november.From + 4}, nil, statistics.Figures{}},
	} {
		report, err := s.Days(t.Context(), tt.span)
		if err != nil || report.Total != tt.total || len(report.Rows) != int(tt.span.To-tt.span.From)+1 {
			t.Errorf("%+v: %d rows, %+v, %v, want %+v", tt.span, len(report.Rows), report.Total, err, tt.total)
		}
		for i, row := range report.Rows {
			if want := tt.days[statistics.Day(i)]; row.Issued != want || row.Day != tt.span.From+statistics.Day(i) {
				t.Errorf("%+v: row %d: %+v, want %d issued", tt.span, i, row, want)
			}
		}
		if report.Until.Before(before) || report.Until.After(time.Now().Add(time.Minute)) {
			t.Errorf("counted until %v", report.Until)
		}
	}
	other := service(s.stores.Statistics, newYork, 0)
	if report, err := other.Days(t.Context(), november); err != nil || !report.Until.IsZero() {
		t.Errorf("in a zone that was not counted: %v, %v", report.Until, err)
	}
}

func channels(t *testing.T, s *shop) {
	figures := map[statistics.Cell]statistics.Figures{
		cell(november.From-1, "c1", "before"): {Issued: 1000},
		cell(november.To+1, "c1", "after"):    {Issued: 1000},
		cell(november.From, "c2", "last"):     {Claimed: 500},
		cell(november.From, "c1", ""):         {Issued: 1, Claimed: 999},
		cell(november.From+1, "c1", ""):       {Issued: 1, Claimed: 1, BonusGiven: 3},
	}
	for i := range statistics.MaxChannels - 1 {
		figures[cell(november.To, "c1", fmt.Sprintf("table%03d", i))] = statistics.Figures{Issued: int64(900 - i)}
	}
	s.put(figures)
	report, err := s.Channels(t.Context(), statistics.Span{From: november.From, To: november.To, CardID: "c1"})
	if err != nil || len(report.Rows) != statistics.MaxChannels {
		t.Fatalf("%d rows, %v", len(report.Rows), err)
	}
	first, second := report.Rows[0], report.Rows[1]
	if want := (statistics.Figures{Issued: 2, Claimed: 1000, BonusGiven: 3}); first.Channel != "" || first.Figures != want || first.Other {
		t.Errorf("got %+v first", first)
	}
	if last := report.Rows[len(report.Rows)-1]; second.Channel != "table000" || last.Channel != "table198" || last.Other {
		t.Errorf("got %+v second, %+v last", second, last)
	}
	s.put(map[statistics.Cell]statistics.Figures{cell(november.From, "c1", "rare"): {Claimed: 1, Entries: 2}})
	report, err = s.Channels(t.Context(), november) // with the other card there are two too many
	if err != nil || len(report.Rows) != statistics.MaxChannels+1 {
		t.Fatalf("%d rows, %v", len(report.Rows), err)
	}
	rest := report.Rows[statistics.MaxChannels]
	if want := (statistics.Figures{Claimed: 501, Entries: 2}); !rest.Other || rest.Channel != "" || rest.Figures != want {
		t.Errorf("the rest: got %+v, want %+v", rest, want)
	}
	sum := statistics.Figures{Claimed: 500 + 1000 + 1, Issued: 2, BonusGiven: 3, Entries: 2}
	for i := range statistics.MaxChannels - 1 {
		sum.Issued += int64(900 - i)
	}
	if report.Total != sum {
		t.Errorf("in all: got %+v, want %+v", report.Total, sum)
	}
}
