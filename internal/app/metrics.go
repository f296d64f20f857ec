package app

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// describeBuild registers the metric that tells which program this is.
func describeBuild(r *prometheus.Registry, version, commit string) {
	promauto.With(r).NewGauge(prometheus.GaugeOpts{
		Name: "addcard_build_info", Help: "1; the labels say what this program was built from.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "goversion": runtime.Version()},
	}).Set(1)
}

// countCalls returns an observer that counts and times the calls to WeChat.
func countCalls(r *prometheus.Registry) wechat.Observer {
	seconds := promauto.With(r).NewHistogramVec(prometheus.HistogramOpts{
		Name: "addcard_wechat_call_seconds", Help: "Calls to WeChat by API path and outcome.",
		Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"api", "outcome"})
	return func(api, outcome string, elapsed time.Duration) {
		seconds.WithLabelValues(api, outcome).Observe(elapsed.Seconds())
	}
}

// timeRequests times the requests of both listeners.
func timeRequests(r *prometheus.Registry) func(route, method string, status int, elapsed time.Duration) {
	seconds := promauto.With(r).NewHistogramVec(prometheus.HistogramOpts{
		Name: "addcard_http_request_seconds", Help: "Time to answer a request, by route, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	return func(route, method string, status int, elapsed time.Duration) {
		seconds.WithLabelValues(route, method, strconv.Itoa(status)).Observe(elapsed.Seconds())
	}
}

// countClosed returns functions that count the connections of a listener that were
// closed because too many waited for their clients.
func countClosed(r *prometheus.Registry) func(listener string) func() {
	closed := promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "addcard_http_connections_closed_total",
		Help: "Connections that were closed because too many waited for their clients.",
	}, []string{"listener"})
	return func(listener string) func() { return closed.WithLabelValues(listener).Inc }
}

// countRefused counts the requests to the operator's listener with a wrong token.
func countRefused(r *prometheus.Registry) func() {
	return promauto.With(r).NewCounter(prometheus.CounterOpts{
		Name: "addcard_admin_refused_total", Help: "Requests to the operator's listener whose token opens nothing.",
	}).Inc
}

// countSent counts what became of messages to WeChat.
func countSent(r *prometheus.Registry) func(kind, outcome string) {
	sent := promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "addcard_outbox_sent_total", Help: "Messages of the outbox by kind and outcome: done, postponed, dead, lost, released.",
	}, []string{"kind", "outcome"})
	return func(kind, outcome string) { sent.WithLabelValues(kind, outcome).Inc() }
}

// measureReconciled returns the functions that count what the Reconciler finds.
func measureReconciled(r *prometheus.Registry) cardsync.Observer {
	checked := promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "addcard_reconciled_total",
		Help: "Cards compared with WeChat by outcome: equal, repaired, drift, looked, found, absent, busy, changed.",
	}, []string{"outcome"})
	unbalanced := promauto.With(r).NewGauge(prometheus.GaugeOpts{
		Name: "addcard_ledger_unbalanced_cards",
		Help: "Cards whose totals are not the sum of their ledger, when this replica last added it up. " +
			"Anything but 0 is an alarm.",
	})
	return cardsync.Observer{
		Checked:    func(outcome string) { checked.WithLabelValues(outcome).Inc() },
		Unbalanced: func(cards int) { unbalanced.Set(float64(cards)) },
	}
}

// backlog measures at each scrape what is in the database. What the database does not
// answer soon is left out: the other metrics are needed most when it is away.
type backlog struct {
	outbox  *outbox.Service
	cards   *cardsync.Service
	members *member.Service
	log     *slog.Logger
}

// scrapeTime bounds what a scrape waits for the database.
const scrapeTime = 800 * time.Millisecond

var (
	databaseUp     = prometheus.NewDesc("addcard_database_up", "1 if the database answered the queries of this scrape.", nil, nil)
	outboxMessages = prometheus.NewDesc("addcard_outbox_messages", "Messages in the outbox by state.", []string{"state"}, nil)
	outboxOldest   = prometheus.NewDesc("addcard_outbox_oldest_seconds", "Age of the oldest message that waits.", nil, nil)
	driftingCards  = prometheus.NewDesc("addcard_drifting_cards",
		"Cards whose figures WeChat has changed by itself, which are not repaired; 1000 is that many or more.", nil, nil)
	unionIDConflicts = prometheus.NewDesc("addcard_unionid_conflicts",
		"Unionids that WeChat gave for two people, which are not used; 1000 is that many or more.", nil, nil)
)

// Describe implements prometheus.Collector.
func (backlog) Describe(out chan<- *prometheus.Desc) {
	out <- databaseUp
	out <- outboxMessages
	out <- outboxOldest
	out <- driftingCards
	out <- unionIDConflicts
}

