// Package postgres runs a real PostgreSQL server for tests. It listens on
// loopback, promises no durability, and ends with the last test that uses it.
//
// It needs PostgreSQL's own programs (initdb, postgres), in Debian the package
// postgresql, and ends the test where they are missing. It holds no client
// library: what is tested brings its own.
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

// patience is how long a thing may take that should take a moment.
const patience = 60 * time.Second

// Server is one running server. Its methods end the test when they do not get
// what they want.
type Server struct {
	dir  string
	port string
	args []string
	cmd  *exec.Cmd
	bin  string
	who  *syscall.Credential
}

var shared struct {
	mu     sync.Mutex
	users  int
	server *Server
}

// Shared returns the server that all tests of a binary use.
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
			shared.server.end()
		}
	})
	return shared.server
}

// New starts a server of the test's own, with args like "-c", "fsync=on".
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	return NewIn(t, "", args...)
}

// NewIn is New with the server's data in a new folder below dir, which any user
// can enter; "" is the system's temporary folder.
func NewIn(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	s, err := launch(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

// URL is what DATABASE_URL says of a database of this server; postgres is the
// one that is always there.
func (s *Server) URL(database string) string {
	return "postgres://addcard:secret@127.0.0.1:" + s.port + "/" + database
}

// Kill ends the server at once, as a power cut would but for the disk's cache.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// Abort ends the server by its own immediate shutdown: it says goodbye to
// nobody and recovers at the next start.
func (s *Server) Abort() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	_ = s.cmd.Wait()
}

// Processes returns the numbers of the server's processes, its first one first.
func (s *Server) Processes(t testing.TB) []int {
	t.Helper()
	first := s.cmd.Process.Pid
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", first, first))
	if err != nil {
		t.Fatal(err)
	}
	numbers := []int{first}
	for _, field := range bytes.Fields(out) {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// Restart starts the server after a Kill or an Abort on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	_ = os.Remove(filepath.Join(s.dir, "postmaster.pid"))
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func launch(t testing.TB, dir string, args ...string) (*Server, error) {
	t.Helper()
	s := &Server{args: args, port: strings.TrimPrefix(process.FreeAddr(t), "127.0.0.1:")}
	var err error
	if s.bin, err = programs(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(dir, "addcard-pg-"); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// programs finds the folder with initdb and postgres: Debian does not put it
// into the PATH.
func programs() (string, error) {
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
	return "", errors.New("postgres: PostgreSQL's initdb and postgres are not here; Debian: apt-get install postgresql")
}

// prepare makes the data folder. PostgreSQL refuses to run as root.
func (s *Server) prepare() error {
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("postgres: root cannot run PostgreSQL, and there is no user postgres: %w", err)
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		s.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	cmd := s.command("initdb", "-D", s.dir, "-U", "addcard", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("postgres: initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = process.DieWithTest(syscall.SIGQUIT)
	cmd.SysProcAttr.Credential = s.who
	cmd.SysProcAttr.Setpgid = true // Kill ends the whole family
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
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if s.ready() {
			return nil
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("postgres: the server does not start: %s", log)
		}
	}
}

// ready asks as PostgreSQL's own pg_isready does.
func (s *Server) ready() bool {
	return s.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", s.port).Run() == nil
}

func (s *Server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // without goodbyes
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}
