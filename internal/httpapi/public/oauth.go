package public

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/weblogin"
)

const (
	oauthPath     = "/v1/oauth"
	oauthStart    = oauthPath + "/start"
	oauthCallback = oauthPath + "/callback"
	oauthCookie   = "addcard_oauth"
)

type oauthStartInput struct {
	Redirect string `query:"redirect" required:"true" maxLength:"2048" doc:"The page to come back to, percent-encoded with encodeURIComponent. Its fragment is kept; put a random value there, and take a session only if it comes back."`
	host     string
	reader   reader
}

// Resolve implements huma.Resolver.
func (in *oauthStartInput) Resolve(c huma.Context) []error {
	in.host, in.reader = c.Host(), readerOf(c.Header)
	return nil
}

type oauthCallbackInput struct {
	Code    string `query:"code" doc:"WeChat's; it can be used once."`
	State   string `query:"state"`
	Binding string `cookie:"addcard_oauth"`
	reader  reader
}

// Resolve implements huma.Resolver.
func (in *oauthCallbackInput) Resolve(c huma.Context) []error {
	in.reader = readerOf(c.Header)
	return nil
}

// oauthAnswer sends the browser on, or has a page for it.
type oauthAnswer struct {
	Status      int
	Location    string        `header:"Location"`
	Cookie      []http.Cookie `header:"Set-Cookie"`
	Referrer    string        `header:"Referrer-Policy"`
	ContentType string        `header:"Content-Type"`
	Body        []byte
}

func (a *api) oauthRoutes() {
	a.Admit(http.MethodGet, oauthStart, web.Admission{Free: true, Refuse: refuseStart})
	web.Route(a.Listener, huma.Operation{
		OperationID: "oauthStart", Method: http.MethodGet, Path: oauthStart, Tags: []string{"pages"},
		Summary: "Sign in on a web page in WeChat's browser: the browser goes here", Errors: []int{422, 429},
		Description: "The browser comes back to the page with a session in the fragment: addcard_session, expires_in; or addcard_error, " +
			"a code of a problem. Pages of the hosts in JSSDK_HOSTS only. A browser, which accepts text/html and no JSON, gets an error as " +
			"an HTML page.",
		Responses:          sentOn("To WeChat."),
		SkipValidateParams: true, // huma would answer a browser with JSON; Begin checks the same
	}, a.oauthStart)
	for status, r := range a.API.OpenAPI().Paths[oauthStart].Get.Responses {
		if status >= "400" {
			r.Content["text/html"] = &huma.MediaType{}
		}
	}
	a.Admit(http.MethodGet, oauthCallback, web.Admission{Prove: a.limitLogins, Slots: a.slots.login, Refuse: refuseCallback})
	web.Route(a.Listener, huma.Operation{
		OperationID: "oauthCallback", Method: http.MethodGet, Path: oauthCallback, Tags: []string{"pages"},
		Summary:     "Where WeChat sends the browser, with a code",
		Description: "Without the cookie of oauthStart the answer is an HTML page that says so.",
		Responses:   sentOn("To the page."),
	}, a.oauthCallback)
}

func sentOn(where string) map[string]*huma.Response {
	return map[string]*huma.Response{"302": {Description: where}}
}

func (a *api) oauthStart(ctx context.Context, in *oauthStartInput) (*oauthAnswer, error) {
	out, err := a.begin(in)
	if err != nil && in.reader.browser {
		return failed(a.Problem(ctx, err), in.reader, true), nil
	}
	return out, err
}

func (a *api) begin(in *oauthStartInput) (*oauthAnswer, error) {
	base := a.baseURL(in.host)
	if base == "" {
		return nil, web.InputErrors{{Location: "query.redirect", Message: "cannot be returned to: PUBLIC_URL is not set"}}
	}
	begun, err := a.WebLogins.Begin(in.Redirect, base+oauthCallback)
	if err != nil {
		return nil, err
	}
	out := sendOn(begun.Authorize)
	out.Cookie = []http.Cookie{bindingCookie(base, begun.Binding, int(weblogin.Life.Seconds()))}
	return out, nil
}

