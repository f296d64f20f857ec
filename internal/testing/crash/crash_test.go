//go:build linux

package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultCounts is how often each fault happens, by its name.
type faultCounts map[string]int

// scenario is a load on a deployment with faults.
type scenario struct {
	name     string
	database string
	disk     string // the size of a separate disk in MiB, or ""
	replicas int
	holders  int
	callers  int
	pause    time.Duration // average, between two requests of a caller
	plan     faultCounts
}

func scenarios() []scenario {
	if !full {
		return []scenario{
			{"everything", "sqlite", "24", 2, 12, 8, 15 * time.Millisecond,
				faultCounts{"kill": 7, "kill all": 2, "pause": 1, "I/O error": 1, "disk full": 1}},
			{"everything", "postgres", "192", 2, 12, 8, 15 * time.Millisecond,
				faultCounts{"kill": 6, "kill all": 1, "pause": 1, "I/O error": 1, "disk full": 1,
					"PostgreSQL killed": 1, "PostgreSQL aborted": 1, "a backend killed": 1}},
		}
	}
	list := []scenario{
		{"kills", "sqlite", "", 2, 40, 6, 40 * time.Millisecond,
			faultCounts{"kill": 140, "kill all": 22, "pause": 15, "I/O error": 8}},
		{"kills", "postgres", "", 3, 40, 6, 40 * time.Millisecond,
			faultCounts{"kill": 152, "kill all": 16, "pause": 15, "I/O error": 5,
				"PostgreSQL killed": 12, "PostgreSQL aborted": 8, "a backend killed": 8}},
		{"a full disk", "sqlite", "48", 2, 12, 6, 20 * time.Millisecond, faultCounts{"disk full": 10, "kill": 10, "I/O error": 2}},
		{"a full disk", "postgres", "256", 2, 12, 6, 20 * time.Millisecond, faultCounts{"disk full": 10, "kill": 10, "I/O error": 2}},
	}
	if soak > 0 {
		return list[:2] // the small disks of the others would fill up by themselves
	}
	return list
}

const heading = "scenario | database | what happened | failed WeChat calls | acknowledged | lost | duplicated | out of order | " +
	"face ≠ ledger after 60 s | of these an older total | messages missing / twice / overtaken | parked | equal after"

// After all faults of the server, its database, the disk and WeChat, every
// acknowledged entry is in the ledger, once and in order, and on its card's
// face.
func TestCrash(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	rows := []string{heading}
	t.Run("scenarios", func(t *testing.T) {
		for _, st := range scenarios() {
			t.Run(strings.ReplaceAll(st.name, " ", "_")+"/"+st.database, func(t *testing.T) {
				t.Parallel()
				row := st.play(t)
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, row)
			})
		}
	})
	t.Logf("\n| %s |", strings.Join(rows, " |\n| "))
}

// play runs the scenario and returns its row of the table.
func (st scenario) play(t *testing.T) (row string) {
	seed := seed(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := ""
	if st.disk != "" {
		dir = smallDisk(t, st.disk)
	}
	s := &faultRun{deployment: open(t, st.database, dir, seed, st.replicas, st.holders), rng: rng, disk: dir}
	s.load = s.deployment.load(seed, st.callers, st.pause)
	before := s.calls()
	s.injectFaults()
	s.eventually("WeChat has failed in every way", func() bool { return !slices.Contains(s.faultHits(), 0) })
	happened := faultCounts{}
	for end := time.Now().Add(soak); len(happened) == 0 || time.Now().Before(end); {
		for _, name := range st.order(rng) {
			time.Sleep(randomUpTo(rng, 400*time.Millisecond)) // faults come at random times
			faults[name](s)
			happened[name]++
		}
	}
	s.load.end()
	hits, calls := s.faultHits(), s.calls()-before
	s.ask(http.MethodDelete, s.wechat+"/_sim/faults", "", nil, nil)
	v := s.check(s.load)
	if !v.clean() {
		t.Errorf("%+v; outbox: %+v", v, s.outbox())
	}
	if n := s.acknowledgedWhileFailing(); n > 0 {
		t.Errorf("%d entries were acknowledged while no commit could reach the disk", n)
	}
	if s.load.replays == 0 || s.load.unanswered == 0 {
		t.Errorf("%d replays, %d requests without an answer: too few to prove anything", s.load.replays, s.load.unanswered)
	}
	t.Logf("answers %v, unanswered %d, replays %d, acknowledged by a replay %d",
		s.load.answers, s.load.unanswered, s.load.replays, s.load.replayed)
	return fmt.Sprintf("%s | %s | %s | %d of %d | %s", st.name, st.database, s.summary(happened), sum(hits), calls, v.row())
}

// order returns the names of the faults in random order.
func (st scenario) order(rng *rand.Rand) (list []string) {
	for _, name := range st.plan.names() {
		for range st.plan[name] {
			list = append(list, name)
		}
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// acknowledgedWhileFailing returns the number of requests that were sent and
// acknowledged while every sync failed.
func (s *faultRun) acknowledgedWhileFailing() (n int) {
	for _, o := range s.load.requests {
		for _, w := range s.failing {
			if !o.refused && o.sentAt.After(w.from) && o.answeredAt.Before(w.to) {
				n++
			}
		}
	}
	return n
}

// names returns the names in alphabetical order.
func (p faultCounts) names() []string { return slices.Sorted(maps.Keys(p)) }

// summary describes the faults that happened.
func (s *faultRun) summary(p faultCounts) string {
	list := []string{fmt.Sprintf("%d kills of the server", s.kills)}
	for _, name := range p.names() {
		switch {
		case strings.HasPrefix(name, "kill"): // counted in s.kills
		case name == "disk full" && s.disk == "":
			list = append(list, fmt.Sprintf("%s (injected) %d×", name, p[name]))
		default:
			list = append(list, fmt.Sprintf("%s %d×", name, p[name]))
		}
	}
	return strings.Join(list, ", ")
}

func sum(numbers []int) (n int) {
	for _, k := range numbers {
		n += k
	}
	return n
}
