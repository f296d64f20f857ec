package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// webhook is an endpoint as GET /v1/webhooks shows it.
type webhook struct {
	ID              string    `json:"id"`
	URL             string    `json:"url"`
	Description     string    `json:"description"`
	Events          []string  `json:"events"`
	Enabled         bool      `json:"enabled"`
	DisabledReason  string    `json:"disabled_reason"`
	PreviousUntil   time.Time `json:"previous_secret_until"`
	CreatedAt       time.Time `json:"created_at"`
	Waiting         int64     `json:"waiting"`
	Dead            int64     `json:"dead"`
	OldestWaitingAt time.Time `json:"oldest_waiting_at"`
	LastSuccessAt   time.Time `json:"last_success_at"`
	LastError       string    `json:"last_error"`
}

// everyType in the list of an endpoint's types stands for all, and those to come.
const everyType = "*"

// eventTypes are the types that an endpoint can subscribe to; see package webhook.
var eventTypes = []string{
	"member.created", "card.claimed", "card.activated", "card.deleted", "card.restored", "card.gifted", "card.unavailable",
	"entry.created", "form.submitted", "push.parked", "card.reviewed", "stock.low",
}

// deliveryStates are the states of a delivery.
var deliveryStates = []string{"waiting", "dead", "done"}

// Event returns the name of a type of events.
func (v View) Event(kind string) string { return v.Word("event."+kind, kind) }

// Gets reports whether the endpoint subscribes to a type.
func (w webhook) Gets(kind string) bool { return slices.Contains(w.Events, kind) }

// Secret identifies the endpoint's secret, for a form that replaces it.
func (w webhook) Secret() string { return w.PreviousUntil.Format(time.RFC3339Nano) }

// delivery is what an endpoint has got or will get, as GET /v1/webhooks/{id}/deliveries
// shows it.
type delivery struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	State     string    `json:"state"`
	Attempts  int64     `json:"attempts"`
	LastError string    `json:"last_error"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at"`
	MemberID  string    `json:"member_id"`
	CardID    string    `json:"card_id"`
	Code      string    `json:"code"`
}

// Failed reports whether it waits after a failure.
func (d delivery) Failed() bool { return d.State == "waiting" && d.Attempts > 0 }

// tested is the answer to a test.
type tested struct {
	Delivered  bool   `json:"delivered"`
	Status     int    `json:"status"`
	Error      string `json:"error"`
	DurationMS int64  `json:"duration_ms"`
}

const webhooksPath = "/v1/webhooks"

func webhookPath(id string) string { return webhooksPath + "/" + url.PathEscape(id) }

// listed is the answer of GET /v1/webhooks.
type listed struct {
	Webhooks []webhook `json:"webhooks"`
}

// Newest returns the ID of the newest endpoint, or "".
func (l listed) Newest() string {
	var newest webhook
	for _, w := range l.Webhooks {
		if newest.ID == "" || w.CreatedAt.After(newest.CreatedAt) {
			newest = w
		}
	}
	return newest.ID
}

// webhooks lists the endpoints.
func (c *Console) webhooks(r *request) error {
	var data struct {
		listed

		Types []string
		New   webhook // what the form for another one begins with
	}
	if err := r.get(webhooksPath, nil, &data.listed); err != nil {
		return err
	}
	data.Types, data.New.Events = eventTypes, []string{everyType}
	if r.refused("change") {
		data.New.Events = r.chosenTypes()
	}
	r.offer(http.MethodPost, webhooksPath, "", map[string]any{"url": "https://crm.example/addcard", "events": []string{"entry.created"}})
	return r.render(http.StatusOK, "webhooks", data)
}

// chosenTypes returns the types that are chosen in a form, or nil.
func (r *request) chosenTypes() []string {
	types := r.PostFormArray("events")
	if slices.Contains(types, everyType) {
		return []string{everyType}
	}
	return types
}

// webhookBody is what the form of an endpoint says.
func (r *request) webhookBody() (map[string]any, error) {
	types := r.chosenTypes()
	if len(types) == 0 {
		return nil, wrong("body.events", "choose at least one event")
	}
	return map[string]any{"url": r.text("url"), "description": r.text("description"), "events": types}, nil
}

// madeSecret is an endpoint with a new secret. There is no other copy of the secret for
// people: the page is not stored.
type madeSecret struct {
	webhook

	Text string `json:"secret"`
}

// addWebhook adds an endpoint, and shows its secret. The form names the newest endpoint
// when its page was made, so that the same form, sent again, adds none.
func (c *Console) addWebhook(r *request) error {
	var now listed
	if err := r.get(webhooksPath, nil, &now); err != nil {
		return err
	}
	if now.Newest() != r.PostForm("newest") {
		return r.again(&problem{Status: http.StatusConflict, Code: "page_is_old"}, c.webhooks)
	}
	body, err := r.webhookBody()
	if err != nil {
		return r.again(err, c.webhooks)
	}
	var made madeSecret
	if err := r.call(http.MethodPost, webhooksPath, nil, body, &made); err != nil {
		return r.again(err, c.webhooks)
	}
	return r.render(http.StatusOK, "webhooksecret", made)
}

