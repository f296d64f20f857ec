package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/httpapi/admin"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// office stands in for all services behind the operator's API. It remembers which
// methods were called.
type office struct {
	calls   []string
	err     error
	booked  []ledger.Request
	replay  bool
	people  []member.Person
	entries []ledger.Entry
	queue   []outbox.Stored
	slots   chan struct{} // for requests that write
	until   time.Time     // the deadline of the last creation, deposit or export
}

func (o *office) call(name string) error {
	o.calls = append(o.calls, name)
	return o.err
}

func (o *office) Create(ctx context.Context, _ card.Document) (string, error) {
	o.until, _ = ctx.Deadline()
	return "p", o.call("create")
}
func (o *office) List(context.Context) ([]card.Card, error) { return nil, o.call("list") }
func (o *office) Show(_ context.Context, cardID string) (card.Card, json.RawMessage, error) {
	return card.Card{ID: cardID}, json.RawMessage("{}"), o.call("show")
}
func (o *office) Update(context.Context, string, card.Document) (card.Change, error) {
	return card.Change{}, o.call("update")
}
func (o *office) Delete(context.Context, string) error       { return o.call("delete") }
func (o *office) Stock(context.Context, string, int64) error { return o.call("stock") }
func (o *office) Settings(_ context.Context, cardID string, _ card.SettingsChange) (card.Card, error) {
	return card.Card{ID: cardID}, o.call("settings")
}
func (o *office) ActivationForm(context.Context, string, card.Document) error {
	return o.call("activation form")
}

func (o *office) QR(context.Context, card.QRCode) (card.QRTicket, error) {
	return card.QRTicket{}, o.call("qr")
}
func (o *office) Deposit(ctx context.Context, _ string, _ []string, _ func([]card.CodeResult)) ([]card.CodeResult, error) {
	o.until, _ = ctx.Deadline()
	return nil, o.call("deposit")
}
func (o *office) Unavailable(context.Context, string, string, string) error {
	return o.call("unavailable")
}
func (o *office) Whitelist(context.Context, []string, []string) error { return o.call("whitelist") }
func (o *office) Image(context.Context, []byte) (string, error)       { return "u", o.call("image") }
func (o *office) Shelf(context.Context, card.Document) (string, int64, error) {
	return "u", 1, o.call("shelf")
}

func (o *office) Explain(context.Context, string, string, cardext.Facts) (cardext.Report, error) {
	return cardext.Report{}, o.call("explain")
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
func (o *office) Find(context.Context, string, int) ([]member.Person, error) {
	return nil, o.call("find")
}
func (o *office) Person(_ context.Context, memberID string) (member.Person, error) {
	return member.Person{ID: memberID}, o.call("person")
}
func (o *office) Export(ctx context.Context, w io.Writer) error {
	o.until, _ = ctx.Deadline()
	_, _ = io.WriteString(w, "card_id,code\n")
	return o.call("export")
}
func (o *office) Erase(context.Context, string) error { return o.call("erase") }
func (o *office) EraseWithCodes(context.Context, string) (int, error) {
	return 1, o.call("erase with codes")
}

func (o *office) Answers(context.Context, string, string) (map[string]string, error) {
	return nil, o.call("answers")
}
func (o *office) SetFields(context.Context, string, string, member.FieldChange) ([3]string, error) {
	return [3]string{}, o.call("fields")
}

func (o *office) AddEntry(_ context.Context, _, _ string, _ ledger.Booking, r ledger.Request) ([]byte, bool, error) {
	o.booked = append(o.booked, r)
	return []byte(`{"entry":{}}`), o.replay, o.call("add entry")
}
func (o *office) Entries(_ context.Context, _, _ string, before int64, n int) (page []ledger.Entry, err error) {
	for _, e := range o.entries {
		if (before == 0 || e.Seq < before) && len(page) < n {
			page = append(page, e)
		}
	}
	return page, o.call("entries")
}
func (o *office) DriftOf(context.Context, string, string) (cardsync.Drift, error) {
	return cardsync.Drift{}, member.ErrNotFound
}

func (o *office) Messages(_ context.Context, _ string, after outbox.Mark, n int) (page []outbox.Stored, err error) {
	for i, m := range o.queue {
		if after == (outbox.Mark{}) || m.Mark() == after {
			if after != (outbox.Mark{}) {
				i++
			}
			page = o.queue[i:min(len(o.queue), i+n)]
			break
		}
	}
	return page, o.call("messages")
}
func (o *office) Retry(context.Context, string) error { return o.call("retry") }

func (o *office) Shared(_ context.Context, kind string) (string, time.Duration, error) {
	return "the " + kind, time.Hour, o.call("shared")
}
func (o *office) Reject(context.Context, string, string) error { return o.call("reject") }

const (
	operatorToken = "operator-token-of-forty-characters-00001"
	ticketToken   = "ticket-token-of-forty-characters-0000001"
)

// serve returns the operator's API in front of the office.
func (o *office) serve(ticketToken string) http.Handler {
	o.slots = make(chan struct{}, 1)
	options := admin.Options{
		Common: admin.Common{
			Log: slog.New(slog.DiscardHandler), Version: "test", InFlight: o.slots,
			Observe: func(string, string, int, time.Duration) {}, Ready: func(context.Context) error { return nil },
		},
		Metrics: prometheus.NewRegistry(), AdminToken: operatorToken, TicketToken: ticketToken,
	}
	return admin.New(admin.Services{Cards: o, Distribution: o, Explainer: o, People: o, Forms: o, Fields: o, Ledger: o, Drifts: o,
		Outbox: o, Tickets: o}, options).Handler
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
	h.ServeHTTP(w, r)
	return w
}

// refused checks that an answer is a problem of this status and code.
func refused(t *testing.T, what string, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Code != code {
		t.Errorf("%s: got %d %s, want %d %s", what, w.Code, w.Body, status, code)
	}
}
