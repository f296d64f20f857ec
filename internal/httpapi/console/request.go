package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// request is one request for a page.
type request struct {
	*gin.Context
	console *Console
	lang    string
	calls   []call
	problem *problem // of the form that the page answers, or nil
}

// call is a call of the API that a page has made or offers, as the page shows it.
type call struct {
	Method, Path, Key, Body string
	Picture, File           string // a picture or another file that is the body, or ""
}

// Quoted returns a text as one word of a shell.
func (call) Quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// problem is the error of a call.
type problem struct {
	Status int          `json:"status"`
	Code   string       `json:"code"`
	Detail string       `json:"detail"`
	Note   string       `json:"-"` // more for the person, in the language of the page
	Errors []fieldError `json:"errors"`
}

func (p *problem) Error() string { return p.Code }

// Errcode returns WeChat's errcode in the detail of wechat_refused, or "".
func (p *problem) Errcode() string {
	rest, _ := strings.CutPrefix(p.Detail, "WeChat answers ")
	code, _, _ := strings.Cut(rest, " ")
	return code
}

// fieldError is what is wrong with one field.
type fieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
	values   []any  // in the text of the message
}

// Field returns the name of the field, without where it is.
func (e fieldError) Field() string { return e.Location[strings.LastIndex(e.Location, ".")+1:] }

// wrong is the problem of one field of a form. The text of the message is
// "message." and message.
func wrong(field, message string) error {
	return &problem{Status: http.StatusUnprocessableEntity, Code: "invalid_input", Errors: []fieldError{{Location: field, Message: message}}}
}

// invalid is the problem of a form whose values are wrong. Its text is "problem." and
// the code.
func invalid(code string) error { return &problem{Status: http.StatusUnprocessableEntity, Code: code} }

// who returns who sent the request.
func (r *request) who() web.Principal { return web.PrincipalOf(r.Request.Context()) }

// words has the texts in the language of the page, and its times.
func (r *request) words() View {
	return View{messages: r.console.languages[r.lang], zone: r.console.zone}
}

// filter returns those of the parameters that are given.
func (r *request) filter(names ...string) url.Values {
	query := url.Values{}
	for _, name := range names {
		if value := strings.TrimSpace(r.Query(name)); value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// with returns a copy of a query in which name has the value, or is missing if that is "".
func with(query url.Values, name, value string) url.Values {
	changed := url.Values{}
	for n, values := range query {
		changed[n] = values
	}
	if changed.Set(name, value); value == "" {
		changed.Del(name)
	}
	return changed
}

// serve calls the handler of a page, and shows its error as a page.
func (c *Console) serve(g *gin.Context, handle func(*request) error) {
	r := &request{Context: g, console: c, lang: c.languageOf(g.Request)}
	if g.Request.Method != http.MethodGet && c.origin.Check(g.Request) != nil {
		r.fail(&problem{Status: http.StatusForbidden, Code: "cross_origin"})
		return
	}
	if err := handle(r); err != nil {
		r.fail(err)
	}
}

// refuse answers a request that the listener refuses: who has not signed in is sent to
// the page that says how to, and a cashier to the till instead of the first page.
func (c *Console) refuse(g *gin.Context, p *web.Problem) {
	if p.Status == http.StatusUnauthorized && g.Request.Method == http.MethodGet {
		g.Header("WWW-Authenticate", "") // a browser would ask for a password
		g.Redirect(http.StatusSeeOther, c.prefix+"/login")
		return
	}
	if g.FullPath() == "/" && web.PrincipalOf(g.Request.Context()).Role == web.Cashier {
		g.Redirect(http.StatusSeeOther, c.prefix+"/till")
		return
	}
	r := &request{Context: g, console: c, lang: c.languageOf(g.Request)}
	r.fail(&problem{Status: p.Status, Code: p.Code, Detail: p.Detail})
}

// refuseUnknown answers a request for which there is no route: a browser gets a page, a
// program what the API answers.
func (c *Console) refuseUnknown(g *gin.Context, problem web.ProblemType) {
	if g.Request.Method == http.MethodGet && strings.Contains(g.GetHeader("Accept"), "text/html") {
		c.refuse(g, c.api.Problem(g.Request.Context(), problem.Err()))
		return
	}
	c.api.Fail(g, problem.Err())
}

// get reads what the API answers to a GET into out.
func (r *request) get(path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return r.call(http.MethodGet, path, nil, nil, out)
}

// offer has the page show a call that one of its forms makes, with an example of its
// body. The key is the Idempotency-Key, or "".
func (r *request) offer(method, path, key string, body any) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // of maps and strings
	}
	r.calls = append(r.calls, call{Method: method, Path: path, Key: key, Body: string(text)})
}

// call calls the API as the sender of the request, and reads a good answer into out,
// unless that is nil. Another answer is a *problem.
func (r *request) call(method, path string, header map[string]string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r.calls = append(r.calls, call{Method: method, Path: path, Key: header["Idempotency-Key"], Body: string(text)})
	return r.send(method, path, header, text, out)
}

// send is call with a body that is JSON unless header has another Content-Type. The
// page does not show it.
func (r *request) send(method, path string, header map[string]string, body []byte, out any) error {
	inner, err := http.NewRequestWithContext(web.Within(r.Request.Context()), method, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body == nil {
		inner.Body, inner.ContentLength = http.NoBody, 0
	}
	inner.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		inner.Header.Set(name, value)
	}
	answer := &answer{page: r.Writer, header: http.Header{}, status: http.StatusOK}
	r.console.api.ServeHTTP(answer, inner)
	if answer.status >= http.StatusBadRequest {
		p := &problem{Status: answer.status, Code: "internal"}
		_ = json.Unmarshal(answer.body.Bytes(), p) // a problem, or nothing is known of it
		return p
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.body.Bytes(), out)
}

// answer is the http.ResponseWriter of a call.
type answer struct {
	page   http.ResponseWriter
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// SetWriteDeadline gives the page as much time as the call asks for; see
// http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(a.page).SetWriteDeadline(t)
}
