// Package postgres runs real PostgreSQL servers for tests: single ones, a primary with
// its standby, and PgBouncer in front of one. They listen on loopback, and end with the
// test or, when shared, with the last test that uses them. The package has no client:
// tests bring their own.
//
// It needs PostgreSQL's programs, such as initdb and psql, and PgBouncer, on Debian in the
// packages postgresql and pgbouncer, and fails the test without them.
package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
)

// startTimeout bounds the start of a server, which usually takes a moment.
const startTimeout = 60 * time.Second

// Server is a running server. Its methods end the test on an error.
type Server struct {
	dir        string
	port       string
	args       []string
	cmd        *exec.Cmd
	ended      chan struct{} // closed when cmd has ended
	binDir     string
	credential *syscall.Credential
}

var shared struct {
	mu     sync.Mutex
	users  int
	server *Server
}

// Shared returns the server that all tests of a binary share. It does not sync
// to the disk.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users == 0 {
		s, err := launch(t, "", "-c", "fsync=off")
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	shared.users++
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.users--; shared.users == 0 {
			shared.server.stop()
		}
	})
	return shared.server
}

// New starts a server for the test, with arguments such as "-c", "fsync=on".
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	return NewIn(t, "", args...)
}

// NewIn is like New, with the server's data in a new folder in dir, which every
// user must be able to enter; "" is the system's temporary folder.
func NewIn(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	s, err := launch(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// URL returns the DATABASE_URL of a database of this server; the database
// postgres always exists.
func (s *Server) URL(database string) string {
	return "postgres://addcard:secret@127.0.0.1:" + s.port + "/" + database
}

// Kill ends all processes of the server by SIGKILL. Unlike a power cut, it
// keeps what the kernel has in memory.
func (s *Server) Kill() {
	children, _ := s.children() // where they are unknown, they end without the postmaster
	_ = s.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.ended
}

// Abort ends the server by PostgreSQL's immediate shutdown: connections are
// dropped, and the next start recovers.
func (s *Server) Abort() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.ended
}

// Pause stops all processes of the server by SIGSTOP until Continue. Connections
// stay open, and the kernel accepts new ones.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	// The postmaster first, so that it starts no process meanwhile.
	for range 2 {
		s.signal(t, syscall.SIGSTOP)
	}
	t.Cleanup(func() { s.signal(t, syscall.SIGCONT) })
}

// Continue ends a Pause.
func (s *Server) Continue(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGCONT) }

// signal sends a signal to all processes that there are.
func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("signal process %d: %v", pid, err)
		}
	}
}

// Processes returns the IDs of the server's processes, the postmaster first.
func (s *Server) Processes(t testing.TB) []int {
	t.Helper()
	children, err := s.children()
	if err != nil {
		t.Fatal(err)
	}
	return append([]int{s.cmd.Process.Pid}, children...)
}

// children returns the IDs of the postmaster's children. Each is the leader of
// a session of its own. Linux only.
func (s *Server) children() (pids []int, err error) {
	first := s.cmd.Process.Pid
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", first))
	if err != nil {
		return nil, err
	}
	for _, field := range bytes.Fields(out) {
		pid, err := strconv.Atoi(string(field))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Restart starts the server on the same port after Kill or Abort.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	_ = os.Remove(filepath.Join(s.dir, "postmaster.pid"))
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func launch(t testing.TB, dir string, args ...string) (*Server, error) {
	t.Helper()
	s := &Server{args: args}
	var err error
	if s.binDir, err = findPrograms(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(dir, "addcard-pg-"); err != nil {
		return nil, err
	}
	if err := s.initData(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	for range 5 { // another program may take the port first
		s.port = freePort(t)
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(s.dir))
}

func freePort(t testing.TB) string {
	t.Helper()
	return strings.TrimPrefix(process.FreeAddr(t), "127.0.0.1:")
}

// findPrograms returns the folder with initdb and postgres, which Debian does
// not put into the PATH.
func findPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Sort(found)
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append([]string{filepath.Dir(path)}, found...)
	}
	for _, dir := range slices.Backward(found) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("postgres: initdb and postgres of PostgreSQL are missing; on Debian: apt-get install postgresql")
}

// initData creates the data.
func (s *Server) initData() error {
	if err := s.makeDir(); err != nil {
		return err
	}
	cmd := s.command("initdb", "-D", s.dir, "-U", "addcard", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgres: initdb: %w: %s", err, out)
	}
	return nil
}

// makeDir creates the data folder. As root it belongs to the user postgres,
// because PostgreSQL refuses to run as root.
func (s *Server) makeDir() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("postgres: PostgreSQL does not run as root, and there is no user postgres: %w", err)
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.binDir, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = process.DieWithTest(syscall.SIGQUIT)
	cmd.SysProcAttr.Credential = s.credential
	return cmd
}

func (s *Server) start() error {
	log := &bytes.Buffer{}
	args := append([]string{"-D", s.dir, "-k", s.dir, "-h", "127.0.0.1", "-p", s.port,
		"-c", "max_connections=400", "-c", "shared_buffers=64MB"}, s.args...)
	s.cmd = s.command("postgres", args...)
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(s.cmd, s.ended)
	deadline := time.After(startTimeout)
	for !s.ready() {
		select {
		case <-s.ended:
			return fmt.Errorf("postgres: the server has ended: %s", log)
		case <-deadline:
			s.Kill()
			return fmt.Errorf("postgres: the server does not start: %s", log)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// ready reports whether this server, and not another one on its port, accepts
// connections. The file's lines are listed in PostgreSQL's src/include/utils/pidfile.h.
func (s *Server) ready() bool {
	text, err := os.ReadFile(filepath.Join(s.dir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return err == nil && len(lines) > 7 && lines[0] == strconv.Itoa(s.cmd.Process.Pid) && strings.TrimSpace(lines[7]) == "ready"
}

func (s *Server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown
	<-s.ended
	_ = os.RemoveAll(s.dir)
}
