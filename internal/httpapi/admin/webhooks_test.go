package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/webhook"
)

// switchboard is the office's service of webhooks.
type switchboard struct{ *office }

var endpoint = webhook.Status{
	Endpoint: webhook.Endpoint{
		ID: "w", URL: "https://crm.example/", Events: []string{"*"}, Enabled: true, CreatedAt: time.Unix(1e9, 0).UTC(),
		Secret: "sealed-secret", PreviousSecret: "sealed-before",
	},
	Waiting: 2, Dead: 1, OldestWaiting: time.Unix(1e9+1, 0).UTC(),
}

func (s switchboard) Add(_ context.Context, e webhook.Endpoint) (webhook.Endpoint, string, error) {
	e.ID = "w"
	return e, "whsec_new", s.call("add webhook", e.URL, e.Events, e.Enabled, e.Description)
}
func (s switchboard) Change(_ context.Context, id string, c webhook.Change) (webhook.Endpoint, string, error) {
	secret := ""
	if c.RotateSecret {
		secret = "whsec_other"
	}
	return endpoint.Endpoint, secret, s.call("change webhook", id, text(c.URL), text(c.Description), text(c.Events), text(c.Enabled))
}
func (s switchboard) Remove(_ context.Context, id string) error { return s.call("remove webhook", id) }
func (s switchboard) Endpoints(context.Context) ([]webhook.Status, error) {
	return []webhook.Status{endpoint}, s.call("webhooks")
}
func (s switchboard) Endpoint(_ context.Context, id string) (webhook.Status, error) {
	return endpoint, s.call("webhook", id)
}
func (s switchboard) Test(_ context.Context, id string) (webhook.Attempt, error) {
	return webhook.Attempt{Status: 500, Err: errors.New("it answers 500"), Duration: time.Second}, s.call("test webhook", id)
}
func (s switchboard) Deliveries(
	_ context.Context, id string, f webhook.Filter, after webhook.Mark, n int,
) (page []webhook.Delivery, err error) {
	for i := range int64(5) {
		d := webhook.Delivery{Seq: 5 - i, ID: fmt.Sprint("evt_", 5-i), State: webhook.Waiting, HappenedAt: time.UnixMilli(5000 - i/2).UTC()}
		if after == (webhook.Mark{}) || d.HappenedAt.Before(after.HappenedAt) || d.HappenedAt.Equal(after.HappenedAt) && d.Seq < after.Seq {
			page = append(page, d)
		}
	}
	return page[:min(n, len(page))], s.call("deliveries", id, f)
}
func (s switchboard) Resend(_ context.Context, id, eventID string) error {
	return s.call("resend", id, eventID)
}
func (s switchboard) ResendSpan(_ context.Context, id string, span webhook.Span) (int64, time.Time, error) {
	return 7, time.Time{}, s.call("resend span", id, span.From.Unix(), span.To.Unix(), span.Types)
}

// A request does what its service does, and shows a secret once.
func TestWebhooks_Answers(t *testing.T) {
	t.Parallel()
	const shown = `"id":"w","url":"https://crm.example/","events":["*"],"enabled":true,"created_at":"2001-09-09T01:46:40Z",` +
		`"waiting":2,"dead":1,"oldest_waiting_at":"2001-09-09T01:46:41Z"`
	for _, tt := range []struct{ method, path, body, given, want string }{
		{"POST", "", `{"url":"https://a/","events":["card.claimed"]}`, "[https://a/ [card.claimed] true ]", `"secret":"whsec_new"`},
		{"POST", "", `{"url":"https://a/","events":["*"],"enabled":false,"description":"d"}`, "[https://a/ [*] false d]", `"enabled":false`},
		{"GET", "", "", "[]", `{"webhooks":[{` + shown + `}]}`},
		{"GET", "/w", "", "[w]", `{` + shown + `}`},
		{"PATCH", "/w", `{"events":["*"],"rotate_secret":true}`, "[w]", `"secret":"whsec_other"`},
		{"PATCH", "/w", `{"enabled":false}`, "[w]", `{` + shown + `}`},
		{"DELETE", "/w", "", "[w]", ""},
		{"POST", "/w/test", "", "[w]", `{"delivered":false,"status":500,"error":"it answers 500","duration_ms":1000}`},
		{"GET", "/w/deliveries?state=dead&type=card.claimed&limit=1", "", "[w {State:dead Type:card.claimed}]", `"id":"evt_5"`},
		{"POST", "/w/resend", `{"id":"evt_1"}`, "[w evt_1]", `{"count":1}`},
		{"POST", "/w/resend", `{"from":"2001-09-09T01:46:40Z","to":"2001-09-09T01:46:41+00:00","events":["card.claimed"]}`,
			"[w 1000000000 1000000001 [card.claimed]]", `{"count":7}`},
	} {
		o := &office{}
		w := do(o.serve(""), tt.method, "/v1/webhooks"+tt.path, operatorToken, tt.body)
		if w.Code/100 != 2 || o.given != tt.given || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "sealed") {
			t.Errorf("%s %s: got %d %s of %s, want %s of %s", tt.method, tt.path, w.Code, w.Body, o.given, tt.want, tt.given)
		}
	}
}

