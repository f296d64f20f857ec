package app

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// collected makes a Collector of a function.
type collected func(chan<- prometheus.Metric)

func (c collected) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }
func (c collected) Collect(out chan<- prometheus.Metric) { c(out) }

// samples returns the value of each sample of r by its name and labels. That of a
// histogram is the sum.
func samples(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				values[name] = m.GetHistogram().GetSampleSum()
			case dto.MetricType_COUNTER:
				values[name] = m.GetCounter().GetValue()
			default:
				values[name] = m.GetGauge().GetValue()
			}
		}
	}
	return values
}

func wantSamples(t *testing.T, r *prometheus.Registry, want map[string]float64) {
	t.Helper()
	if got := samples(t, r); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Alerts go by these values, so each of them differs here.
func TestMetrics_OfATicketAreThoseOfItsStatus(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collected(func(out chan<- prometheus.Metric) {
		collect(out, "jsapi", ticket.Status{
			Ready: true, Age: time.Minute, Left: time.Hour, BackOff: 7 * time.Second, Waiters: 3,
			Counts: ticket.Counts{
				Polls: 11, Adopted: 12, Shared: 13, LeaseWaits: 14, LeasesLost: 15, Rejections: 16, TooSoon: 17, Repeated: 18, Superseded: 19,
				StoreFailures: 20, Unreadable: 21, TurnedAway: 22,
				Fetches: ticket.Fetches{Issued: 31, Unchanged: 32, Invalid: 33, Transient: 34, Permanent: 35, Quota: 36},
			},
		})
	}))
	want := map[string]float64{
		"addcard_ticket_ready jsapi": 1, "addcard_ticket_age_seconds jsapi": 60, "addcard_ticket_left_seconds jsapi": 3600,
		"addcard_ticket_back_off_seconds jsapi": 7, "addcard_ticket_waiters jsapi": 3,
	}
	for event, n := range map[string]float64{
		"look": 11, "adopted": 12, "shared": 13, "lease_wait": 14, "lease_lost": 15, "rejected": 16, "rejected_too_soon": 17,
		"repeated": 18, "stranger": 19, "store_failure": 20, "unreadable": 21, "turned_away": 22,
	} {
		want["addcard_ticket_events_total "+event+" jsapi"] = n
	}
	for result, n := range map[string]float64{
		"issued": 31, "unchanged": 32, "refused": 33, "transient": 34, "permanent": 35, "quota": 36,
	} {
		want["addcard_ticket_fetches_total jsapi "+result] = n
	}
	wantSamples(t, r, want)
}

func TestMetrics_OfTheBacklogAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collected(func(out chan<- prometheus.Metric) {
		for _, m := range backlogMetrics(outbox.Backlog{Waiting: 5, Parked: 2, Oldest: time.Minute}, 3, 4) {
			out <- m
		}
	}))
	wantSamples(t, r, map[string]float64{
		"addcard_outbox_messages waiting": 5, "addcard_outbox_messages dead": 2, "addcard_outbox_oldest_seconds": 60,
		"addcard_drifting_cards": 3, "addcard_unionid_conflicts": 4,
	})
}

func TestMetrics_CountWhatIsReported(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	countCalls(r)("/card/get", "ok", 2*time.Second)
	timeRequests(r)("/v1/me", http.MethodGet, http.StatusOK, 3*time.Second)
	closed := countClosed(r)
	closed("public")()
	closed("admin")
	countRefused(r)()
	countSent(r)("entry", "done")
	reconciled := measureReconciled(r)
	reconciled.Checked("drift")
	reconciled.Unbalanced(2)
	r.MustRegister(droppedLines(func() uint64 { return 9 }))
	clock := &wechat.Clock{Span: 24} // nanoseconds: the first three answers that agree suffice
	for range 3 {
		clock.Observe(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), time.Now())
	}
	clock.Observe(time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat), time.Now()) // alone, it corrects nothing
	correction, offset := clock.Correction().Seconds(), clock.Offset().Seconds()
	r.MustRegister(clockOffset(clock), clockCorrection(clock))
	if correction < 3500 || offset < correction+3500 {
		t.Fatalf("the correction is %v s and the offset %v s", correction, offset)
	}
	wantSamples(t, r, map[string]float64{
		"addcard_wechat_call_seconds /card/get ok": 2, "addcard_http_request_seconds GET /v1/me 200": 3,
		"addcard_http_connections_closed_total public": 1, "addcard_http_connections_closed_total admin": 0, "addcard_admin_refused_total": 1,
		"addcard_outbox_sent_total entry done": 1, "addcard_reconciled_total drift": 1, "addcard_ledger_unbalanced_cards": 2,
		"addcard_log_lines_dropped_total": 9, "addcard_clock_offset_seconds": offset, "addcard_clock_correction_seconds": correction,
	})
}
