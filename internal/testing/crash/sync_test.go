//go:build linux

package crash

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// A kill leaves what the kernel has in memory; a power cut does not. So the
// system calls are looked at: the bytes of an entry are written to the journal,
// the journal is synced to the disk, and only then is the 201 written to the
// socket.
func TestCommit_is_on_the_disk_before_the_answer(t *testing.T) {
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
			s.eventually("orders are settled", func() bool {
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
					t.Errorf("entry %s: its answer is not seen to follow a sync of the journal", o.entry.ID)
				}
			}
			t.Logf("%d of %d answers followed a sync of the journal with their entry in it; %d system calls", proved, all, len(calls))
			if all < enough/2 {
				t.Error("that is too few")
			}
		})
	}
}

// call is one system call: the lines of the trace where it begins and where it
// has ended.
type syscallRecord struct {
	name, args, result string
	from, to           int
}

var (
	callStart   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	callResumed = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>.*\) += (\S+)`)
	callEnd     = regexp.MustCompile(`\) += (\S+)[^"]*$`)
)

// parse reads a trace of several threads, in which a call may end some lines
// after it began. strace lets a thread go on only when it has noted the end of
// a call, so the order of the lines is an order of causes.
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

// durable tells whether the entry's bytes were in the journal, and the journal
// synced, before the answer with the entry was begun.
func isDurable(calls []*syscallRecord, journal, id string) bool {
	written, synced := -1, -1
	for _, c := range calls {
		switch {
		case c.name == "write" && strings.Contains(c.args, `"HTTP/1.1 201`) && strings.Contains(c.args, id):
			return synced >= 0 && synced < c.from
		case written < 0 && strings.Contains(c.name, "write") && strings.Contains(c.args, journal) && strings.Contains(c.args, id):
			written = c.to
		case written >= 0 && synced < 0 && strings.HasSuffix(c.name, "sync") && strings.Contains(c.args, journal) && c.from > written && c.result == "0":
			synced = c.to
		}
	}
	return false
}
