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
	a.Admit(http.MethodGet, "/metrics", web.Admission{Slots: make(chan struct{}, maxScrapes), Urgent: true})
	a.GET("/metrics", gin.WrapH(promhttp.HandlerFor(together(metrics), promhttp.HandlerOpts{})))

	profiles := make(chan struct{}, maxProfiles)
	recording := make(chan struct{}, 1) // Go records one CPU profile and one trace at a time
	for _, r := range []struct {
		path    string
		slots   chan struct{}
		streams bool
		serve   http.HandlerFunc
	}{
		{"/debug/pprof/", profiles, false, pprof.Index},
		{"/debug/pprof/:name", profiles, true, pprof.Index},
		{"/debug/pprof/cmdline", profiles, false, pprof.Cmdline},
		{"/debug/pprof/symbol", profiles, false, pprof.Symbol},
		{"/debug/pprof/profile", recording, true, pprof.Profile},
		{"/debug/pprof/trace", recording, true, pprof.Trace},
	} {
		a.Admit(http.MethodGet, r.path, web.Admission{Slots: r.slots, Urgent: true, Streams: r.streams})
		a.GET(r.path, gin.WrapF(r.serve))
	}
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
