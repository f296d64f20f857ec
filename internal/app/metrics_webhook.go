package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/addcard/addcard/internal/webhook"
)

// countWebhooks counts what became of attempts to deliver events to other systems.
func countWebhooks(r *prometheus.Registry) func(outcome string) {
	attempts := promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "addcard_webhook_attempts_total",
		Help: "Attempts to deliver an event to an endpoint by outcome: delivered, failed, dead, lost, released.",
	}, []string{"outcome"})
	return func(outcome string) { attempts.WithLabelValues(outcome).Inc() }
}

// webhookBacklog measures at each scrape what waits for other systems. What the database
// does not answer soon is left out.
type webhookBacklog struct {
	webhooks *webhook.Service
	log      *slog.Logger
}

var (
	webhookDeliveries = prometheus.NewDesc("addcard_webhook_deliveries", "Events that were not delivered to an endpoint, by state.",
		[]string{"state"}, nil)
	webhookOldest = prometheus.NewDesc("addcard_webhook_oldest_seconds",
		"Age of the oldest event that waits for an endpoint that is switched on.", nil, nil)
)

// Describe implements prometheus.Collector.
func (webhookBacklog) Describe(out chan<- *prometheus.Desc) {
	out <- webhookDeliveries
	out <- webhookOldest
}

// Collect implements prometheus.Collector.
func (b webhookBacklog) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	endpoints, err := b.webhooks.Endpoints(ctx)
	if err != nil {
		b.log.Warn("metrics: the database did not answer", "error", err)
		return
	}
	var waiting, dead, oldest float64
	for _, e := range endpoints {
		waiting, dead = waiting+float64(e.Waiting), dead+float64(e.Dead)
		if e.Enabled && e.Waiting > 0 {
			oldest = max(oldest, time.Since(e.OldestWaiting).Seconds())
		}
	}
	out <- prometheus.MustNewConstMetric(webhookDeliveries, prometheus.GaugeValue, waiting, "waiting")
	out <- prometheus.MustNewConstMetric(webhookDeliveries, prometheus.GaugeValue, dead, "dead")
	out <- prometheus.MustNewConstMetric(webhookOldest, prometheus.GaugeValue, oldest)
}
