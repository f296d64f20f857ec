package app

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/addcard/addcard/internal/wechat"
)

func TestCallsToday_BeginsAnewAtMidnightInBeijing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 15, 59, 59, 0, time.UTC) // 23:59:59 in Beijing
	calls := &callsToday{wechat.DailyCalls{Now: func() time.Time { return now }}}
	observe := calls.observed(func(string, string, time.Duration) {})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(calls)
	check := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	const head = `# HELP addcard_wechat_calls_today Calls of this replica to WeChat since midnight in Beijing, when daily quotas begin anew.
# TYPE addcard_wechat_calls_today gauge
`
	observe("/card/get", "ok", time.Second)
	observe("/card/get", "-1", time.Second)
	check(head + "addcard_wechat_calls_today{api=\"/card/get\"} 2\n")
	now = now.Add(time.Second)
	check(head + "addcard_wechat_calls_today{api=\"/card/get\"} 0\n")
	observe("/card/get", "ok", time.Second)
	now = now.Add(23 * time.Hour)
	check(head + "addcard_wechat_calls_today{api=\"/card/get\"} 1\n")
}
