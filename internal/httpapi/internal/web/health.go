package web

import (
	"context"
	"io/fs"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func (l *Listener) healthRoutes() {
	ok := &healthOutput{}
	ok.Body.Status = "ok"
	Route(l, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"health"},
		Summary: "The process is alive", Errors: []int{503},
	}, func(context.Context, *Nothing) (*healthOutput, error) { return ok, nil })
	Route(l, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"health"},
		Summary: "The database answers and the process is not shutting down", Errors: []int{503},
	}, func(ctx context.Context, _ *Nothing) (*healthOutput, error) {
		if l.options.Ready(ctx) != nil {
			return nil, Unavailable.WithDetail("").Err()
		}
		return ok, nil
	})
}

// docsRoutes serve a page that shows the OpenAPI document. All its assets are
// embedded.
func (l *Listener) docsRoutes(title string) {
	page := v5emb.New(title, "/openapi.json", "/docs/")
	l.GET("/docs", func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, "/docs/") })
	l.GET("/docs/*asset", func(c *gin.Context) {
		if name := strings.TrimPrefix(c.Param("asset"), "/"); name != "" && !isAsset(name) {
			l.Fail(c, NotFound.Err()) // page would answer in plain text
			return
		}
		c.Header("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; "+
			"script-src 'self' 'unsafe-inline'; img-src 'self' data:")
		c.Header("Cache-Control", "max-age=3600")
		page.ServeHTTP(c.Writer, c.Request)
	})
}

// isAsset reports whether name is an asset of the page. Some are stored
// compressed.
func isAsset(name string) bool {
	for _, file := range []string{name, name + ".gz"} {
		if info, err := fs.Stat(static.FS, file); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
