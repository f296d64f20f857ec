//go:build linux

package crash

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// logged is a server whose log the test reads itself.
type logged struct {
	cmd           *exec.Cmd
	log           *os.File
	lines         *bufio.Scanner
	public, admin string
	ended         chan error
}

// startLogged returns when the server is serving. The test has read the log up to
// there.
func startLogged(t *testing.T, more ...string) *logged {
	t.Helper()
	path, err := server.Binary()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	s := &logged{cmd: exec.Command(path, "serve"), log: r, lines: bufio.NewScanner(r), ended: make(chan error, 1)}
	s.cmd.Dir, s.cmd.Stderr = t.TempDir(), w
	s.cmd.Env = append(server.Environ(t.TempDir(), "http://127.0.0.1:1"), more...)
	err = s.cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	go func() { s.ended <- s.cmd.Wait() }()
	for s.lines.Scan() {
		var line struct{ Msg, Public, Admin string }
		if json.Unmarshal(s.lines.Bytes(), &line) == nil && line.Msg == "serving" {
			s.public, s.admin = "http://"+line.Public, "http://"+line.Admin
			return s
		}
	}
	t.Fatal("the server ended at its start")
	return nil
}

func (s *logged) get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+server.AdminToken)
	resp, err := (&http.Client{Timeout: settleTime}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return string(body)
}

// getMany makes n requests, eight at a time.
func (s *logged) getMany(t *testing.T, n int) {
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range n / 8 {
				resp, err := http.Get(s.public + "/healthz")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	callers.Wait()
}

func (s *logged) dropped(t *testing.T) (n float64) {
	t.Helper()
	_, after, _ := strings.Cut(s.get(t, s.admin+"/metrics"), "\naddcard_log_lines_dropped_total ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("addcard_log_lines_dropped_total: %v", err)
	}
	return n
}

// terminate expects the orderly end that SIGTERM asks for.
func (s *logged) terminate(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("after SIGTERM the server ended with %v", err)
		}
	case <-time.After(settleTime):
		t.Fatal("the server goes on after SIGTERM")
	}
}

func TestLog_ServerServesAndDrainsWhileNothingReadsIt(t *testing.T) {
	t.Parallel()
	s := startLogged(t)
	const most = 20_000 // requests; the pipe holds about 330 lines and the buffer about 5,000
	for range most / 1000 {
		s.getMany(t, 1000)
		if s.dropped(t) > 0 {
			break
		}
	}
	if s.dropped(t) == 0 {
		t.Error("no line was dropped: the buffer has no bound, or it was not filled")
	}
	s.getMany(t, 1000)
	s.terminate(t)
}

func TestLog_ServerServesAndDrainsAfterItsReaderHasGone(t *testing.T) {
	t.Parallel()
	s := startLogged(t)
	_ = s.log.Close()
	for range 50 {
		s.get(t, s.public+"/healthz")
	}
	if n := s.dropped(t); n == 0 {
		t.Error("no line was dropped")
	}
	s.terminate(t)
}

// Every line is JSON, and the last ones are there.
func TestLog_ReaderGetsEveryLineToTheEnd(t *testing.T) {
	t.Parallel()
	s := startLogged(t)
	for range 100 {
		s.get(t, s.public+"/healthz")
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for s.lines.Scan() {
		var line struct{ Msg string }
		if err := json.Unmarshal(s.lines.Bytes(), &line); err != nil {
			t.Errorf("%q: %v", s.lines.Text(), err)
		}
		count[line.Msg]++
	}
	if count["request"] != 100 || count["draining"] != 1 {
		t.Errorf("got these lines: %v", count)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("after SIGTERM the server ended with %v", err)
	}
}
