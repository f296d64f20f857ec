package console

import (
	"net/http"
	"net/url"
	"time"
)

// figures are those of GET /v1/statistics.
type figures struct {
	Day          string  `json:"day"`
	Channel      *string `json:"channel"`
	Other        bool    `json:"other"`
	Issued       int64   `json:"issued"`
	Claimed      int64   `json:"claimed"`
	Activated    int64   `json:"activated"`
	Deleted      int64   `json:"deleted"`
	BonusGiven   int64   `json:"bonus_given"`
	BonusSpent   int64   `json:"bonus_spent"`
	BalanceGiven int64   `json:"balance_given"`
	BalanceSpent int64   `json:"balance_spent"`
	Entries      int64   `json:"entries"`
}

type statistics struct {
	From  string     `json:"from"`
	To    string     `json:"to"`
	Rows  []figures  `json:"rows"`
	Total figures    `json:"total"`
	Until *time.Time `json:"final_until"`
}

// overview shows the last 30 days, and what waits for WeChat.
func (c *Console) overview(r *request) error {
	var data struct {
		Days, Channels        statistics
		Today                 figures
		Cards, Bonus, Balance chart
		Waiting, Parked       int64
	}
	if err := r.get("/v1/statistics", nil, &data.Days); err != nil {
		return err
	}
	if err := r.get("/v1/statistics", url.Values{"group": {"channel"}}, &data.Channels); err != nil {
		return err
	}
	var outbox struct {
		Counts struct{ Waiting, Dead int64 } `json:"counts"`
	}
	if err := r.get("/v1/outbox", url.Values{"limit": {"1"}}, &outbox); err != nil {
		return err
	}
	data.Waiting, data.Parked = outbox.Counts.Waiting, outbox.Counts.Dead
	rows := data.Days.Rows
	if len(rows) > 0 {
		data.Today = rows[len(rows)-1]
	}
	data.Cards = plot(rows, series{"issued", func(f figures) int64 { return f.Issued }},
		series{"claimed", func(f figures) int64 { return f.Claimed }}, series{"activated", func(f figures) int64 { return f.Activated }})
	data.Bonus = plot(rows, series{"bonus_given", func(f figures) int64 { return f.BonusGiven }},
		series{"bonus_spent", func(f figures) int64 { return f.BonusSpent }})
	data.Balance = plot(rows, series{"balance_given", func(f figures) int64 { return f.BalanceGiven }},
		series{"balance_spent", func(f figures) int64 { return f.BalanceSpent }})
	return r.render(http.StatusOK, "overview", data)
}

// Name returns the channel, or "" for cards without one.
func (f figures) Name() string {
	if f.Channel == nil {
		return ""
	}
	return *f.Channel
}
