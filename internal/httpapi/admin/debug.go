package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/singleflight"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// maxScrapes and maxProfiles bound the requests for metrics and for profiles.
// Metrics must be there when the slots of the API, or a database that answers at
// once, are not.
const maxScrapes, maxProfiles = 64, 8

// debugRoutes serve metrics and profiles. They are not part of the API.
func (a *api) debugRoutes(metrics prometheus.Gatherer) {
	slots := make(chan struct{}, maxProfiles)
	a.Admit(http.MethodGet, "/metrics", web.Admission{Slots: make(chan struct{}, maxScrapes), Urgent: true})
	a.Admit(http.MethodGet, "/debug/pprof/", web.Admission{Slots: slots, Urgent: true})
	a.Admit(http.MethodGet, "/debug/pprof/:name", web.Admission{Slots: slots, Urgent: true, Streams: true})
	a.GET("/metrics", gin.WrapH(promhttp.HandlerFor(together(metrics), promhttp.HandlerOpts{})))
	a.GET("/debug/pprof/", gin.WrapF(pprof.Index))
	recording := make(chan struct{}, 1) // Go records one CPU profile and one trace at a time
	a.GET("/debug/pprof/:name", func(c *gin.Context) {
		name := c.Param("name")
		if name == "profile" || name == "trace" {
			select {
			case recording <- struct{}{}:
				defer func() { <-recording }()
			default:
				a.Fail(c, web.Unavailable.Err())
				return
			}
		}
		switch name {
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

// together returns a Gatherer that measures once for all that ask meanwhile: some
// measurements wait for the database.
func together(metrics prometheus.Gatherer) prometheus.Gatherer {
	var gather singleflight.Group
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err, _ := gather.Do("", func() (any, error) { return metrics.Gather() })
		list, _ := families.([]*dto.MetricFamily)
		return list, err //nolint:wrapcheck // for the client, as without this
	})
}
