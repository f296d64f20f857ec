// Package redis runs real Redis servers for tests: a single server, a master
// with replicas and Sentinels, or a Cluster. Tests can kill, pause, empty and
// fail over the servers. They listen on loopback, write nothing to the disk,
// and end with the test that started them. The package has no client library:
// tests bring their own.
//
// It needs the programs redis-server and redis-sentinel, on Debian in the
// packages of the same names, and fails the test without them.
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

// timeout bounds what usually takes a moment.
const timeout = 20 * time.Second

// Server is a running server. Its methods end the test on an error and must not
// be called concurrently.
type Server struct {
	// Addr is 127.0.0.1:port. A Restart keeps the port.
	Addr string

	t           testing.TB
	commandLine func(dir, port string) (program string, args []string)
	cmd         *exec.Cmd
	dir         string
}

// Single starts one server. args are appended to its command line, for example
// "--requirepass", "secret".
func Single(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, commandLine: func(dir, port string) (string, []string) {
		return "redis-server", append(commonArgs(dir, port), args...)
	}}
	s.launch()
	return s
}

// URL returns the REDIS_URL of this server.
func (s *Server) URL() string { return "redis://" + s.Addr }

func commonArgs(dir, port string) []string {
	return []string{
		"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0",
	}
}

// launch starts the server on a free port. If another program takes the port
// first, it tries another port.
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

// start starts the process and reports whether it answers.
func (s *Server) start() bool {
	s.t.Helper()
	program, args := s.commandLine(s.dir, port(s.Addr))
	path, err := exec.LookPath(program)
	if err != nil {
		s.t.Fatalf("redis: %s is missing; on Debian: apt-get install redis-server redis-sentinel", program)
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
	return s.awaitStart()
}

// awaitStart waits until the server answers or has ended, and reports whether
// it answers. It compares the process ID, because another program may have
// taken the port.
func (s *Server) awaitStart() bool {
	ended := make(chan error, 1)
	go func(cmd *exec.Cmd) { ended <- cmd.Wait() }(s.cmd)
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		select {
		case <-ended:
			s.cmd = nil
			return false
		case <-time.After(2 * time.Millisecond):
		}
		info, err := s.tryDo("INFO", "server")
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

// Kill ends the server by SIGKILL and returns when it has ended. It does
// nothing if the server has ended.
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

// Restart kills the server, if it runs, and starts an empty one at the same
// address.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatalf("redis: %s does not start again:\n%s", s.Addr, s.log())
	}
}

// Pause stops the process by SIGSTOP. Its connections stay open.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs one command and returns its reply: a string, an int64, nil, or a
// []any of these. It ends the test on an error reply.
func (s *Server) Do(args ...string) any {
	s.t.Helper()
	reply, err := s.tryDo(args...)
	if err != nil {
		s.t.Fatalf("redis: %s: %v", args[0], err)
	}
	return reply
}

// await polls until done returns true.
func (s *Server) await(what string, done func() bool) {
	s.t.Helper()
	await(s.t, what, done)
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("redis: waited %v for %s", timeout, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
