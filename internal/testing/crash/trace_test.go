//go:build linux

package crash

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// strace is a running strace, attached to processes and to those that they
// start.
type strace struct {
	t    *testing.T
	file string
	end  func() // detaches
}

// attachStrace starts strace with args and returns when it is attached to all
// of pids, except those that have ended.
func attachStrace(t *testing.T, pids []int, args ...string) *strace {
	t.Helper()
	tr := &strace{t: t, file: filepath.Join(t.TempDir(), "trace")}
	args = append(args, "-f", "-o", tr.file)
	waiting := map[string]bool{}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
		waiting[strconv.Itoa(pid)] = true
	}
	cmd := exec.Command("strace", args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("strace (on Debian: apt-get install strace): %v", err)
	}
	tr.end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	})
	t.Cleanup(tr.end)
	attached, gone := make(chan struct{}), make(chan string, 1)
	go func() {
		see, last := sync.OnceFunc(func() { close(attached) }), ""
		for lines := bufio.NewScanner(said); lines.Scan(); {
			last = lines.Text()
			words := strings.Fields(last)
			switch {
			case len(words) > 3 && words[1] == "Process" && words[3] == "attached":
				delete(waiting, words[2])
			case strings.Contains(last, "No such process"):
				clear(waiting)
			}
			if len(waiting) == 0 {
				see()
			}
		}
		if len(waiting) == len(pids) {
			gone <- last
			return
		}
		see() // the processes that it attached to have ended
	}()
	select {
	case <-attached:
	case last := <-gone:
		t.Fatalf("%s: strace requires root, or kernel.yama.ptrace_scope = 0 (in a container: --cap-add SYS_PTRACE)", last)
	case <-time.After(timeout):
		t.Fatal("strace does not attach")
	}
	return tr
}

func (tr *strace) read() string {
	tr.t.Helper()
	raw, err := os.ReadFile(tr.file)
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(raw)
}

// count returns how often text is in the trace.
func (tr *strace) count(text string) int { return strings.Count(tr.read(), text) }
