package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// message is a message to WeChat as GET /v1/outbox shows it.
type message struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	CardID    string    `json:"card_id"`
	Code      string    `json:"code"`
	Attempts  int64     `json:"attempts"`
	LastError string    `json:"last_error"`
	Errcode   int64     `json:"errcode"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at"`
}

// Failed reports whether the message waits after a failure.
func (m message) Failed() bool { return m.State == "waiting" && m.Attempts > 0 }

// Name returns what the message is about.
func (m message) Name(v View) string { return v.Word("message."+m.Kind, m.Kind) }

// Means returns what the errcode means, or "".
func (m message) Means(v View) string {
	if m.Errcode == 0 {
		return ""
	}
	return v.Errcode(strconv.FormatInt(m.Errcode, 10))
}

// Errcode returns what an errcode of WeChat means, or "".
func (v View) Errcode(code string) string {
	if strings.HasPrefix(code, "-") { // WeChat itself failed
		code = "-1"
	}
	return v.Word("errcode."+code, "")
}

// counted is how many messages there are in each state.
type counted struct {
	Waiting int64 `json:"waiting"`
	Dead    int64 `json:"dead"`
}

// Total returns how many messages there are in all.
func (n counted) Total() int64 { return n.Waiting + n.Dead }

// job is a retry of many messages as GET /v1/outbox/retry/{id} shows it.
type job struct {
	ID        string            `json:"id"`
	State     string            `json:"state"`
	Total     int64             `json:"total"`
	Done      int64             `json:"done"`
	Failed    int64             `json:"failed"`
	CreatedAt time.Time         `json:"created_at"`
	EndedAt   time.Time         `json:"ended_at"`
	Actor     string            `json:"actor"`
	Filter    map[string]string `json:"filter"`
}

// Ended is how many messages the job is done with.
func (j job) Ended() int64 { return j.Done + j.Failed }

const (
	messagesPath = "/v1/outbox"
	retriesPath  = "/v1/outbox/retry"
	shownJobs    = 5
)

// kinds are the kinds of messages that can be chosen; see package outbox.
var kinds = []string{"entry", "entry_again", "totals", "fields", "activate", "look", "apply_event"}

func (r *request) messageFilter() url.Values {
	return r.filter("state", "kind", "card_id", "code", "error_contains")
}

// pushes lists the messages to WeChat.
func (c *Console) pushes(r *request) error {
	var data struct {
		Filter     url.Values
		Kinds      []string
		Cards      []choice
		States     []pushState
		Messages   []message `json:"messages"`
		Counts     counted   `json:"counts"`
		Matching   counted   `json:"matching"`
		NextCursor string    `json:"next_cursor"`
		Jobs       []job     `json:"jobs"`
		More       url.Values
	}
	data.Filter, data.Kinds = r.messageFilter(), kinds
	var err error
	if data.Cards, err = r.cardChoices(data.Filter.Get("card_id")); err != nil {
		return err
	}
	if err := r.get(messagesPath, with(data.Filter, "cursor", r.Query("cursor")), &data); err != nil {
		return err
	}
	if err := r.get(retriesPath, nil, &data); err != nil {
		return err
	}
	data.Jobs = data.Jobs[:min(len(data.Jobs), shownJobs)]
	data.States = pushStates(data.Filter, data.Matching)
	if data.NextCursor != "" {
		data.More = with(data.Filter, "cursor", data.NextCursor)
	}
	r.offer(http.MethodPost, retriesPath, "", retryBody(data.Filter))
	return r.render(http.StatusOK, "pushes", data)
}

// pushState is a link to the messages of one state, or of all.
type pushState struct {
	Name    string
	Query   url.Values
	Count   int64
	Current bool
}

func pushStates(filter url.Values, n counted) (all []pushState) {
	for _, s := range []pushState{{Count: n.Total()}, {Name: "dead", Count: n.Dead}, {Name: "waiting", Count: n.Waiting}} {
		s.Current, s.Query = filter.Get("state") == s.Name, with(filter, "state", s.Name)
		all = append(all, s)
	}
	return all
}

