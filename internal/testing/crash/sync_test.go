//go:build linux

package crash

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// After a kill, unlike after a power cut, the kernel still writes what it has
// in memory. So this test checks the system calls: the bytes of an entry are
// written to the journal, the journal is synced to the disk, and only then is
// the 201 written to the socket.
func TestCommit_IsOnTheDiskBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for database, journal := range map[string]string{"sqlite": "-wal>", "postgres": "/pg_wal/"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			seed := seed(t)
			s := open(t, database, "", seed, 1, 4)
			pids := []int{s.replicas[0].Load().PID()}
			if s.postgres != nil {
				pids = append(pids, s.postgres.Processes(t)...)
			}
			tr := attachStrace(t, pids, "-y", "-s", "1000000", "-e", "trace=write,pwrite64,fsync,fdatasync")
			l := s.load(seed, 4, time.Millisecond)
			const enough = 50
			s.eventually("requests are answered", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return len(l.requests) >= enough
			})
			l.end()
			tr.end()
			calls := parseTrace(tr.read())
			proved, all := 0, 0
			for _, o := range l.requests {
				if o.refused {
					continue
				}
				if all++; isDurable(calls, journal, o.entry.ID) {
					proved++
				} else {
					t.Errorf("entry %s: its answer does not follow a sync of the journal", o.entry.ID)
				}
			}
			t.Logf("%d of %d answers followed a sync of the journal with their entry in it; %d system calls", proved, all, len(calls))
			if all < enough/2 {
				t.Error("too few answers")
			}
		})
	}
}

// syscallRecord is a system call and the lines of the trace where it begins and
// ends.
type syscallRecord struct {
	name, args, result string
	from, to           int
}

var (
	callStart   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	callResumed = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>.*\) += (\S+)`)
	callEnd     = regexp.MustCompile(`\) += (\S+)[^"]*$`)
)

// parseTrace parses the trace of several threads, in which a call may end some
// lines after it began. strace continues a thread only after it has written the
// end of its call, so the order of the lines respects causality.
func parseTrace(text string) (calls []*syscallRecord) {
	open := map[string]*syscallRecord{}
	for i, line := range strings.Split(text, "\n") {
		if m := callResumed.FindStringSubmatch(line); m != nil {
			if c := open[m[1]]; c != nil {
				c.to, c.result = i, m[2]
			}
			continue
		}
		m := callStart.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := &syscallRecord{name: m[2], args: m[3], from: i, to: i}
		if end := callEnd.FindStringSubmatch(line); end != nil {
			c.result = end[1]
		}
		open[m[1]] = c
		calls = append(calls, c)
	}
	return calls
}

// isDurable reports whether the bytes of the entry were in the journal, and the
// journal was synced, before the answer with the entry began.
func isDurable(calls []*syscallRecord, journal, id string) bool {
	written, synced := -1, -1
	for _, c := range calls {
		switch {
		case c.name == "write" && strings.Contains(c.args, `"HTTP/1.1 201`) && strings.Contains(c.args, id):
			return synced >= 0 && synced < c.from
		case written < 0 && strings.Contains(c.name, "write") && strings.Contains(c.args, journal) && strings.Contains(c.args, id):
			written = c.to
		case written >= 0 && synced < 0 && c.from > written && c.result == "0" &&
			strings.HasSuffix(c.name, "sync") && strings.Contains(c.args, journal):
			synced = c.to
		}
	}
	return false
}
