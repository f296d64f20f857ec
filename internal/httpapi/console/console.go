// Package console is the operator's console: pages for people who run a shop.
//
// A page is a template over the operator's API. Its handler calls the API in this
// process, as the person who has signed in, and renders the answers. So who may do what, what
// the audit log has, idempotency and errors are decided in one place, and each page
// can show the calls that a program would make.
//
// The pages are rendered on the server and work without script. They load nothing from
// other hosts, and their policy allows neither inline script nor inline style.
package console

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/staff"
)

//go:embed templates static locale
var files embed.FS

// Sessions begins and ends the sessions of people; see package staff.
type Sessions interface {
	SignIn(ctx context.Context, link string) (secret string, who staff.Identity, err error)
	SignOut(ctx context.Context, secret string) error
}

// Options are the settings of the console.
type Options struct {
	// Prefix is where a reverse proxy serves the console, or "": /shop, for example.
	Prefix string
	// Zone is the shop's time zone, of all times on the pages.
	Zone *time.Location
	// TrustedProxies are the addresses and networks of proxies whose
	// X-Forwarded-Proto is believed.
	TrustedProxies []string
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	sessions  Sessions
	prefix    string
	zone      *time.Location
	proxies   web.Proxies
	languages map[string]messages
	templates map[string]*template.Template
	api       *web.Listener
	origin    *http.CrossOriginProtection
}

// New returns a Console.
func New(s Sessions, o Options) *Console {
	return &Console{
		sessions: s, prefix: o.Prefix, zone: o.Zone, proxies: web.ParseProxies(o.TrustedProxies),
		languages: readMessages(), templates: parseTemplates(), origin: http.NewCrossOriginProtection(),
	}
}

