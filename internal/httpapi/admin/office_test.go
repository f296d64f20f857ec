package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/httpapi/admin"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/statistics"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/timeline"
)

// office stands in for all services behind the operator's API. It remembers which
// methods were called, and with what.
type office struct {
	mu      sync.Mutex // for what a batch books at once
	calls   []string
	given   string // the arguments of the last call
	err     error
	failing string // the only method that fails; empty is each
	cards   []card.Card
	card    card.Card // of each other answer about a card
	person  member.Person
	answers map[string]string
	drift   *cardsync.Drift
	report  cardext.Report
	results []card.CodeResult
	hang    chan struct{} // unless nil, exports wait for it to be closed
	booked  []ledger.Request
	onBook  func(ctx context.Context, card string, r ledger.Request) error // called first; may be nil
	replay  bool
	people  []member.Person
	entries []ledger.Entry
	journal []ledger.CardEntry
	queue   []outbox.Stored
	events  []timeline.Event
	started importer.Import
	lines   []importer.Result
	bound   []importer.Account
	waiting []importer.Account
	slots   chan struct{} // for requests that write
	figures statistics.Report
	until   time.Time // the deadline of the last creation, deposit or export
	records records
	back    backroom

	tickets  map[string]ticket.Status
	findings []doctor.Finding
	checked  time.Time
}

func (o *office) call(name string, given ...any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls, o.given = append(o.calls, name), fmt.Sprintf("%+v", given)
	if o.failing != "" && o.failing != name {
		return nil
	}
	return o.err
}

