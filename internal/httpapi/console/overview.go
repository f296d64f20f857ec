package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

// cards returns the cards of the catalogue.
func (r *request) cards() ([]listedCard, error) {
	var list struct {
		Cards []listedCard `json:"cards"`
	}
	return list.Cards, r.get("/v1/cards", nil, &list)
}

// cardChoices returns the cards to filter by; see choicesOf.
func (r *request) cardChoices(chosen string) ([]choice, error) {
	list, err := r.cards()
	return choicesOf(list, chosen), err
}

// choicesOf returns cards to filter by, by their titles, and the chosen one if it is none
// of them.
func choicesOf(list []listedCard, chosen string) (all []choice) {
	titles := map[string]int{}
	for _, card := range list {
		titles[card.Title]++
	}
	for _, card := range list {
		text := cmp.Or(card.Title, card.ID)
		if titles[card.Title] > 1 {
			text += " · " + card.ID
		}
		all = append(all, choice{card.ID, text})
	}
	if chosen != "" && !slices.ContainsFunc(all, func(c choice) bool { return c.Value == chosen }) {
		all = append(all, choice{chosen, chosen})
	}
	return all
}

// checks is what GET /v1/checks answers.
type checks struct {
	CheckedAt time.Time `json:"checked_at"`
	Findings  []check   `json:"findings"`
}

type check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Found   string `json:"found"`
	Fix     string `json:"fix"`
}

// Bad reports whether what was found has to be mended.
func (f check) Bad() bool { return f.Outcome == "warning" || f.Outcome == "failed" }

// Page returns the section of the console that shows what was found, or "".
func (f check) Page() string {
	return map[string]string{"outbox": "pushes", "cards": "cards"}[f.Name]
}

// checks returns what the last examination of the server has found.
func (r *request) checks() (found checks, err error) {
	err = r.get("/v1/checks", url.Values{"lang": {r.lang}}, &found)
	return found, err
}

// Wrong returns how many findings have to be mended.
func (c checks) Wrong() (n int) {
	for _, f := range c.Findings {
		if f.Bad() {
			n++
		}
	}
	return n
}

// overview shows the last 30 days of all cards or of one, what waits for WeChat, and how
// the server is.
func (c *Console) overview(r *request) error {
	var data struct {
		Days, Channels  statistics
		Today           figures
		Funnel          []step
		Charts          []chart
		Cards           []listedCard
		CardID          string
		Waiting, Parked int64
		Tickets         tickets
		Checks          checks
	}
	data.CardID = r.Query("card_id")
	query := url.Values{}
	if data.CardID != "" {
		query.Set("card_id", data.CardID)
	}
	if err := r.get("/v1/statistics", query, &data.Days); err != nil {
		return err
	}
	query.Set("group", "channel")
	if err := r.get("/v1/statistics", query, &data.Channels); err != nil {
		return err
	}
	var outbox struct {
		Counts counted `json:"counts"`
	}
	if err := r.get(messagesPath, url.Values{"limit": {"1"}}, &outbox); err != nil {
		return err
	}
	data.Waiting, data.Parked = outbox.Counts.Waiting, outbox.Counts.Dead
	if err := r.get("/v1/tickets", nil, &data.Tickets); err != nil {
		return err
	}
	var err error
	if data.Checks, err = r.checks(); err != nil {
		return err
	}
	if data.Cards, err = r.cards(); err != nil {
		return err
	}
	if rows := data.Days.Rows; len(rows) > 0 {
		data.Today = rows[len(rows)-1]
	}
	data.Funnel, data.Charts = funnel(data.Days.Total), charts(data.Days.Rows)
	return r.render(http.StatusOK, "overview", data)
}

// charts returns the charts of the overview.
func charts(days []figures) []chart {
	return []chart{
		plot("cards", days, decimal, series{"issued", func(f figures) int64 { return f.Issued }},
			series{"claimed", func(f figures) int64 { return f.Claimed }}, series{"activated", func(f figures) int64 { return f.Activated }}),
		plot("bonus", days, decimal, series{"bonus_given", func(f figures) int64 { return f.BonusGiven }},
			series{"bonus_spent", func(f figures) int64 { return f.BonusSpent }}),
		plot("balance", days, yuan, series{"balance_given", func(f figures) int64 { return f.BalanceGiven }},
			series{"balance_spent", func(f figures) int64 { return f.BalanceSpent }}),
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// Name returns the channel, or "" for cards without one.
func (f figures) Name() string {
	if f.Channel == nil {
		return ""
	}
	return *f.Channel
}