// Collect implements prometheus.Collector.
func (b backlog) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	up := 1.0
	measured, err := b.measure(ctx)
	if err != nil {
		up = 0
		b.log.Warn("metrics: the database did not answer", "error", err)
	}
	for _, m := range append(measured, prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, up)) {
		out <- m
	}
}

// measure returns all metrics, or none.
func (b backlog) measure(ctx context.Context) ([]prometheus.Metric, error) {
	n, err := b.outbox.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	drifts, err := b.cards.Drifts(ctx, maxCounted)
	if err != nil {
		return nil, err
	}
	shared, err := b.members.SharedUnionIDs(ctx, maxCounted)
	if err != nil {
		return nil, err
	}
	return backlogMetrics(n, len(drifts), len(shared)), nil
}

func backlogMetrics(n outbox.Backlog, drifts, conflicts int) []prometheus.Metric {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	return []prometheus.Metric{
		gauge(outboxMessages, float64(n.Waiting), "waiting"), gauge(outboxMessages, float64(n.Parked), "dead"),
		gauge(outboxOldest, n.Oldest.Seconds()), gauge(driftingCards, float64(drifts)), gauge(unionIDConflicts, float64(conflicts)),
	}
}

// maxCounted bounds what is counted.
const maxCounted = 1000

func loginSuspended(s *auth.Service) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "addcard_login_suspended", Help: "1 while logins are refused at once, because WeChat does not answer them.",
	}, func() float64 {
		if s.Suspended() {
			return 1
		}
		return 0
	})
}

func clockOffset(c *wechat.Clock) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "addcard_clock_offset_seconds",
		Help: "How far WeChat's clock was ahead of this machine's by WeChat's latest answer; 0 while they are within a minute.",
	}, func() float64 { return c.Offset().Seconds() })
}

func clockCorrection(c *wechat.Clock) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "addcard_clock_correction_seconds",
		Help: "What is added to this machine's clock, because WeChat's answers have agreed for long that it is wrong.",
	}, func() float64 { return c.Correction().Seconds() })
}

func droppedLines(count func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "addcard_log_lines_dropped_total", Help: "Lines of the log that were dropped, because standard error was not read in time.",
	}, func() float64 {
		if count == nil {
			return 0
		}
		return float64(count())
	})
}

var (
	ticketReady   = describe("ready", "1 while there is a value to hand out.")
	ticketAge     = describe("age_seconds", "Time since the value's life began.")
	ticketLeft    = describe("left_seconds", "Time until the value's life ends.")
	ticketBackOff = describe("back_off_seconds", "Time until WeChat may be asked again after a refusal.")
	ticketWaiters = describe("waiters", "Callers that wait for a value.")
	ticketFetches = describe("fetches_total", "Calls to WeChat for a value, by result.", "result")
	ticketEvents  = describe("events_total", "What else happened to the value, by event.", "event")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("addcard_ticket_"+name, help, append([]string{"kind"}, labels...), nil)
}

// Describe implements prometheus.Collector.
func (t *tickets) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ticketReady, ticketAge, ticketLeft, ticketBackOff, ticketWaiters, ticketFetches, ticketEvents} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (t *tickets) Collect(out chan<- prometheus.Metric) {
	collect(out, "access_token", t.access.Status())
	collect(out, "wx_card", t.wxCard.Status())
	collect(out, "jsapi", t.jsapi.Status())
	// Most shops never need it, and must not be alarmed that it is missing.
	if s := t.mini.Status(); t.mini != t.access && (s.Counts.Polls > 0 || s.Counts.StoreFailures > 0) {
		collect(out, miniToken, s)
	}
}

func collect(out chan<- prometheus.Metric, kind string, s ticket.Status) {
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, kind)
	}
	ready := 0.0
	if s.Ready {
		ready = 1
	}
	gauge(ticketReady, ready)
	gauge(ticketAge, s.Age.Seconds())
	gauge(ticketLeft, s.Left.Seconds())
	gauge(ticketBackOff, s.BackOff.Seconds())
	gauge(ticketWaiters, float64(s.Waiters))
	count := func(d *prometheus.Desc, label string, n uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), kind, label)
	}
	f, n := s.Counts.Fetches, s.Counts
	for label, v := range map[string]uint64{
		"issued": f.Issued, "unchanged": f.Unchanged, "refused": f.Invalid,
		"transient": f.Transient, "permanent": f.Permanent, "quota": f.Quota,
	} {
		count(ticketFetches, label, v)
	}
	for label, v := range map[string]uint64{
		"look": n.Polls, "adopted": n.Adopted, "shared": n.Shared, "lease_wait": n.LeaseWaits, "lease_lost": n.LeasesLost,
		"rejected": n.Rejections, "rejected_too_soon": n.TooSoon, "repeated": n.Repeated, "stranger": n.Superseded,
		"store_failure": n.StoreFailures, "unreadable": n.Unreadable, "turned_away": n.TurnedAway,
	} {
		count(ticketEvents, label, v)
	}
}
