package admin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/ticket"
)

func TestTickets_HowTheyAre(t *testing.T) {
	t.Parallel()
	o := &office{tickets: map[string]ticket.Status{
		"access_token": {
			Ready: true, Age: time.Hour, Left: 30 * time.Minute, Fetched: true,
			Counts: ticket.Counts{Fetches: ticket.Fetches{Issued: 3, Unchanged: 2, Quota: 1}, Rejections: 2, Superseded: 1},
		},
		"wx_card": {
			LastError: errors.New("wechat: /cgi-bin/ticket/getticket: 45009 <b>"), ErrorAge: time.Minute, BackOff: time.Hour,
			Counts: ticket.Counts{Polls: 1, Fetches: ticket.Fetches{Permanent: 1, Transient: 1, Invalid: 1}},
		},
	}}
	w := do(o.serve(""), "GET", "/v1/tickets", managerToken, "")
	for _, want := range []string{
		`{"kind":"access_token","state":"ready","since":"`, `"age":3600,`, `"expires_in":1800,"fetched_by":"this","refreshes":5,"failures":1,"rejected":2,"superseded":1}`,
		`{"kind":"wx_card","state":"missing","age":0,"expires_in":0,"refreshes":0,"failures":3,"rejected":0,"superseded":0,"last_error":"wechat: /cgi-bin`,
		`"error_at":"`, `"retry_at":"`,
		`{"kind":"jsapi","state":"unused","age":0,"expires_in":0,"refreshes":0,"failures":0,"rejected":0,"superseded":0}`,
		`"calls_today":[{"api":"/a","calls":1},{"api":"/b","calls":2}]`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
		}
	}
	o.tickets["wx_card"] = ticket.Status{Ready: true}
	if w := do(o.serve(""), "GET", "/v1/tickets", operatorToken, ""); !strings.Contains(w.Body.String(), `"fetched_by":"another"`) {
		t.Errorf("an adopted ticket: got %s", w.Body)
	}
}

func TestChecks_TheLastExamination(t *testing.T) {
	t.Parallel()
	o := &office{}
	w := do(o.serve(""), "GET", "/v1/checks", managerToken, "")
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"findings":[]}` {
		t.Errorf("before the first: got %d %s", w.Code, got)
	}
	o.checked = time.Date(2026, 11, 30, 16, 0, 0, 0, time.FixedZone("", 8*3600))
	o.findings = []doctor.Finding{{Name: "database", Outcome: doctor.OK, Found: doctor.Text{English: "open", Chinese: "已打开"}},
		{Name: "outbox", Outcome: doctor.Warning,
			Found: doctor.Text{English: "a", Chinese: "甲"}, Fix: doctor.Text{English: "b", Chinese: "乙"}}}
	const want = `{"checked_at":"2026-11-30T08:00:00Z","findings":[{"name":"database","outcome":"ok","found":"open"},` +
		`{"name":"outbox","outcome":"warning","found":"a","fix":"b"}]}`
	if got := strings.TrimSpace(do(o.serve(""), "GET", "/v1/checks", managerToken, "").Body.String()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := do(o.serve(""), "GET", "/v1/checks?lang=zh", managerToken, "").Body.String(); !strings.Contains(got, `"found":"甲","fix":"乙"`) {
		t.Errorf("in Chinese: got %s", got)
	}
}
