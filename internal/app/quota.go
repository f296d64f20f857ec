package app

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/wechat"
)

// beijing is where WeChat's days begin. China has no summer time.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// callBook counts this replica's calls to WeChat since midnight in Beijing, when
// WeChat's daily quotas begin anew.
type callBook struct {
	now func() time.Time

	mu    sync.Mutex
	day   string
	calls map[string]float64
}

// observed has next and the book hear of each call.
func (b *callBook) observed(next wechat.Observer) wechat.Observer {
	return func(api, outcome string, elapsed time.Duration) {
		b.count(api)
		next(api, outcome, elapsed)
	}
}

func (b *callBook) count(api string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.calls[api]++
}

// turn begins a new day when it is one. mu is held.
func (b *callBook) turn() {
	if day := b.now().In(beijing).Format(time.DateOnly); day != b.day {
		b.day = day
		if b.calls == nil {
			b.calls = map[string]float64{}
		}
		for api := range b.calls {
			b.calls[api] = 0 // and not gone: a graph falls to 0 at midnight
		}
	}
}

var callsToday = prometheus.NewDesc("addcard_wechat_calls_today",
	"Calls of this replica to WeChat since midnight in Beijing, when daily quotas begin anew.", []string{"api"}, nil)

// Describe implements prometheus.Collector.
func (*callBook) Describe(out chan<- *prometheus.Desc) { out <- callsToday }

// Collect implements prometheus.Collector.
func (b *callBook) Collect(out chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	for api, n := range b.calls {
		out <- prometheus.MustNewConstMetric(callsToday, prometheus.GaugeValue, n, api)
	}
}
