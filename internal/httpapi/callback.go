package httpapi

import (
	"io"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

const callbackPath = "/wechat/callback"

// describeCallback puts the callback into the description of the API: huma does
// not serve it, because nothing in it is JSON.
func describeCallback(api huma.API) {
	text := func(about string) *huma.Response {
		return &huma.Response{Description: about, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}
	}
	forged := &huma.Response{Description: "Not proved to come from WeChat; no body."}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "callbackCheck", Method: http.MethodGet, Path: callbackPath, Tags: []string{"wechat"},
		Summary: "WeChat's check of the callback URL", Responses: map[string]*huma.Response{"200": text("The echostr."), "403": forged},
	})
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "callback", Method: http.MethodPost, Path: callbackPath, Tags: []string{"wechat"},
		Summary:     "WeChat's message push, or a back end's unchanged forward of it",
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"text/xml": {Schema: &huma.Schema{Type: "string"}}}},
		Responses: map[string]*huma.Response{
			"200": text("success: kept, or of no use here."), "403": forged,
			"503": {Description: "Not kept, and nothing remembered: WeChat tries again."},
		},
	})
}

// callbackRoutes take WeChat's message push. WeChat waits five seconds, so the
// push is kept and everything else is done later. Whoever is not WeChat learns
// nothing: 403 and an empty body, whatever was wrong.
func (a *API) callbackRoutes(e *gin.Engine) {
	e.GET(callbackPath, func(c *gin.Context) {
		query, err := url.ParseQuery(c.Request.URL.RawQuery)
		echo, ok := a.Pushes.Echo(query)
		if err != nil || !ok {
			c.Status(http.StatusForbidden)
			return
		}
		c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(echo))
	})
	e.POST(callbackPath, func(c *gin.Context) {
		ctx := c.Request.Context()
		query, queryErr := url.ParseQuery(c.Request.URL.RawQuery)
		body, bodyErr := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, publicBody))
		if queryErr != nil || bodyErr != nil {
			c.Status(http.StatusForbidden)
			return
		}
		switch authentic, err := a.Pushes.Receive(ctx, query, body); {
		case !authentic:
			c.Status(http.StatusForbidden)
		case err != nil: // nothing is remembered: WeChat tries again
			a.Log.ErrorContext(ctx, "a push was not kept", "error", err, "request_id", requestID(ctx))
			c.Status(http.StatusServiceUnavailable)
		default:
			c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte("success"))
		}
	})
}