// Bad input names the field and changes nothing.
func TestWebhooks_BadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, path, body, location string }{
		{"POST", "", `{"url":"https://a/"}`, "body.events"},
		{"POST", "", `{"url":"https://a/","events":[]}`, "body.events"},
		{"POST", "", `{"events":["*"]}`, "body.url"},
		{"POST", "", `{"url":"","events":["*"]}`, "body.url"},
		{"POST", "", `{"url":"https://a/","events":["*"],"secret":"whsec_mine"}`, "body.secret"},
		{"PATCH", "/w", `{"url":1}`, "body.url"},
		{"POST", "/w/resend", `{}`, "body"},
		{"POST", "/w/resend", `{"id":"e","from":"2001-09-09T01:46:40Z","to":"2001-09-09T01:46:41Z"}`, "body"},
		{"POST", "/w/resend", `{"id":"e","events":["card.claimed"]}`, "body"},
		{"POST", "/w/resend", `{"from":"2001-09-09T01:46:40Z"}`, "body.to"},
		{"POST", "/w/resend", `{"from":"2001-09-09T01:46:40Z","to":"2001-09-09T01:46:40Z"}`, "body.to"},
		{"POST", "/w/resend", `{"from":"yesterday","to":"2001-09-09T01:46:40Z"}`, "body.from"},
		{"GET", "/w/deliveries?state=sent", "", "query.state"},
		{"GET", "/w/deliveries?cursor=x", "", "query.cursor"},
	} {
		o := &office{}
		w := do(o.serve(""), tt.method, "/v1/webhooks"+tt.path, operatorToken, tt.body)
		refused(t, tt.body, w, 422, "invalid_input")
		if len(o.calls) > 0 || !strings.Contains(w.Body.String(), `"location":"`+tt.location+`"`) {
			t.Errorf("%s %s: got %s after %q", tt.path, tt.body, w.Body, o.calls)
		}
	}
	for err, want := range map[error]string{
		webhook.ErrNotFound: "404 webhook_not_found", webhook.ErrTooMany: "409 too_many_webhooks", webhook.ErrNoKeys: "409 data_keys_missing",
		&webhook.InvalidError{Field: "url", Message: "is wrong"}: `422 invalid_input`,
	} {
		o := &office{err: fmt.Errorf("wrapped: %w", err)}
		w := do(o.serve(""), http.MethodPatch, "/v1/webhooks/w", operatorToken, `{"enabled":true}`)
		if got := fmt.Sprint(w.Code, " "); !strings.HasPrefix(want, got) || !strings.Contains(w.Body.String(), strings.TrimPrefix(want, got)) {
			t.Errorf("%v: got %d %s, want %s", err, w.Code, w.Body, want)
		}
	}
}

func TestWebhooks_DeliveriesPagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	for limit := 1; limit < 7; limit++ {
		got := walk(t, (&office{}).serve(""), "/v1/webhooks/w/deliveries", "deliveries", limit)
		if strings.Join(got, " ") != "evt_5 evt_4 evt_3 evt_2 evt_1" {
			t.Errorf("%d a page: got %q", limit, got)
		}
	}
}
