package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/wechat"
)

// callsToday exports this replica's calls to WeChat since midnight in Beijing.
type callsToday struct{ wechat.DailyCalls }

// observed returns an observer that counts each call and then calls next.
func (c *callsToday) observed(next wechat.Observer) wechat.Observer {
	return func(api, outcome string, elapsed time.Duration) {
		c.Add(api)
		next(api, outcome, elapsed)
	}
}

var callsTodayDesc = prometheus.NewDesc("addcard_wechat_calls_today",
	"Calls of this replica to WeChat since midnight in Beijing, when daily quotas begin anew.", []string{"api"}, nil)

// Describe implements prometheus.Collector.
func (*callsToday) Describe(out chan<- *prometheus.Desc) { out <- callsTodayDesc }

// Collect implements prometheus.Collector.
func (c *callsToday) Collect(out chan<- prometheus.Metric) {
	for api, n := range c.Counts() {
		out <- prometheus.MustNewConstMetric(callsTodayDesc, prometheus.GaugeValue, float64(n), api)
	}
}
