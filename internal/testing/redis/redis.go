// Package redis runs real Redis servers for tests: a single one, a master
// with replicas under Sentinels, or a Cluster. They listen on loopback, keep
// nothing on the disk, and end with the test that started them. It is made for
// breaking them: servers can be killed, paused, emptied and failed over.
//
// It needs the programs redis-server and redis-sentinel, in Debian the packages
// of these names, and ends the test where they are missing. It holds no client
// library: what is tested brings its own.
package redis

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
)

// patience is how long a thing may take that should take a moment.
const patience = 20 * time.Second

// Server is one running server. Its methods end the test when they do not get
// what they want; they are for one goroutine at a time.
type Server struct {
	// Addr is 127.0.0.1 and the port, which stays the same over a Restart.
	Addr string

	t    testing.TB
	conf func(dir, port string) (program string, args []string)
	cmd  *exec.Cmd
	dir  string
}

// Single starts one server. args are added to its command line, for example
// "--requirepass", "secret".
func Single(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, conf: func(dir, port string) (string, []string) {
		return "redis-server", append(common(dir, port), args...)
	}}
	s.launch()
	return s
}

// URL is what REDIS_URL says of this server.
func (s *Server) URL() string { return "redis://" + s.Addr }

func common(dir, port string) []string {
	return []string{
		"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0",
	}
}

// launch starts the server on a free port; should another program take that
// port first, on the next.
func (s *Server) launch() {
	s.t.Helper()
	s.dir = s.t.TempDir()
	s.t.Cleanup(s.Kill)
	for range 5 {
		s.Addr = process.FreeAddr(s.t)
		if s.start() {
			return
		}
	}
	s.t.Fatalf("redis: the server does not start:\n%s", s.log())
}

func port(addr string) string { return addr[len("127.0.0.1:"):] }

// start runs the process and tells whether it has come to answer.
func (s *Server) start() bool {
	s.t.Helper()
	program, args := s.conf(s.dir, port(s.Addr))
	path, err := exec.LookPath(program)
	if err != nil {
		s.t.Fatalf("redis: no %s here; install the Debian packages redis-server and redis-sentinel", program)
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(path, args...)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = log, log, process.DieWithTest(syscall.SIGKILL)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return s.answers()
}

// answers waits until the server does, or has ended. It asks for the process
// ID, since another program may have got the port.
func (s *Server) answers() bool {
	ended := make(chan error, 1)
	go func(cmd *exec.Cmd) { ended <- cmd.Wait() }(s.cmd)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-ended:
			s.cmd = nil
			return false
		case <-time.After(2 * time.Millisecond):
		}
		info, err := s.try("INFO", "server")
		if text, _ := info.(string); err == nil && bytes.Contains([]byte(text), []byte("process_id:"+strconv.Itoa(s.cmd.Process.Pid)+"\r")) {
			return true
		}
	}
	return false
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

func (s *Server) log() []byte {
	text, _ := os.ReadFile(s.logFile())
	return text
}

// Kill ends the server by SIGKILL and returns when it is gone. Killing a dead
// server does nothing.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	s.await("the end of "+s.Addr, func() bool {
		return errors.Is(s.cmd.Process.Signal(syscall.Signal(0)), os.ErrProcessDone)
	})
	s.cmd = nil
}

// Restart kills the server, if it lives, and starts an empty one in its place.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatalf("redis: %s does not come back:\n%s", s.Addr, s.log())
	}
}

// Pause stops the server where it stands, with its connections open.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs one command and returns its reply: a string, an int64, nil, or a
// []any of these. An error reply ends the test.
func (s *Server) Do(args ...string) any {
	s.t.Helper()
	reply, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("redis: %s: %v", args[0], err)
	}
	return reply
}

// await polls until done, for things that nobody announces.
func (s *Server) await(what string, done func() bool) {
	s.t.Helper()
	await(s.t, what, done)
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("redis: waited %v for %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
