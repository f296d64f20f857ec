package wechat

import (
	"maps"
	"sync"
	"time"
)

// beijing is the time zone of WeChat's days. China has no daylight saving time.
var beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// DailyCalls counts calls by API path since midnight in Beijing, when WeChat's
// daily quotas restart. It is safe for concurrent use.
type DailyCalls struct {
	Now func() time.Time

	mu    sync.Mutex
	day   string
	calls map[string]int
}

// Add counts one call.
func (d *DailyCalls) Add(api string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.startDay()
	d.calls[api]++
}

// Counts returns today's count of each path that was ever counted.
func (d *DailyCalls) Counts() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.startDay()
	return maps.Clone(d.calls)
}

// startDay resets the counts on a new day. It keeps the paths, so that a graph
// drops to 0 at midnight instead of ending. The caller holds mu.
func (d *DailyCalls) startDay() {
	day := d.Now().In(beijing).Format(time.DateOnly)
	if day == d.day {
		return
	}
	counts := make(map[string]int, len(d.calls))
	for api := range d.calls {
		counts[api] = 0
	}
	d.day, d.calls = day, counts
}