// text returns the value that a pointer of a request leads to.
func text[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

func (o *office) Create(ctx context.Context, d card.Document) (string, error) {
	o.until, _ = ctx.Deadline()
	return "p", o.call("create", string(d.JSON))
}
func (o *office) List(context.Context) ([]card.Card, error) { return o.cards, o.call("list") }
func (o *office) Get(_ context.Context, cardID string) (card.Card, error) {
	c := o.card // a batch asks for several at once
	c.ID = cardID
	return c, o.call("face", cardID)
}
func (o *office) Show(_ context.Context, cardID string) (card.Card, json.RawMessage, error) {
	o.card.ID = cardID
	return o.card, json.RawMessage(`{"a":1}`), o.call("show", cardID)
}
func (o *office) Update(_ context.Context, cardID string, d card.Document) (card.Change, error) {
	return card.Change{SendCheck: true, Changed: true, Ignored: []string{"hologram"}}, o.call("update", cardID, string(d.JSON))
}
func (o *office) Delete(_ context.Context, cardID string) error { return o.call("delete", cardID) }
func (o *office) Stock(_ context.Context, cardID string, delta int64) error {
	return o.call("stock", cardID, delta)
}
func (o *office) Settings(_ context.Context, cardID string, c card.SettingsChange) (card.Card, error) {
	return o.card, o.call("settings", cardID, text(c.ActivateOnClaim), text(c.FixedBeginTimestamp), text(c.InitBonus), text(c.InitBalance),
		text(c.InitBonusRecord))
}
func (o *office) ActivationForm(_ context.Context, cardID string, d card.Document) error {
	return o.call("activation form", cardID, string(d.JSON))
}

func (o *office) QR(_ context.Context, q card.QRCode) (card.QRTicket, error) {
	return card.QRTicket{Ticket: "t", URL: "u", ShowURL: "s", ExpireSeconds: 60}, o.call("qr", q)
}
func (o *office) Deposit(ctx context.Context, cardID string, codes []string, _ func([]card.CodeResult)) ([]card.CodeResult, error) {
	o.until, _ = ctx.Deadline()
	return o.results, o.call("deposit", cardID, codes)
}
func (o *office) Unavailable(_ context.Context, cardID, code, reason string) error {
	return o.call("unavailable", cardID, code, reason)
}
func (o *office) Whitelist(_ context.Context, openIDs, userNames []string) error {
	return o.call("whitelist", openIDs, userNames)
}
func (o *office) Image(_ context.Context, picture []byte) (string, error) {
	return "u", o.call("image", string(picture))
}
func (o *office) Shelf(_ context.Context, d card.Document) (string, int64, error) {
	return "u", 7, o.call("shelf", string(d.JSON))
}

func (o *office) Explain(_ context.Context, cardID, cardExt string, f cardext.Facts) (cardext.Report, error) {
	return o.report, o.call("explain", cardID, cardExt, f.NotString, f.Signed)
}

func (o *office) People(_ context.Context, after member.Mark, n int) (page []member.Person, err error) {
	for i, p := range o.people {
		if after.ID == "" || after.ID == p.ID && after.CreatedAt.Equal(p.CreatedAt) {
			if after.ID != "" {
				i++
			}
			page = o.people[i:min(len(o.people), i+n)]
			break
		}
	}
	return page, o.call("people")
}
func (o *office) Find(_ context.Context, key string, n int) ([]member.Person, error) {
	return []member.Person{o.person}, o.call("find", key, n)
}
func (o *office) Person(_ context.Context, memberID string) (member.Person, error) {
	o.person.ID = memberID
	return o.person, o.call("person", memberID)
}

// registry is the office's ledger: its Export is another than that of its members.
type registry struct{ *office }

func (r registry) Export(ctx context.Context, w io.Writer, file sheet.File, f ledger.Filter, zone *time.Location) error {
	_, _ = io.WriteString(w, "time,card_id\n")
	r.until, _ = ctx.Deadline()
	return r.call("export entries", string(file.Format), f, zone.String())
}

func (o *office) Export(ctx context.Context, w io.Writer, file sheet.File) error {
	_, _ = io.WriteString(w, "card_id,code\n")
	if o.hang != nil {
		<-o.hang
		return nil
	}
	o.until, _ = ctx.Deadline()
	return o.call("export", string(file.Format))
}
func (o *office) Erase(_ context.Context, memberID string) error { return o.call("erase", memberID) }
func (o *office) EraseImported(_ context.Context, accountID string) error {
	return o.call("erase imported", accountID)
}

func (o *office) EraseWithCodes(_ context.Context, memberID string) (int, error) {
	return 1, o.call("erase with codes", memberID)
}

func (o *office) Events(_ context.Context, memberID string, m timeline.Mark, n int) (page []timeline.Event, err error) {
	for _, e := range o.events {
		if m == (timeline.Mark{}) || e.At.Before(m.At) || e.At.Equal(m.At) && e.ID < m.ID {
			page = append(page, e)
		}
	}
	return page[:min(n, len(page))], o.call("events", memberID, n)
}
func (o *office) Cards(_ context.Context, memberID string, lang timeline.Lang) ([]timeline.Card, string, error) {
	return []timeline.Card{{CardID: "p", Code: "c", Status: "active", Why: "in " + string(lang)}}, "why", o.call("cards", memberID, lang)
}

func (o *office) Answers(_ context.Context, cardID, code string) (map[string]string, error) {
	if code == "none" {
		return nil, nil
	}
	return o.answers, o.call("answers", cardID, code)
}
func (o *office) SetFields(_ context.Context, cardID, code string, c member.FieldChange) ([3]string, error) {
	return [3]string{"a", "b", "c"},
		o.call("fields", cardID, code, text(c.Values[0]), text(c.Values[1]), text(c.Values[2]), c.Notify)
}

func (o *office) AddEntry(ctx context.Context, cardID, code string, b ledger.Booking, r ledger.Request) ([]byte, bool, error) {
	if o.onBook != nil {
		if err := o.onBook(ctx, cardID+"/"+code, r); err != nil {
			return nil, false, err
		}
	}
	o.mu.Lock()
	o.booked = append(o.booked, r)
	o.mu.Unlock()
	return []byte(`{"entry":{}}`), o.replay, o.call("add entry", cardID, code, b)
}
func (o *office) AllEntries(_ context.Context, f ledger.Filter, before ledger.Mark, n int) (page []ledger.CardEntry, err error) {
	for i, e := range o.journal {
		if before == (ledger.Mark{}) || before == e.Mark() {
			if before != (ledger.Mark{}) {
				i++
			}
			page = o.journal[i:min(len(o.journal), i+n)]
			break
		}
	}
	return page, o.call("all entries", f)
}
func (o *office) Entries(_ context.Context, _, _ string, before int64, n int) (page []ledger.Entry, err error) {
	for _, e := range o.entries {
		if (before == 0 || e.Seq < before) && len(page) < n {
			page = append(page, e)
		}
	}
	return page, o.call("entries")
}
func (o *office) DriftOf(_ context.Context, cardID, code string) (cardsync.Drift, error) {
	if o.drift == nil && o.failing == "" {
		return cardsync.Drift{}, member.ErrNotFound
	}
	if err := o.call("drift", cardID, code); err != nil {
		return cardsync.Drift{}, err
	}
	return *o.drift, nil
}

func (o *office) Messages(_ context.Context, f outbox.Filter, after outbox.Mark, n int) (page []outbox.Stored, err error) {
	for i, m := range o.queue {
		if after == (outbox.Mark{}) || m.Mark() == after {
			if after != (outbox.Mark{}) {
				i++
			}
			page = o.queue[i:min(len(o.queue), i+n)]
			break
		}
	}
	return page, o.call("messages", f, n)
}
func (o *office) Retry(_ context.Context, id string) error { return o.call("retry", id) }
func (o *office) Backlog(context.Context) (outbox.Backlog, error) {
	return outbox.Backlog{Waiting: 3, Parked: 2}, o.call("backlog")
}
func (o *office) Count(_ context.Context, f outbox.Filter) (outbox.Backlog, error) {
	return outbox.Backlog{Waiting: 1, Parked: 2}, o.call("count", f)
}
func (o *office) Message(_ context.Context, id string) (outbox.Stored, []outbox.Try, error) {
	m := outbox.Stored{Message: outbox.Message{ID: id}, State: outbox.Parked, LastError: "push: wechat: /card/x: -1 busy: wechat: /y: 7 "}
	return m, []outbox.Try{{At: time.Unix(1e9, 0).UTC(), Outcome: outbox.TryParked, Attempts: 3, Text: "why"}}, o.call("message", id)
}
func (o *office) RetryAll(_ context.Context, actor string, f outbox.Filter) (outbox.RetryJob, error) {
	return outbox.RetryJob{ID: "r", Actor: actor, Filter: f, State: outbox.JobRunning, Total: 9, Done: 1, Failed: 2}, o.call("retry all", actor, f)
}
func (o *office) RetryJob(_ context.Context, id string) (outbox.RetryJob, error) {
	return outbox.RetryJob{ID: id, State: outbox.JobDone, EndedAt: time.Unix(1e9, 0).UTC()}, o.call("retry job", id)
}
func (o *office) RetryJobs(_ context.Context, n int) ([]outbox.RetryJob, error) {
	return []outbox.RetryJob{{ID: "r"}}, o.call("retry jobs", n)
}
func (o *office) StopRetry(_ context.Context, id string) error { return o.call("stop retry", id) }

func (o *office) Shared(_ context.Context, kind string) (string, time.Duration, error) {
	return "the " + kind, time.Hour, o.call("shared", kind)
}
func (o *office) Reject(_ context.Context, kind, value string, byHand bool) error {
	if byHand {
		return o.call("reject", kind, value, "by hand")
	}
	return o.call("reject", kind, value)
}
func (o *office) Status(kind string) ticket.Status {
	_ = o.call("status", kind)
	return o.tickets[kind]
}
func (o *office) CallsToday() map[string]int { return map[string]int{"/b": 2, "/a": 1} }

func (o *office) Findings() ([]doctor.Finding, time.Time) {
	_ = o.call("findings")
	return o.findings, o.checked
}

func (o *office) Days(_ context.Context, span statistics.Span) (statistics.Report, error) {
	return o.figures, o.call("days", span)
}
func (o *office) Channels(_ context.Context, span statistics.Span) (statistics.Report, error) {
	return o.figures, o.call("channels", span)
}

const (
	operatorToken = "operator-token-of-forty-characters-00001"
	ticketToken   = "ticket-token-of-forty-characters-0000001"
)

// serve returns the operator's API in front of the office.
func (o *office) serve(ticketToken string) http.Handler {
	if o.slots == nil {
		o.slots = make(chan struct{}, 1)
	}
	options := admin.Options{
		Common: admin.Common{
			Log: slog.New(slog.DiscardHandler), Version: "test", InFlight: o.slots,
			Observe: func(string, string, int, time.Duration) {}, Ready: func(context.Context) error { return nil },
		},
		Metrics: prometheus.NewRegistry(), AdminToken: operatorToken, TicketToken: ticketToken,
	}
	o.back.office, o.records.office = o, o
	return admin.New(admin.Services{Cards: o, Distribution: o, Explainer: o, People: o, Forms: o, Fields: o, Imports: imports{o},
		Ledger: registry{o}, Drifts: o, Outbox: o, Tickets: o, Staff: &o.back, Shop: &o.back, Webhooks: switchboard{o},
		Statistics: o, Timelines: o, Checks: o,
		Audit: o.records.service()}, options).Handler
}

// do sends a request; edit changes it.
func do(h http.Handler, method, target, token, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(withDeadlines{w}, r)
	return w
}

// withDeadlines takes deadlines, as a connection does.
type withDeadlines struct{ *httptest.ResponseRecorder }

func (withDeadlines) SetWriteDeadline(time.Time) error { return nil }

// refused checks that an answer is a problem of this status and code.
func refused(t *testing.T, what string, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Code != code {
		t.Errorf("%s: got %d %s, want %d %s", what, w.Code, w.Body, status, code)
	}
}