// retryBody is the body of a retry of all messages that a filter selects. It always has
// a state: nothing else than what the page shows is retried.
func retryBody(filter url.Values) map[string]any {
	body := map[string]any{"state": "dead"}
	for name := range filter {
		body[name] = filter.Get(name)
	}
	return body
}

// retryPushes retries one message, those that are selected, or all that the page's
// filter selects.
func (c *Console) retryPushes(r *request) error {
	if id := r.PostForm("one"); id != "" {
		return c.retryOne(r, id)
	}
	body := retryBody(r.messageFilter())
	if r.PostForm("all") == "" {
		ids := r.PostFormArray("ids")
		if len(ids) == 0 {
			return r.again(invalid("nothing_selected"), c.pushes)
		}
		body = map[string]any{"ids": ids}
	}
	var started struct {
		Job job `json:"job"`
	}
	if err := r.call(http.MethodPost, retriesPath, nil, body, &started); err != nil {
		return r.again(err, c.pushes)
	}
	return r.back("/pushes/retry/" + url.PathEscape(started.Job.ID))
}

// retryOne retries a message and goes back to the list, because a message that was sent
// has no page.
func (c *Console) retryOne(r *request, id string) error {
	if err := r.call(http.MethodPost, messagesPath+"/"+url.PathEscape(id)+"/retry", nil, nil, nil); err != nil {
		return r.again(err, c.pushes)
	}
	return r.back("/pushes?" + with(r.messageFilter(), "done", "retry").Encode())
}

// push shows a message with the attempts to send it.
func (c *Console) push(r *request) error {
	var data struct {
		Message message `json:"message"`
		Entry   *entry
		History []struct {
			At       time.Time `json:"at"`
			Outcome  string    `json:"outcome"`
			Attempts int64     `json:"attempts"`
			Text     string    `json:"text"`
		} `json:"history"`
	}
	path := messagesPath + "/" + url.PathEscape(r.Param("id"))
	if err := r.get(path, nil, &data); err != nil {
		return err
	}
	var err error
	if data.Entry, err = r.entryOf(data.Message); err != nil {
		return err
	}
	r.offer(http.MethodPost, path+"/retry", "", nil)
	return r.render(http.StatusOK, "push", data)
}

// entryOf returns the entry that a message is about, or nil if it is about none, or about
// one that is not among the latest of its card.
func (r *request) entryOf(m message) (*entry, error) {
	if m.Kind != "entry" && m.Kind != "entry_again" {
		return nil, nil
	}
	var list struct {
		Entries []entry `json:"entries"`
	}
	err := r.get(entriesPath(m.CardID, m.Code), url.Values{"limit": {"100"}}, &list)
	if p := (*problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil, nil // the card was given away, and its ledger with it
	}
	if i := slices.IndexFunc(list.Entries, func(e entry) bool { return e.ID == m.ID }); i >= 0 {
		return &list.Entries[i], err
	}
	return nil, err
}

// retry shows the progress of a retry of many messages.
func (c *Console) retry(r *request) error {
	var data struct {
		Job    job     `json:"job"`
		Counts counted `json:"counts"`
	}
	path := retriesPath + "/" + url.PathEscape(r.Param("id"))
	if err := r.get(path, nil, &data); err != nil {
		return err
	}
	if err := r.get(messagesPath, url.Values{"limit": {"1"}}, &data); err != nil {
		return err
	}
	r.offer(http.MethodDelete, path, "", nil)
	return r.render(http.StatusOK, "retry", data)
}

// stopRetry stops a retry of many messages.
func (c *Console) stopRetry(r *request) error {
	id := url.PathEscape(r.Param("id"))
	if err := r.call(http.MethodDelete, retriesPath+"/"+id, nil, nil, nil); err != nil {
		return r.again(err, c.retry)
	}
	return r.back("/pushes/retry/" + id + "?done=stopped")
}