// Mount adds the pages to the operator's listener, whose API they call.
func (c *Console) Mount(l *web.Listener) {
	c.api = l
	c.assets(l)
	l.NoRoute(func(g *gin.Context) { c.refuseUnknown(g, web.NotFound) })
	l.NoMethod(func(g *gin.Context) { c.refuseUnknown(g, web.MethodNotAllowed) })
	for _, r := range []struct {
		method, path string
		handle       func(*request) error
	}{
		{http.MethodGet, "/login", c.loginPage},
		{http.MethodPost, "/login", c.login},
		{http.MethodPost, "/logout", c.logout},
		{http.MethodPost, "/language", c.language},
		{http.MethodGet, "/", c.overview},
		{http.MethodGet, "/members", c.members},
		{http.MethodGet, "/members/:id", c.member},
		{http.MethodPost, "/members/:id/entries", c.addEntry},
		{http.MethodGet, "/cards", c.cards},
		{http.MethodPost, "/cards", c.createCard},
		{http.MethodGet, "/cards/new", c.newCard},
		{http.MethodGet, "/cards/:card_id", c.card},
		{http.MethodGet, "/cards/:card_id/print", c.printPage},
		{http.MethodPost, "/cards/:card_id/print", c.printCard},
		{http.MethodPost, "/cards/:card_id/update", c.updateCard},
		{http.MethodPost, "/cards/:card_id/stock", c.changeStock},
		{http.MethodPost, "/cards/:card_id/settings", c.changeCardSettings},
		{http.MethodPost, "/cards/:card_id/form", c.setForm},
		{http.MethodPost, "/cards/:card_id/testers", c.setTesters},
		{http.MethodPost, "/cards/:card_id/shelf", c.addShelf},
		{http.MethodPost, "/cards/:card_id/codes", c.addCodes},
		{http.MethodPost, "/cards/:card_id/delete", c.deleteCard},
		{http.MethodGet, "/explain", c.explainPage},
		{http.MethodPost, "/explain", c.explain},
		{http.MethodGet, "/staff", c.staff},
		{http.MethodPost, "/staff", c.addStaff},
		{http.MethodPost, "/staff/:id/link", c.linkStaff},
		{http.MethodPost, "/staff/:id/tokens", c.newStaffToken},
		{http.MethodPost, "/staff/:id/revoke", c.revokeKey},
		{http.MethodPost, "/staff/:id/remove", c.removeStaff},
		{http.MethodGet, "/webhooks", c.webhooks},
		{http.MethodPost, "/webhooks", c.addWebhook},
		{http.MethodGet, "/webhooks/:id", c.webhook},
		{http.MethodPost, "/webhooks/:id", c.changeWebhook},
		{http.MethodPost, "/webhooks/:id/switch", c.switchWebhook},
		{http.MethodPost, "/webhooks/:id/rotate", c.rotateWebhook},
		{http.MethodPost, "/webhooks/:id/test", c.testWebhook},
		{http.MethodPost, "/webhooks/:id/resend", c.resendWebhook},
		{http.MethodPost, "/webhooks/:id/delete", c.deleteWebhook},
		{http.MethodGet, "/audit", c.audit},
		{http.MethodGet, "/settings", c.settings},
		{http.MethodPost, "/settings", c.changeSettings},
		{http.MethodPost, "/members/:id/preview", c.previewEntry},
		{http.MethodPost, "/members/:id/fields", c.setFields},
		{http.MethodPost, "/members/:id/unavailable", c.makeUnavailable},
		{http.MethodPost, "/members/:id/erase", c.eraseMember},
		{http.MethodPost, "/imports/accounts/:id/erase", c.eraseAccount},
		{http.MethodGet, "/tickets", c.tickets},
		{http.MethodPost, "/tickets/:kind", c.rejectTicket},
		{http.MethodGet, "/entries", c.entries},
		{http.MethodPost, "/entries/undo", c.undoEntry},
		{http.MethodGet, "/imports", c.imports},
		{http.MethodPost, "/imports", c.addImport},
		{http.MethodGet, "/imports/sample.csv", c.importSample},
		{http.MethodGet, "/imports/:id", c.importPage},
		{http.MethodGet, "/pushes", c.pushes},
		{http.MethodGet, "/pushes/:id", c.push},
		{http.MethodPost, "/pushes/retry", c.retryPushes},
		{http.MethodGet, "/pushes/retry/:id", c.retry},
		{http.MethodPost, "/pushes/retry/:id/stop", c.stopRetry},
		{http.MethodGet, "/till", c.till},
		{http.MethodPost, "/till/entries", c.tillEntry},
	} {
		// The calls of the API take turns and slots of their own.
		l.Admit(r.method, r.path, web.Admission{Read: c.readForm, Free: true, Urgent: true, Refuse: c.refuse})
		l.Handle(r.method, r.path, func(g *gin.Context) { c.serve(g, r.handle) })
	}
	l.Admit(http.MethodPost, "/imports", web.Admission{Read: c.readImport, Free: true, Urgent: true, Refuse: c.refuse})
	for _, path := range []string{"/cards", "/cards/:card_id/update", "/cards/:card_id/shelf", "/cards/:card_id/codes"} {
		l.Admit(http.MethodPost, path, web.Admission{Read: c.readUpload, Free: true, Urgent: true, Refuse: c.refuse})
	}
}

// assets serves the style sheet and the script.
func (c *Console) assets(l *web.Listener) {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(err) // they are embedded
	}
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		l.ServeAsset("/static/"+e.Name(), types[path.Ext(e.Name())], content)
	}
	l.Admit(http.MethodGet, "/robots.txt", web.Admission{Free: true})
	l.GET("/robots.txt", func(g *gin.Context) { g.String(http.StatusOK, "User-agent: *\nDisallow: /\n") })
}

// maxForm bounds the body of a form, and maxUpload that of a form with a file, in
// bytes. The API takes pictures of 1 MiB; one that is a little larger is refused with
// the form around it.
const (
	maxForm   = 64 << 10
	maxUpload = 2 << 20
)

// readForm reads the body of a form.
func (c *Console) readForm(g *gin.Context) {
	if g.Request.Method != http.MethodPost {
		return
	}
	if g.ContentType() != "application/x-www-form-urlencoded" {
		c.api.Fail(g, web.UnsupportedMedia.Err())
		return
	}
	if _, err := web.KeepBody(g, maxForm); err != nil {
		c.api.Fail(g, err)
	}
}

// readUpload reads the body of a form that may have a file.
func (c *Console) readUpload(g *gin.Context) {
	if g.ContentType() != "multipart/form-data" {
		c.readForm(g)
		return
	}
	_, err := web.KeepBody(g, maxUpload)
	if err == nil && g.Request.ParseMultipartForm(maxUpload) != nil {
		err = web.MalformedBody.Err()
	}
	if err != nil {
		c.api.Fail(g, err)
	}
}
