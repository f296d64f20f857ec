package httpapi

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func (a *API) healthRoutes(api huma.API) {
	ok := &healthOutput{}
	ok.Body.Status = "ok"
	route(a, api, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"health"},
		Summary: "The process is alive", Errors: []int{503},
	}, func(context.Context, *nothing) (*healthOutput, error) { return ok, nil })
	huma.Register(api, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"health"},
		Summary: "The database answers and the process is not shutting down", Errors: []int{503},
	}, func(ctx context.Context, _ *nothing) (*healthOutput, error) {
		if a.Ready(ctx) != nil {
			p := newProblem(ctx, serviceUnavailable)
			p.Detail = ""
			return nil, p
		}
		return ok, nil
	})
}

// operations are what an engineer looks at; they are not part of the API.
func (a *API) operations(e *gin.Engine) {
	e.GET("/metrics", gin.WrapH(promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{})))
	e.GET("/debug/pprof/", gin.WrapF(pprof.Index))
	e.GET("/debug/pprof/:name", func(c *gin.Context) {
		switch name := c.Param("name"); name {
		case "cmdline":
			pprof.Cmdline(c.Writer, c.Request)
		case "profile":
			pprof.Profile(c.Writer, c.Request)
		case "symbol":
			pprof.Symbol(c.Writer, c.Request)
		case "trace":
			pprof.Trace(c.Writer, c.Request)
		default:
			pprof.Handler(name).ServeHTTP(c.Writer, c.Request)
		}
	})
}

// docs serves a page to read the OpenAPI document, with all it needs.
func docs(e *gin.Engine, title string) {
	page := v5emb.New(title, "/openapi.json", "/docs/")
	e.GET("/docs", func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, "/docs/") })
	e.GET("/docs/*asset", func(c *gin.Context) {
		if name := strings.TrimPrefix(c.Param("asset"), "/"); name != "" && !embedded(name) {
			fail(c, newProblem(c.Request.Context(), notFound)) // page would say it in plain text
			return
		}
		c.Header("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:")
		c.Header("Cache-Control", "max-age=3600")
		page.ServeHTTP(c.Writer, c.Request)
	})
}

// embedded tells whether name is one of the page's assets, which are compressed.
func embedded(name string) bool {
	for _, file := range []string{name, name + ".gz"} {
		if info, err := fs.Stat(static.FS, file); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
