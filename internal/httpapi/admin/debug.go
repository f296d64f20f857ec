package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// maxDebug bounds the requests for metrics and profiles. Metrics must be there
// when the slots of the API are not.
const maxDebug = 8

// debugRoutes serve metrics and profiles. They are not part of the API.
func (a *api) debugRoutes(metrics prometheus.Gatherer) {
	slots := make(chan struct{}, maxDebug)
	a.Admit(http.MethodGet, "/metrics", web.Admission{Slots: slots, Urgent: true})
	a.Admit(http.MethodGet, "/debug/pprof/", web.Admission{Slots: slots, Urgent: true})
	a.Admit(http.MethodGet, "/debug/pprof/:name", web.Admission{Slots: slots, Urgent: true, Streams: true})
	a.GET("/metrics", gin.WrapH(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	a.GET("/debug/pprof/", gin.WrapF(pprof.Index))
	a.GET("/debug/pprof/:name", func(c *gin.Context) {
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
