package public

import (
	"io"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const callbackPath = "/wechat/callback"

// callbackRoutes take WeChat's message push. WeChat waits five seconds, so a
// push is only stored here and handled later. A request that is not WeChat's
// gets 403 and an empty body, whatever is wrong with it.
func (a *api) callbackRoutes() {
	a.GET(callbackPath, func(c *gin.Context) {
		query, err := url.ParseQuery(c.Request.URL.RawQuery)
		echo, ok := a.Pushes.Echo(query)
		if err != nil || !ok {
			c.Status(http.StatusForbidden)
			return
		}
		c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(echo))
	})
	a.POST(callbackPath, func(c *gin.Context) {
		ctx := c.Request.Context()
		query, queryErr := url.ParseQuery(c.Request.URL.RawQuery)
		body, bodyErr := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
		if queryErr != nil || bodyErr != nil {
			query, body = nil, nil // what cannot be read proves nothing
		}
		switch authentic, err := a.Pushes.Receive(ctx, query, body); {
		case !authentic:
			c.Status(http.StatusForbidden)
		case err != nil:
			a.Log().ErrorContext(ctx, "callback: push not stored; WeChat will send it again", "error", err, "request_id", web.RequestID(ctx))
			c.Status(http.StatusServiceUnavailable)
		default:
			c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte("success"))
		}
	})
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
