package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/statistics"
)

func day(t *testing.T, text string) statistics.Day {
	t.Helper()
	d, err := statistics.ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestStatistics_DaysAreThoseOfTheSpan(t *testing.T) {
	t.Parallel()
	today := statistics.DayOf(time.Now(), time.UTC)
	november := statistics.Span{From: day(t, "2026-11-01"), To: day(t, "2026-11-30"), CardID: "p1"}
	for query, tt := range map[string]struct {
		call string
		span statistics.Span
	}{
		"":                                  {"days", statistics.Span{From: today - 29, To: today}},
		"?from=2026-11-01&to=2026-11-03":    {"days", statistics.Span{From: day(t, "2026-11-01"), To: day(t, "2026-11-03")}},
		"?to=2026-11-30&card_id=p1":         {"days", november},
		"?to=1970-01-02&group=channel":      {"channels", statistics.Span{From: 0, To: 1}},
		"?from=2025-10-27&to=2026-11-30":    {"days", statistics.Span{From: day(t, "2025-10-27"), To: day(t, "2026-11-30")}},
		"?from=2026-11-30&to=2026-11-30":    {"days", statistics.Span{From: day(t, "2026-11-30"), To: day(t, "2026-11-30")}},
		"?group=day&from=" + today.String(): {"days", statistics.Span{From: today, To: today}},
	} {
		o := &office{}
		w := do(o.serve(""), "GET", "/v1/statistics"+query, operatorToken, "")
		want := fmt.Sprintf("%s %+v", tt.call, tt.span)
		if got := strings.Join(o.calls, " ") + " " + strings.Trim(o.given, "[]"); w.Code != 200 || got != want {
			t.Errorf("%s: got %d %s, want %s", query, w.Code, got, want)
		}
	}
	for query, location := range map[string]string{
		"?from=2026-11-31": "query.from", "?to=yesterday": "query.to", "?from=2026-11-01T00:00:00Z": "query.from", "?to=1969-12-31": "query.to",
		"?from=2026-11-02&to=2026-11-01": "query.from", "?from=2025-10-26&to=2026-11-30": "query.from", "?from=9998-01-01": "query.from",
		"?group=week": "query.group", "?card_id=a%20b": "query.card_id",
	} {
		o := &office{}
		w := do(o.serve(""), "GET", "/v1/statistics"+query, operatorToken, "")
		if refused(t, query, w, 422, "invalid_input"); !strings.Contains(w.Body.String(), `"`+location+`"`) || len(o.calls) > 0 {
			t.Errorf("%s: got %s after %q, want %s", query, w.Body, o.calls, location)
		}
	}
	o := &office{err: errors.New("a fault")}
	refused(t, "a fault", do(o.serve(""), "GET", "/v1/statistics", operatorToken, ""), 500, "internal")
}

func TestStatistics_TheAnswer(t *testing.T) {
	t.Parallel()
	f := statistics.Figures{
		Issued: 1, Claimed: 2, Activated: 3, Deleted: 4, BonusGiven: -5, BonusSpent: 6, BalanceGiven: 7, BalanceSpent: 8, Entries: 9,
	}
	const figures = `"issued":1,"claimed":2,"activated":3,"deleted":4,"bonus_given":-5,"bonus_spent":6,` +
		`"balance_given":7,"balance_spent":8,"entries":9}`
	until := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	for group, tt := range map[string]struct {
		report statistics.Report
		want   string
	}{
		"day": {
			statistics.Report{Rows: []statistics.Row{{Day: 0, Figures: f}}, Total: f, Until: until},
			`"group":"day","rows":[{"day":"1970-01-01",` + figures + `],"total":{` + figures + `,"final_until":"2026-11-30T08:00:00Z"}`,
		},
		"channel": {
			statistics.Report{Rows: []statistics.Row{{Figures: f}, {Channel: "table1", Figures: f}, {Other: true, Figures: f}}, Total: f},
			`"group":"channel","rows":[{"channel":"",` + figures + `,{"channel":"table1",` + figures + `,{"other":true,` + figures +
				`],"total":{` + figures + `}`,
		},
	} {
		o := &office{figures: tt.report}
		w := do(o.serve(""), "GET", "/v1/statistics?from=2026-11-01&to=2026-11-03&group="+group, operatorToken, "")
		if want := `{"time_zone":"UTC","from":"2026-11-01","to":"2026-11-03",` + tt.want; strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: got %s, want %s", group, w.Body, want)
		}
	}
}