// rotateWebhook replaces the secret of an endpoint, and shows the new one. The form names
// the secret that it replaces: rotated twice, the first one would not be valid any more.
func (c *Console) rotateWebhook(r *request) error {
	path := webhookPath(r.Param("id"))
	var now webhook
	if err := r.get(path, nil, &now); err != nil {
		return err
	}
	if now.Secret() != r.PostForm("secret") {
		return r.again(&problem{Status: http.StatusConflict, Code: "page_is_old"}, c.webhook)
	}
	var made madeSecret
	if err := r.call(http.MethodPatch, path, nil, map[string]any{"rotate_secret": true}, &made); err != nil {
		return r.again(err, c.webhook)
	}
	return r.render(http.StatusOK, "webhooksecret", made)
}

// webhook shows an endpoint and its deliveries.
func (c *Console) webhook(r *request) error { return r.showWebhook(nil) }

func (r *request) showWebhook(test *tested) error {
	var data struct {
		webhook

		New           webhook // what the form begins with
		Types, States []string
		Test          *tested
		Resent        string
		Filter, Older url.Values
		Deliveries    []delivery `json:"deliveries"`
		NextCursor    string     `json:"next_cursor"`
	}
	path := webhookPath(r.Param("id"))
	if err := r.get(path, nil, &data.webhook); err != nil {
		return err
	}
	data.Types, data.States, data.Test, data.Filter = eventTypes, deliveryStates, test, r.filter("state", "type")
	if n, err := strconv.ParseUint(r.Query("resent"), 10, 63); err == nil {
		data.Resent = strconv.FormatUint(n, 10)
	}
	if err := r.get(path+"/deliveries", with(data.Filter, "cursor", r.Query("cursor")), &data); err != nil {
		return err
	}
	if data.NextCursor != "" {
		data.Older = with(data.Filter, "cursor", data.NextCursor)
	}
	if data.New = data.webhook; r.refused("change") {
		data.New.Events = r.chosenTypes()
	}
	r.offer(http.MethodPatch, path, "", map[string]bool{"enabled": !data.Enabled})
	r.offer(http.MethodPost, path+"/test", "", nil)
	r.offer(http.MethodPost, path+"/resend", "", map[string]string{"from": "2026-11-30T00:00:00+08:00", "to": "2026-12-01T00:00:00+08:00"})
	r.offer(http.MethodDelete, path, "", nil)
	return r.render(http.StatusOK, "webhook", data)
}

// refused reports whether a form of the page was sent and changed nothing.
func (r *request) refused(form string) bool { return r.problem != nil && r.PostForm("form") == form }

// changeWebhook changes an endpoint.
func (c *Console) changeWebhook(r *request) error {
	body, err := r.webhookBody()
	if err != nil {
		return r.again(err, c.webhook)
	}
	return r.patchWebhook(body, "webhook_saved")
}

// switchWebhook switches an endpoint on or off.
func (c *Console) switchWebhook(r *request) error {
	on := r.PostForm("enabled") == "true"
	done := "webhook_off"
	if on {
		done = "webhook_on"
	}
	return r.patchWebhook(map[string]any{"enabled": on}, done)
}

func (r *request) patchWebhook(body map[string]any, done string) error {
	id := r.Param("id")
	if err := r.call(http.MethodPatch, webhookPath(id), nil, body, nil); err != nil {
		return r.again(err, r.console.webhook)
	}
	return r.back("/webhooks/" + url.PathEscape(id) + "?done=" + done)
}

// deleteWebhook deletes an endpoint and what it has not got.
func (c *Console) deleteWebhook(r *request) error {
	if err := r.call(http.MethodDelete, webhookPath(r.Param("id")), nil, nil, nil); err != nil {
		return r.again(err, c.webhooks)
	}
	return r.back("/webhooks?done=webhook_deleted")
}

// testWebhook sends a test, and shows what the endpoint has answered.
func (c *Console) testWebhook(r *request) error {
	var result tested
	if err := r.call(http.MethodPost, webhookPath(r.Param("id"))+"/test", nil, nil, &result); err != nil {
		return r.again(err, c.webhook)
	}
	return r.showWebhook(&result)
}

// resendWebhook sends one event again, or all of a range of time.
func (c *Console) resendWebhook(r *request) error {
	body := map[string]any{"id": r.PostForm("one")}
	if r.PostForm("one") == "" {
		from, to := r.moment("from"), r.moment("to")
		if from == "" || to == "" {
			return r.again(invalid("no_range"), c.webhook)
		}
		body = map[string]any{"from": from, "to": to}
		if types := r.chosenTypes(); types != nil {
			body["events"] = types
		}
	}
	count, err := r.resend(body)
	if err != nil {
		return r.again(err, c.webhook)
	}
	query := with(r.filter("state", "type"), "resent", strconv.FormatInt(count, 10))
	return r.back("/webhooks/" + url.PathEscape(r.Param("id")) + "?" + query.Encode())
}

// resend calls the API as often as it takes for a range, and returns how many deliveries
// are sent again.
func (r *request) resend(body map[string]any) (count int64, err error) {
	for {
		var answer struct {
			Count    int64  `json:"count"`
			NextFrom string `json:"next_from"`
		}
		if err := r.call(http.MethodPost, webhookPath(r.Param("id"))+"/resend", nil, body, &answer); err != nil {
			return count, err
		}
		if count += answer.Count; answer.NextFrom == "" {
			return count, nil
		}
		body["from"] = answer.NextFrom
	}
}

// moment returns a time of a form, which is in the shop's zone, in the form of the API,
// or "".
func (r *request) moment(field string) string {
	text := strings.TrimSpace(r.PostForm(field))
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, r.console.zone); err == nil {
			return at.Format(time.RFC3339)
		}
	}
	return ""
}
