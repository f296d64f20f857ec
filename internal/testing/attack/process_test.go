//go:build linux

package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
	"github.com/addcard/addcard/internal/testing/server"
)

// serverProcess is a process of the server.
type serverProcess struct {
	public, admin string // the listeners, as HOST:PORT
	cmd           *exec.Cmd
	log           string        // the file with the log, if it is in a file
	ended         chan struct{} // closed when the process has ended
	err           error         // of the process; read it after ended is closed
	goroutines    atomic.Int64  // the most that /metrics has shown
}

// launch starts the server and returns when it answers. prefix is a command
// that runs it, such as taskset; stderr is nil for a file.
func launch(t testing.TB, env []string, stderr *os.File, prefix ...string) *serverProcess {
	t.Helper()
	for range 3 { // another program may have taken a port
		p := start(t, env, stderr, prefix)
		if p.waitUntilServing() {
			return p
		}
		t.Logf("the server does not start: %v\n%s", p.err, p.logTail())
	}
	t.Fatal("the server does not start")
	return nil
}

func start(t testing.TB, env []string, stderr *os.File, prefix []string) *serverProcess {
	t.Helper()
	path, err := server.Binary()
	if err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{}, prefix...), path, "serve")
	p := &serverProcess{
		public: process.FreeAddr(t), admin: process.FreeAddr(t), cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}),
	}
	p.cmd.Env = append(env, "LISTEN_ADDR="+p.public, "ADMIN_LISTEN_ADDR="+p.admin)
	p.cmd.Dir, p.cmd.Stderr = t.TempDir(), stderr
	if stderr == nil {
		p.log = filepath.Join(t.TempDir(), "log")
		f, err := os.Create(p.log)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p.cmd.Stderr = f
	}
	p.cmd.SysProcAttr = process.DieWithTest(syscall.SIGKILL)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", p.logTail())
		}
	})
	return p
}

func (p *serverProcess) waitUntilServing() bool {
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		select {
		case <-p.ended:
			return false
		default:
		}
		resp, err := http.Get("http://" + p.public + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
	}
	return false
}

// logTail returns the warnings and errors at the end of the log.
func (p *serverProcess) logTail() string {
	if p.log == "" {
		return ""
	}
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	var list []string
	for line := range strings.Lines(string(content)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			list = append(list, line)
		}
	}
	return strings.Join(list[max(0, len(list)-10):], "")
}

// usage is the most that the server used at one time.
type usage struct {
	descriptors, goroutines int
	rss                     int     // MiB, the most since the start of the process
	processors              float64 // on average
}

func (u usage) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %d MiB, %.1f processors", u.descriptors, u.goroutines, u.rss, u.processors)
}

// watch samples what the server uses until end is called. Goroutines are those
// that honest requests for /metrics have shown meanwhile.
func (p *serverProcess) watch() (end func() usage) {
	p.goroutines.Store(0)
	began, busy := time.Now(), p.cpuTime()
	var most usage
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			most.descriptors = max(most.descriptors, p.descriptors())
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() usage {
		close(stop)
		wg.Wait()
		most.goroutines, most.rss = int(p.goroutines.Load()), p.peakMemory()
		most.processors = (p.cpuTime() - busy).Seconds() / time.Since(began).Seconds()
		return most
	}
}

func (p *serverProcess) path(file string) string {
	return fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file)
}

func (p *serverProcess) descriptors() int {
	dir, err := os.Open(p.path("fd"))
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return len(names)
}

// peakMemory returns VmHWM, in MiB.
func (p *serverProcess) peakMemory() (mib int) {
	status, _ := os.ReadFile(p.path("status"))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	_, _ = fmt.Sscan(rest, &kib)
	return kib >> 10
}

// cpuTime returns the processor time of the process.
func (p *serverProcess) cpuTime() time.Duration {
	stat, _ := os.ReadFile(p.path("stat"))
	_, rest, ok := strings.Cut(string(stat), ") ") // the name is in parentheses
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ is 100 everywhere
}

// sawMetrics takes the number of goroutines from an answer of /metrics.
func (p *serverProcess) sawMetrics(body []byte) {
	_, rest, _ := bytes.Cut(body, []byte("\ngo_goroutines "))
	var n int64
	_, _ = fmt.Sscan(string(rest), &n)
	if n > p.goroutines.Load() {
		p.goroutines.Store(n)
	}
}
