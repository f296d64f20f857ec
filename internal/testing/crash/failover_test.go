//go:build linux

package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Of a synchronous pair of PostgreSQL servers the primary is killed under load and the
// standby promoted, again and again. No acknowledged entry is lost or doubled, and
// nothing is parked.
func TestFailover(t *testing.T) {
	t.Parallel()
	failovers, callers, holders, pause := 1, 8, 12, 20*time.Millisecond
	if full { // no more than WeChat can be sent meanwhile on a busy machine
		failovers, callers, holders, pause = 10, 64, 48, 400*time.Millisecond
	}
	seed := seed(t)
	s := open(t, "a pair", "", seed, 2, holders)
	l := s.load(seed, callers, pause)
	var promotions []time.Duration
	for range failovers {
		s.awaitEntries(l, 10*callers)
		s.pair.Primary.Kill()
		killed := time.Now()
		s.pair.Promote(t)
		promotions = append(promotions, time.Since(killed))
		s.awaitEntries(l, callers)
		s.pair.Rejoin(t)
	}
	s.awaitEntries(l, callers)
	l.end()
	v := s.check(l)
	if !v.clean() {
		t.Errorf("%+v; outbox: %+v", v, s.outbox())
	}
	if l.answers[201] == 0 || l.replays == 0 {
		t.Errorf("answers %v, %d replays: too few to prove anything", l.answers, l.replays)
	}
	t.Logf("\n| failovers | callers | acknowledged | 503 | lost | doubled | parked | kill and promotion | longest time without an acknowledgement |"+
		"\n| %d | %d | %d | %d | %d | %d | %d | %v to %v | %s |",
		failovers, callers, v.acknowledged, l.answers[503], v.lost, v.duplicated, v.parked,
		slices.Min(promotions).Round(time.Millisecond), slices.Max(promotions).Round(time.Millisecond), l.gaps(failovers))
}

// Behind a pooler that lends sessions for one transaction, replicas and commands work as
// without it.
func TestPooler(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	s := open(t, "a pooler", "", seed, 1, 12)
	l := s.load(seed, 24, 50*time.Millisecond) // more than PgBouncer has sessions
	s.awaitEntries(l, 150)
	l.end()
	if v := s.check(l); !v.clean() || l.answers[503] > 0 || l.unanswered > 0 {
		t.Errorf("%+v; answers %v, %d unanswered; outbox: %+v", v, l.answers, l.unanswered, s.outbox())
	}
}

// awaitEntries waits until n more entries are acknowledged.
func (s *deployment) awaitEntries(l *load, n int) {
	s.t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.requests)
	}
	from := count()
	s.eventually(fmt.Sprint(n, " entries are acknowledged"), func() bool { return count() >= from+n })
}

// gaps returns the n longest times between two acknowledgements.
func (l *load) gaps(n int) string {
	var times []time.Time
	for _, r := range l.requests {
		times = append(times, r.answeredAt)
	}
	slices.SortFunc(times, time.Time.Compare)
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, times[i].Sub(times[i-1]))
	}
	slices.Sort(gaps)
	longest := gaps[max(0, len(gaps)-n):]
	return fmt.Sprintf("%v; the %d longest have the median %v", longest[len(longest)-1].Round(time.Millisecond), len(longest),
		longest[len(longest)/2].Round(time.Millisecond))
}
