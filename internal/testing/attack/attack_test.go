//go:build linux

// Package attack attacks processes of the real server, with its default limits
// and its log as it is delivered, while honest clients use it from other
// addresses: mini-programs, the operator, probes, and WeChat with its pushes.
// It has no exported API.
//
// `go test` runs a short form, which checks only what does not depend on the
// speed of the machine: that honest requests are served at all, and the
// server's descriptors and goroutines. `make attack` (ADDCARD_ATTACK=full) runs
// all attacks and checks the criteria below. Each attack prints a row of the
// table in docs/benchmarks.md to standard output.
//
// The simulated WeChat, the attackers and the holder of a database lock are
// processes of their own: the test binary again, in another role. The clients
// of the attackers have the addresses 127.1.x.x.
package attack

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// full is true in the long form.
var full = os.Getenv("ADDCARD_ATTACK") == "full"

// The criteria under every attack, of the long form but for the first two.
const (
	maxDescriptors = 600
	maxGoroutines  = 2000
	maxRSS         = 256 // MiB
	minServed      = 0.95
	recovery       = 5 * time.Second // until every kind of request is served again
)

// timeout bounds what usually takes a moment.
const timeout = time.Minute

func TestMain(m *testing.M) {
	if play, ok := roles[os.Getenv(roleVariable)]; ok {
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	server.Main(m)
}

// attack is one way to disturb the server.
type attack struct {
	name  string
	setup setup
	// begin begins the attack and returns what ends it and what judges it; both
	// may be nil.
	begin func(s *stage) (end func(), judge func(before, during *tally))
	// lasts is how long the attack lasts in the long form, if not as long as others.
	lasts time.Duration
	// spares lists the kinds of honest requests that the attack takes away by its
	// nature; they must be answered, with any status.
	spares []string
	// short is true if the attack is part of the short form.
	short bool
}

// lasts is how long an attack lasts.
func (a attack) duration() time.Duration {
	if !full {
		return time.Second
	}
	return cmp.Or(a.lasts, 8*time.Second)
}

func runAttacks(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			if !full && !a.short {
				t.Skip("only in the long form: make attack")
			}
			a.run(t)
		})
	}
}

func (a attack) run(t *testing.T) {
	s := open(t, a.setup)
	before := &tally{kinds: []*kindTally{{}}}
	if full {
		before = s.traffic(nil).during(2 * time.Second)
	}
	watch := s.process.watch()
	end, judge := a.begin(s)
	during := s.traffic(a.spares).during(a.duration())
	if end != nil {
		end()
	}
	again := s.answersAgain(t)
	use := watch()
	t.Logf("%s\nbefore:\n%vduring:\n%v%v, all answered again after %v", a.name, before, during, use, again.Round(time.Millisecond))
	if full {
		fmt.Println(row(t.Name(), before, during, use, again))
		a.judgeSpeed(t, during, use, again)
	}
	a.judgeAlways(t, during, use)
	if judge != nil {
		judge(before, during)
	}
}

// judgeAlways checks what holds on the slowest machine.
func (a attack) judgeAlways(t *testing.T, during *tally, use usage) {
	t.Helper()
	if use.descriptors > maxDescriptors || use.goroutines > maxGoroutines {
		t.Errorf("%v; want at most %d descriptors and %d goroutines", use, maxDescriptors, maxGoroutines)
	}
	var none []string
	for _, k := range during.kinds {
		if !slices.Contains(a.spares, k.name) && k.inTime+k.late == 0 {
			none = append(none, k.name)
		}
	}
	if none != nil {
		t.Errorf("none was served of: %s", strings.Join(none, ", "))
	}
}

func (a attack) judgeSpeed(t *testing.T, during *tally, use usage, again time.Duration) {
	t.Helper()
	var few []string
	for _, k := range during.kinds {
		switch spared := slices.Contains(a.spares, k.name); {
		case spared && k.unanswered > 0:
			t.Errorf("%s: %d of %d were not answered", k.name, k.unanswered, k.sent())
		case !spared && k.served() < minServed:
			few = append(few, fmt.Sprintf("%s %.1f %%", k.name, 100*k.served()))
		}
	}
	if few != nil {
		t.Errorf("served in time: %s; want %.0f %%", strings.Join(few, ", "), 100*minServed)
	}
	if use.rss > maxRSS {
		t.Errorf("%d MiB of memory, want at most %d", use.rss, maxRSS)
	}
	if again > recovery {
		t.Errorf("all kinds of requests were served again after %v, want %v", again, recovery)
	}
}

// row is a row of the table in docs/benchmarks.md.
func row(name string, before, during *tally, use usage, again time.Duration) string {
	worst := slices.MinFunc(during.kinds, func(a, b *kindTally) int {
		return int(1000*a.served()) - int(1000*b.served())
	})
	_, name, _ = strings.Cut(name, "/")
	return fmt.Sprintf("| %s | %.0f %% | %.0f %% (%s) | %.1f → %.1f ms | %d | %d | %d MiB | %.1f s |", strings.ReplaceAll(name, "_", " "),
		100*during.served(), 100*worst.served(), worst.name, before.median(), during.median(),
		use.descriptors, use.goroutines, use.rss, again.Seconds())
}
