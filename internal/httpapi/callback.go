package httpapi

import (
	"io"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
)

const callbackPath = "/wechat/callback"

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
