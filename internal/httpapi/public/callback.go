package public

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const callbackPath = "/wechat/callback"

// callbackRoutes take WeChat's message push. WeChat waits five seconds, so a
// push is only stored here and handled later. A request that is not WeChat's
// gets 403 and an empty body, whatever is wrong with it.
func (a *api) callbackRoutes() {
	a.Admit(http.MethodGet, callbackPath, web.Admission{Prove: a.provePush, Free: true, Urgent: true})
	a.GET(callbackPath, func(c *gin.Context) {
		c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(sentPushOf(c).echo))
	})
	a.Admit(http.MethodPost, callbackPath, web.Admission{Prove: a.provePush, Read: a.readPush, Slots: a.slots.push, Urgent: true})
	a.POST(callbackPath, func(c *gin.Context) {
		ctx := c.Request.Context()
		body, _ := io.ReadAll(c.Request.Body) // from memory
		switch authentic, err := a.Pushes.Receive(ctx, sentPushOf(c).query, body); {
		case !authentic:
			c.Status(http.StatusForbidden)
		case err != nil:
			a.Log().ErrorContext(ctx, "callback: push not stored; WeChat will send it again", "error", err, "request_id", web.RequestID(ctx))
			c.Header("Retry-After", "1")
			c.Status(http.StatusServiceUnavailable)
		default:
			c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte("success"))
		}
	})
}

// sentPush is what the query of a push shows.
type sentPush struct {
	query url.Values
	echo  string
	// proved: it is WeChat's. possible: its body may prove it.
	proved, possible bool
}

const sentPushKey = "push"

func sentPushOf(c *gin.Context) sentPush {
	p, _ := c.MustGet(sentPushKey).(sentPush)
	return p
}

// isWeChat reports whether the query of a push proves that it is WeChat's. It
// keeps what it finds for provePush.
func (a *api) isWeChat(c *gin.Context) bool {
	const most = 32 // WeChat sends seven parameters
	var p sentPush
	var err error
	if raw := c.Request.URL.RawQuery; strings.Count(raw, "&") < most {
		if p.query, err = url.ParseQuery(raw); err != nil {
			p.query = nil // what cannot be read proves nothing
		}
	}
	switch c.Request.Method {
	case http.MethodGet:
		p.echo, p.proved = a.Pushes.Echo(p.query)
	case http.MethodPost:
		p.proved, p.possible = a.Pushes.Check(p.query)
	}
	c.Set(sentPushKey, p)
	return p.proved
}

// provePush refuses a push whose query shows that it is not WeChat's.
func (a *api) provePush(c *gin.Context) {
	if p := sentPushOf(c); !p.proved && !p.possible {
		web.RefuseBody(c)
		c.AbortWithStatus(http.StatusForbidden)
	}
}

// readPush reads the body of a push. Few bodies are read at once while nothing is
// proved.
func (a *api) readPush(c *gin.Context) {
	if !sentPushOf(c).proved {
		select {
		case a.slots.unproved <- struct{}{}:
			defer func() { <-a.slots.unproved }()
		default:
			a.Fail(c, web.Unavailable.Err())
			return
		}
	}
	if _, err := web.KeepBody(c, maxBody); err != nil {
		web.RefuseBody(c)
		c.AbortWithStatus(http.StatusForbidden)
	}
}

// checkQuery is CheckQuery for all routes but the callback, which refuses by
// itself.
func (a *api) checkQuery(c *gin.Context) {
	if c.FullPath() != callbackPath {
		a.CheckQuery(c)
	}
}

// describeCallback adds callbackRoutes to the description of the API. huma does
// not serve them, because nothing in them is JSON.
func (a *api) describeCallback() {
	text := func(about string) *huma.Response {
		return &huma.Response{Description: about, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}
	}
	forged := &huma.Response{Description: "Not proved to come from WeChat; no body."}
	a.API.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "callbackCheck", Method: http.MethodGet, Path: callbackPath, Tags: []string{"wechat"},
		Summary: "WeChat's check of the callback URL", Responses: map[string]*huma.Response{"200": text("The echostr."), "403": forged},
	})
	a.API.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "callback", Method: http.MethodPost, Path: callbackPath, Tags: []string{"wechat"},
		Summary: "WeChat's message push, or a back end's unchanged forward of it",
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{
			"text/xml": {Schema: &huma.Schema{Type: "string"}}, "application/json": {Schema: &huma.Schema{Type: "object"}},
		}},
		Responses: map[string]*huma.Response{
			"200": text("success: stored, or of no use here."), "403": forged,
			"503": {Description: "Not stored; nothing was changed, and WeChat sends it again."},
		},
	})
}
