package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/statistics"
)

const (
	// usualDays is the length of a span without from, maxDays that of the longest.
	usualDays = 30
	maxDays   = 400
)

type statisticsInput struct {
	From   string `query:"from" maxLength:"10" example:"2026-11-01" doc:"The first day, in the shop's time zone. Without it the span has 30 days."`
	To     string `query:"to" maxLength:"10" example:"2026-11-30" doc:"The last day. Without it, today."`
	CardID string `query:"card_id" maxLength:"64" pattern:"^[0-9A-Za-z_-]*$" doc:"Only the figures of this card."`
	Group  string `query:"group" enum:"day,channel" default:"day" doc:"A row for each day, or one for each channel (outer_str)."`
}

// span returns the days that are asked for, or InputErrors.
func (in *statisticsInput) span(today statistics.Day) (s statistics.Span, err error) {
	var wrong web.InputErrors
	read := func(name, text string, otherwise statistics.Day) statistics.Day {
		if text == "" {
			return otherwise
		}
		day, err := statistics.ParseDay(text)
		if err != nil || day < 0 {
			wrong = append(wrong, web.FieldError{Location: "query." + name, Message: "is not a day like 2026-11-30"})
		}
		return day
	}
	s.CardID = in.CardID
	s.To = read("to", in.To, today)
	s.From = read("from", in.From, max(s.To-usualDays+1, 0))
	switch {
	case len(wrong) > 0:
	case s.From > s.To:
		wrong = web.InputErrors{{Location: "query.from", Message: "is after the last day"}}
	case s.To-s.From >= maxDays:
		wrong = web.InputErrors{{Location: "query.from", Message: "the span has more than 400 days"}}
	}
	if len(wrong) > 0 {
		return s, wrong
	}
	return s, nil
}

type statisticsOutput struct {
	Body struct {
		TimeZone string          `json:"time_zone" example:"Asia/Shanghai"`
		From     string          `json:"from" example:"2026-11-01"`
		To       string          `json:"to" example:"2026-11-30"`
		Group    string          `json:"group" enum:"day,channel"`
		Rows     []statisticsRow `json:"rows" doc:"Each day in order; or the 200 channels with the most cards, the first first, and the rest in one row."`
		Total    Figures         `json:"total"`
		Until    *time.Time      `json:"final_until,omitempty" doc:"Everything stored before is counted. It is absent while what is older than the statistics is being counted; then figures are missing."`
	}
}

type statisticsRow struct {
	Day     string  `json:"day,omitempty" example:"2026-11-30"`
	Channel *string `json:"channel,omitzero" doc:"Empty: the cards without one."`
	Other   bool    `json:"other,omitzero" doc:"All channels that have no row of their own."`
	Figures
}

// Figures are statistics.Figures.
type Figures struct {
	Issued       int64 `json:"issued" doc:"Codes made for members."`
	Claimed      int64 `json:"claimed" doc:"Cards taken into a wallet, other than from a friend."`
	Activated    int64 `json:"activated"`
	Deleted      int64 `json:"deleted" doc:"Cards that their holders deleted and have not taken again."`
	BonusGiven   int64 `json:"bonus_given" doc:"Points that entries added. A reversal is subtracted from what it reverses, so this may be below zero on a day."`
	BonusSpent   int64 `json:"bonus_spent" doc:"Points that entries took away."`
	BalanceGiven int64 `json:"balance_given" doc:"In fen (分)."`
	BalanceSpent int64 `json:"balance_spent" doc:"In fen (分)."`
	Entries      int64 `json:"entries" doc:"Reversals included."`
}

func (a *api) statisticsRoute() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "statistics", Method: http.MethodGet, Path: "/v1/statistics", Tags: []string{"statistics"},
		Summary: "The figures of the shop by day or by channel", Errors: []int{401, 422, 503},
		Description: "What has happened is counted within a minute. A late event of WeChat changes the figures of the day on which it happened.",
	}, a.statistics)
}

func (a *api) statistics(ctx context.Context, in *statisticsInput) (*statisticsOutput, error) {
	span, err := in.span(statistics.DayOf(time.Now(), a.zone))
	if err != nil {
		return nil, err
	}
	read := a.Statistics.Days
	if in.Group == "channel" {
		read = a.Statistics.Channels
	}
	report, err := read(ctx, span)
	if err != nil {
		return nil, err
	}
	var out statisticsOutput
	b := &out.Body
	b.TimeZone, b.From, b.To, b.Group, b.Total = a.zone.String(), span.From.String(), span.To.String(), in.Group, Figures(report.Total)
	if !report.Until.IsZero() {
		b.Until = &report.Until
	}
	b.Rows = web.List(report.Rows, func(r statistics.Row) statisticsRow {
		row := statisticsRow{Other: r.Other, Figures: Figures(r.Figures)}
		switch {
		case in.Group == "day":
			row.Day = r.Day.String()
		case !r.Other:
			row.Channel = &r.Channel
		}
		return row
	})
	return &out, nil
}
