package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// allEntriesPath is the API's path of the entries of all cards.
const allEntriesPath = "/v1/entries"

// bookedEntry is an entry among those of all cards, as GET /v1/entries shows it.
type bookedEntry struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
	entry
}

// Clock returns the time of the day at which it was booked.
func (e bookedEntry) Clock(v View) string { return e.CreatedAt.In(v.zone).Format(time.TimeOnly) }

// ledgerDay is the entries of a day of the shop that are on a page, with the figures of
// the whole day, if they are known.
type ledgerDay struct {
	Day     string
	Figures *figures
	Entries []bookedEntry
}

// export has the links to files with what a page lists.
type export struct {
	Path      string
	CSV, XLSX url.Values
}

// exportOf returns the links to the export of an API's list, in the language of the page.
func (r *request) exportOf(list string, filter url.Values) export {
	csv := with(filter, "lang", r.lang)
	return export{list + "/export", csv, with(csv, "format", "xlsx")}
}

// period is a link to the entries of some days until today.
type period struct {
	Name    string
	Query   url.Values
	Current bool
}

func periods(filter url.Values, now time.Time) (list []period) {
	today := now.Format(time.DateOnly)
	for _, p := range []struct{ name, from string }{{"today", today}, {"month", now.Format("2006-01-") + "01"}} {
		list = append(list, period{
			Name: p.name, Query: with(with(filter, "from", p.from), "to", today),
			Current: filter.Get("from") == p.from && filter.Get("to") == today,
		})
	}
	return list
}

// entries lists the entries of all cards by day.
func (c *Console) entries(r *request) error {
	var data struct {
		Filter, Here, Older url.Values
		Export              export
		Cards               []choice
		Periods             []period
		Days                []ledgerDay
		Entries             []bookedEntry `json:"entries"`
		NextCursor          string        `json:"next_cursor"`
	}
	data.Filter = r.filter("from", "to", "card_id", "actor", "store", "order")
	data.Export, data.Here = r.exportOf(allEntriesPath, data.Filter), with(data.Filter, "cursor", r.Query("cursor"))
	data.Periods = periods(data.Filter, time.Now().In(c.zone))
	var err error
	if data.Cards, err = r.cardChoices(data.Filter.Get("card_id")); err != nil {
		return err
	}
	if err := r.get(allEntriesPath, data.Here, &data); err != nil {
		return r.again(err, func(r *request) error { return r.render(http.StatusOK, "entries", data) })
	}
	if data.NextCursor != "" {
		data.Older = with(data.Filter, "cursor", data.NextCursor)
	}
	data.Days = byDay(data.Entries, c.zone)
	if err := r.addFigures(data.Days, data.Filter); err != nil {
		return err
	}
	r.offer(http.MethodGet, data.Export.Path+"?"+data.Export.XLSX.Encode(), "", nil)
	return r.render(http.StatusOK, "entries", data)
}

// byDay groups entries, which are in order, by the days of a zone.
func byDay(list []bookedEntry, zone *time.Location) (days []ledgerDay) {
	for _, e := range list {
		day := e.CreatedAt.In(zone).Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Day != day {
			days = append(days, ledgerDay{Day: day})
		}
		last := &days[len(days)-1]
		last.Entries = append(last.Entries, e)
	}
	return days
}

// longest is how many days GET /v1/statistics can report.
const longest = 400 * 24 * time.Hour

// addFigures adds the figures of the days, which the statistics have for all entries or
// those of a card. With another filter, and over more days, there are none.
func (r *request) addFigures(days []ledgerDay, filter url.Values) error {
	if len(days) == 0 || filter.Has("actor") || filter.Has("store") || filter.Has("order") {
		return nil
	}
	first, last := days[len(days)-1].Day, days[0].Day
	from, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return err
	}
	to, err := time.Parse(time.DateOnly, last)
	if err != nil || to.Sub(from) >= longest {
		return err
	}
	query := url.Values{"from": {first}, "to": {last}}
	if card := filter.Get("card_id"); card != "" {
		query.Set("card_id", card)
	}
	var report statistics
	if err := r.get("/v1/statistics", query, &report); err != nil {
		return err
	}
	for i := range days {
		d := &days[i]
		at := slices.IndexFunc(report.Rows, func(f figures) bool { return f.Day == d.Day })
		counted := report.Until != nil && d.Entries[0].CreatedAt.Before(*report.Until) // all its entries
		if at >= 0 && counted {
			d.Figures = &report.Rows[at]
		}
	}
	return nil
}

// undoEntry reverses an entry. The key is always the same, so it is reversed once.
func (c *Console) undoEntry(r *request) error {
	id := r.PostForm("reverses")
	path := entriesPath(r.PostForm("card_id"), r.PostForm("code"))
	err := r.call(http.MethodPost, path, map[string]string{"Idempotency-Key": "undo-" + id}, map[string]any{"reverses": id}, nil)
	if err != nil {
		return r.again(err, c.entries)
	}
	here := r.filter("from", "to", "card_id", "actor", "store", "order", "cursor")
	return r.back("/entries?" + with(here, "done", "undone").Encode())
}