// baseURL returns where phones reach this listener, or "". Without PUBLIC_URL that is
// the host of the request, if it is this machine: a Host that a proxy passes on proves
// nothing.
func (a *api) baseURL(host string) string {
	if a.url != "" {
		return a.url
	}
	if addr, err := netip.ParseAddrPort(host); err == nil && addr.Addr().IsLoopback() {
		return "http://" + host
	}
	return ""
}

// bindingCookie returns the cookie that binds a login to its browser. WeChat's redirect
// is a navigation from another site, with which Strict would not be sent.
func bindingCookie(base, value string, maxAge int) http.Cookie {
	path := oauthPath
	if u, err := url.Parse(base); err == nil {
		path = u.Path + oauthPath
	}
	return http.Cookie{
		Name: oauthCookie, Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, Secure: strings.HasPrefix(base, "https:"), SameSite: http.SameSiteLaxMode,
	}
}

func sendOn(address string) *oauthAnswer {
	return &oauthAnswer{Status: http.StatusFound, Location: address, Referrer: "no-referrer"}
}

func (a *api) oauthCallback(ctx context.Context, in *oauthCallbackInput) (*oauthAnswer, error) {
	f, err := a.WebLogins.Finish(ctx, in.Binding, in.State, in.Code)
	var out *oauthAnswer
	switch {
	case err == nil:
		out = sendOn(withFragment(f.Page, "addcard_session="+f.Token+"&expires_in="+strconv.Itoa(int(f.Life.Seconds()))))
	case f.Page != "":
		out = sendOn(withFragment(f.Page, "addcard_error="+a.Problem(ctx, err).Code))
	default:
		out = failed(a.Problem(ctx, err), in.reader, false)
	}
	if in.Binding != "" {
		out.Cookie = []http.Cookie{bindingCookie(a.url, "", -1)} // it was for one login
	}
	return out, nil
}

// withFragment adds values to the fragment of a page.
func withFragment(page, values string) string {
	switch before, fragment, _ := strings.Cut(page, "#"); fragment {
	case "":
		return before + "#" + values
	default:
		return page + "&" + values
	}
}

const htmlType = "text/html; charset=utf-8"

//go:embed oauth.html
var oauthHTML string

var oauthTemplate = template.Must(template.New("").Parse(oauthHTML))

// reader is who reads an answer.
type reader struct {
	browser bool // goes to an address, so that a person reads the answer
	english bool
}

func readerOf(header func(string) string) reader {
	accept := header("Accept")
	return reader{
		browser: strings.Contains(accept, "text/html") && !strings.Contains(accept, "json"),
		english: web.Language(header("Accept-Language"), "zh", "en") == "en",
	}
}

// failed returns what a person reads whose login has no page to come back to. Nothing of
// the request is in it.
func failed(p *web.Problem, r reader, atStart bool) *oauthAnswer {
	var page bytes.Buffer
	_ = oauthTemplate.Execute(&page, map[string]any{ // of plain values, to memory: never fails
		"English": r.english, "AtStart": atStart, "Later": p.Status != http.StatusUnprocessableEntity, "Problem": p,
	})
	return &oauthAnswer{Status: p.Status, Referrer: "no-referrer", ContentType: htmlType, Body: page.Bytes()}
}

// refuseStart implements web.Admission.Refuse.
func refuseStart(c *gin.Context, p *web.Problem) {
	if readerOf(c.GetHeader).browser {
		refusePage(c, p, true)
	} else {
		p.Write(c)
	}
}

// refuseCallback implements web.Admission.Refuse.
func refuseCallback(c *gin.Context, p *web.Problem) { refusePage(c, p, false) }

func refusePage(c *gin.Context, p *web.Problem, atStart bool) {
	page := failed(p, readerOf(c.GetHeader), atStart)
	c.Header("Referrer-Policy", page.Referrer)
	c.Data(page.Status, page.ContentType, page.Body)
}
