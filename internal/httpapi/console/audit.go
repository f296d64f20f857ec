package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record is a record of GET /v1/audit.
type record struct {
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	Role      string    `json:"role"`
	Source    string    `json:"source"`
	Address   string    `json:"address"`
	Action    string    `json:"action"`
	CardID    string    `json:"card_id"`
	Code      string    `json:"code"`
	Subject   string    `json:"subject"`
	Result    string    `json:"result"`
	Problem   string    `json:"problem"`
	Changes   []change  `json:"changes"`
	RequestID string    `json:"request_id"`
}

// change is what a record says about one field.
type change struct {
	Field  string `json:"field"`
	Before value  `json:"before"`
	After  value  `json:"after"`
}

// value is any value of JSON. It is shown as it was written, so that no number is
// rounded.
type value json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) error {
	*v = slices.Clone(text)
	return nil
}

// String returns a text without its quotes, other values as JSON, and "" for none.
func (v value) String() string {
	var text string
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(v)
}

// Label returns the name of the field in the words of the page, or as the API names it.
func (c change) Label(v View) string {
	name := c.Field[strings.LastIndex(c.Field, ".")+1:]
	return v.Word("change."+name, v.Word("settings."+name, v.Word("field."+name, c.Field)))
}

// Was returns the value before, as a person reads it, or "" for none.
func (c change) Was(v View) string { return c.read(v, c.Before.String()) }

// Now returns the value after, as a person reads it, or "" for none.
func (c change) Now(v View) string { return c.read(v, c.After.String()) }

func (c change) read(v View, text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && strings.Contains(c.Field, "balance"):
		return v.Yuan(n)
	case err == nil && c.Delta():
		return v.Signed(n)
	case c.Field == "role":
		return v.Word("role."+text, text)
	case text == "true":
		return v.T("option.yes")
	case text == "false":
		return v.T("option.no")
	}
	return text
}

// Delta reports whether the record has what was added, and no value before.
func (c change) Delta() bool { return c.Field == "delta" }

// auditFilters are the parameters of GET /v1/audit, which the page has, too.
var auditFilters = []string{"from", "to", "actor", "action", "card_id", "code", "subject"}

// audit lists what was done, newest first.
func (c *Console) audit(r *request) error {
	data := struct {
		Filter, Older  url.Values
		Export         export
		Actions, Cards []choice
		Records        []record          `json:"records"`
		NextCursor     string            `json:"next_cursor"`
		Titles         map[string]string // of cards, by card_id
	}{Filter: r.filter(auditFilters...), Actions: r.actions(), Titles: map[string]string{}}
	data.Export = r.exportOf("/v1/audit", data.Filter)
	kinds, err := r.cards()
	if err != nil {
		return err
	}
	data.Cards = choicesOf(kinds, data.Filter.Get("card_id"))
	for _, kind := range kinds {
		data.Titles[kind.ID] = kind.Title
	}
	if err := r.get("/v1/audit", with(data.Filter, "cursor", r.Query("cursor")), &data); err != nil {
		return r.again(err, func(r *request) error { return r.render(http.StatusOK, "audit", data) })
	}
	if data.NextCursor != "" {
		data.Older = with(data.Filter, "cursor", data.NextCursor)
	}
	return r.render(http.StatusOK, "audit", data)
}

// choice is an option of a form: its value, and its text in the language of the page.
type choice struct{ Value, Text string }

// actions returns the actions that have a text, sorted by it.
func (r *request) actions() (list []choice) {
	for key, text := range r.console.languages[r.lang] {
		if action, ok := strings.CutPrefix(key, "action."); ok {
			list = append(list, choice{action, text})
		}
	}
	slices.SortFunc(list, func(a, b choice) int { return cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Value, b.Value)) })
	return list
}
