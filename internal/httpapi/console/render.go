package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// messages are the texts of one language by their keys.
type messages map[string]string

// The languages of the pages. The first is the default.
var languages = []string{"zh", "en"}

func readMessages() map[string]messages {
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
}

// parseTemplates returns the template of each page, with the layout around it.
func parseTemplates() map[string]*template.Template {
	pages, err := files.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, e := range pages {
		name := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		if name != "layout" {
			all[name] = template.Must(template.ParseFS(files, "templates/layout.html", "templates/"+e.Name()))
		}
	}
	return all
}

// languageOf returns the language that a browser asks for, by a cookie or else by
// Accept-Language.
func (c *Console) languageOf(r *http.Request) string {
	if cookie, err := r.Cookie("lang"); err == nil && c.languages[cookie.Value] != nil {
		return cookie.Value
	}
	for tag := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag = strings.ToLower(strings.TrimSpace(tag))
		if lang, _, _ := strings.Cut(strings.SplitN(tag, ";", 2)[0], "-"); c.languages[lang] != nil {
			return lang
		}
	}
	return languages[0]
}

// View is what a template is rendered with.
type View struct {
	Lang, Prefix, Page string
	Who                web.Principal
	Zone               string
	Calls              []call
	Data               any

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

// Time returns a moment in the shop's zone.
func (v View) Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.zone).Format("2006-01-02 15:04:05")
}

// Yuan returns an amount in fen as yuan.
func (v View) Yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// Signed returns a number with its sign.
func (v View) Signed(n int64) string { return fmt.Sprintf("%+d", n) }

// Manages reports whether the person may do more than a cashier.
func (v View) Manages() bool { return v.Who.Role == web.Owner || v.Who.Role == web.Manager }

// policy is the Content-Security-Policy of the pages.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// render answers with a page.
func (r *request) render(status int, page string, data any) error {
	c := r.console
	var text bytes.Buffer
	err := c.templates[page].ExecuteTemplate(&text, "layout", View{
		Lang: r.lang, Prefix: c.prefix, Page: page, Who: web.PrincipalOf(r.Request.Context()), Zone: c.zone.String(), Calls: r.calls,
		Data: data, messages: c.languages[r.lang], zone: c.zone,
	})
	if err != nil {
		return fmt.Errorf("render %s: %w", page, err)
	}
	h := r.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
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
	if err := r.render(p.Status, "error", p); err != nil {
		r.String(http.StatusInternalServerError, "internal error\n")
	}
}

// back sends the browser to a page of the console with a notice, after a form.
func (r *request) back(to string) error {
	r.Redirect(http.StatusSeeOther, r.console.prefix+to)
	return nil
}
