package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// messages are the texts of one language by their keys.
type messages map[string]string

// The languages of the pages. The first is the default.
var languages = []string{"zh", "en"}

// readMessages returns the texts of the pages by their languages.
var readMessages = sync.OnceValue(func() map[string]messages {
	all := map[string]messages{}
	for _, lang := range languages {
		text, err := files.ReadFile("locale/" + lang + ".json")
		if err == nil {
			var m messages
			err = json.Unmarshal(text, &m)
			all[lang] = m
		}
		if err != nil {
			panic(err) // they are embedded
		}
	}
	return all
})

// parseTemplates returns the template of each page, with the layout around it and the
// parts that several pages have.
var parseTemplates = sync.OnceValue(func() map[string]*template.Template {
	around := template.Must(template.ParseFS(files, "templates/layout.html", "templates/parts/*.html"))
	pages, err := files.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, e := range pages {
		name := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		if name != "layout" && !e.IsDir() {
			all[name] = template.Must(template.Must(around.Clone()).ParseFS(files, "templates/"+e.Name()))
		}
	}
	return all
})

// languageOf returns the language that a browser asks for, by a cookie or else by
// Accept-Language.
func (c *Console) languageOf(r *http.Request) string {
	if cookie, err := r.Cookie("lang"); err == nil && c.languages[cookie.Value] != nil {
		return cookie.Value
	}
	return web.Language(r.Header.Get("Accept-Language"), languages...)
}

// View is what a template is rendered with.
type View struct {
	Lang, Prefix string
	Who          web.Principal
	Menu         []Section
	Zone         string
	Calls        []call
	// Done is the key of a text, after "done.", that says what a form has done, or "".
	Done string
	// Problem is why the form that the person sent changed nothing, or nil.
	Problem *problem
	Data    any

	reading  bool // the request is no form
	sent     url.Values
	messages messages
	zone     *time.Location
}

// T returns the text with the key in the language of the page, with the values in it.
func (v View) T(key string, values ...any) string {
	text, ok := v.messages[key]
	switch {
	case !ok:
		return key
	case len(values) > 0:
		return fmt.Sprintf(text, values...)
	}
	return text
}

// Has reports whether there is a text with the key.
func (v View) Has(key string) bool { _, ok := v.messages[key]; return ok }

// Word returns the text with the key, or otherwise if there is none.
func (v View) Word(key, otherwise string) string {
	if text, ok := v.messages[key]; ok {
		return text
	}
	return otherwise
}

// Wrong reports whether the problem is about a field.
func (v View) Wrong(field string) bool {
	return v.Problem != nil && slices.ContainsFunc(v.Problem.Errors, func(e fieldError) bool { return e.Field() == field })
}

// Explain returns the text about a problem.
func (v View) Explain(p *problem) string {
	if query := "problem." + p.Code + ".query"; v.reading && v.Has(query) {
		return v.T(query) // a filter changes nothing
	}
	return v.Word("problem."+p.Code, cmp.Or(p.Detail, v.T("problem.internal")))
}

// Says returns the text about one field, or "" if there is none in this language.
func (v View) Says(e fieldError) string {
	if key := "message." + e.Message; v.Has(key) {
		return v.T(key, e.values...)
	}
	return v.Reason(e.Message)
}

// Time returns a moment in the shop's zone.
func (v View) Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.zone).Format("2006-01-02 15:04:05")
}

// Day returns the day of a moment in the shop's zone. The moment is in seconds.
func (v View) Day(unix int64) string { return time.Unix(unix, 0).In(v.zone).Format(time.DateOnly) }

// Span returns a length of time that is given in seconds.
func (v View) Span(seconds int64) string {
	if seconds < 3600 {
		return v.T("span.minutes", seconds/60, seconds%60)
	}
	return v.T("span.hours", seconds/3600, seconds/60%60)
}

// Link returns the address of a page with a query.
func (v View) Link(path string, query url.Values) string {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return v.Prefix + path
}

// Yuan returns an amount in fen as yuan.
func (v View) Yuan(fen int64) string { return yuan(fen) }

func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// Signed returns a number with its sign.
func (v View) Signed(n int64) string { return fmt.Sprintf("%+d", n) }

// SignedYuan returns an amount in fen as yuan with its sign.
func (v View) SignedYuan(fen int64) string {
	if fen > 0 {
		return "+" + yuan(fen)
	}
	return yuan(fen)
}

// Sent returns what the person sent in a field of a form that changed nothing, so that
// it need not be typed again, and otherwise value.
func (v View) Sent(field string, value any) any {
	if v.Problem != nil && v.sent.Has(field) {
		return v.sent.Get(field)
	}
	return value
}

// SentBy is Sent for one of several forms of a page that have the same fields. The form
// has its name in a field of that name.
func (v View) SentBy(form, field string, value any) any {
	if v.sent.Get("form") == form {
		return v.Sent(field, value)
	}
	return value
}

// With returns the view of a part of the page, which is rendered with other data.
func (v View) With(data any) View {
	v.Data = data
	return v
}

// policy is the Content-Security-Policy of the pages.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// render answers with a page.
func (r *request) render(status int, page string, data any) error {
	c := r.console
	if r.problem != nil {
		status = r.problem.Status
	}
	who := r.who()
	var text bytes.Buffer
	err := c.templates[page].ExecuteTemplate(&text, "layout", View{
		Lang: r.lang, Prefix: c.prefix, Who: who, Menu: c.menu(who.Role, section(r.FullPath())), Zone: c.zone.String(), Calls: r.calls,
		Done: r.Query("done"), Problem: r.problem, Data: data,
		reading: r.Request.Method == http.MethodGet, sent: r.Request.PostForm, messages: c.languages[r.lang], zone: c.zone,
	})
	if err != nil {
		return fmt.Errorf("render %s: %w", page, err)
	}
	h := r.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
	h.Set("Vary", "Cookie, Accept-Language")
	r.Data(status, "text/html; charset=utf-8", text.Bytes())
	return nil
}

// fail shows an error as a page.
func (r *request) fail(err error) {
	p := &problem{}
	if !errors.As(err, &p) {
		r.console.api.Log().ErrorContext(r.Request.Context(), "page failed", "page", r.FullPath(), "error", err,
			"request_id", web.RequestID(r.Request.Context()))
		p = &problem{Status: http.StatusInternalServerError, Code: "internal"}
	}
	r.problem = p
	if err := r.render(p.Status, "error", nil); err != nil {
		r.String(http.StatusInternalServerError, "internal error\n")
	}
}

// again shows a page once more with the error of a form on top, and what the person
// sent in the form. An error of the server is returned.
func (r *request) again(err error, page func(*request) error) error {
	if p := (&problem{}); errors.As(err, &p) && p.Status < http.StatusInternalServerError {
		r.problem = p
		return page(r)
	}
	return err
}

// back sends the browser to a page of the console, after a form. With done=KEY in its
// query that page says what was done.
func (r *request) back(to string) error {
	r.Redirect(http.StatusSeeOther, r.console.prefix+to)
	return nil
}
