// Package server runs the real addcard server, as it is delivered, in processes
// of its own, so that tests can kill, stop and observe it. It does not
// configure WeChat: tests pass the address of theirs.
//
// A test binary that uses it must call [Main] in its TestMain.
package server

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds the start of a server, which usually takes a moment.
const startTimeout = time.Minute

// AdminToken and TicketToken are the tokens in Environ.
const (
	AdminToken  = "an-admin-token-of-forty-characters-00001"
	TicketToken = "a-ticket-token-of-forty-characters-00001"
)

var binDir string

// Main runs the tests, removes the binary and exits.
func Main(m *testing.M) {
	var err error
	if binDir, err = os.MkdirTemp("", "addcard-server-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binDir)
	os.Exit(code)
}

// Binary builds the server once and returns its path.
var Binary = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(binDir, "server")
	return path, run(exec.Command("go", "build", "-o", path, "github.com/addcard/addcard/cmd/server"))
})

// Release builds the server once as it is released, for this machine, and returns its path.
var Release = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(binDir, "release")
	return path, run(exec.Command(filepath.Join(root(), "scripts", "build.sh"), path))
})

// Previous builds the server of an earlier commit with the flags of [Release]. It returns
// the path of the program and that of its source. The history of git must have the commit.
func Previous(commit string) (path, source string, err error) {
	source, err = os.MkdirTemp(binDir, "source-")
	if err != nil {
		return "", "", err
	}
	if err := run(exec.Command("git", "-C", root(), "cat-file", "-e", commit+"^{commit}")); err != nil {
		return "", "", fmt.Errorf("the history does not have the commit %s; git fetch --unshallow gets it: %w", commit, err)
	}
	archive := filepath.Join(source, "archive.tar")
	if err := run(exec.Command("git", "-C", root(), "archive", "-o", archive, commit)); err != nil {
		return "", "", err
	}
	if err := run(exec.Command("tar", "-xf", archive, "-C", source)); err != nil {
		return "", "", err
	}
	path = filepath.Join(source, "server")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", path, "./cmd/server")
	build.Dir = source
	build.Env = append(build.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	return path, source, run(build)
}

// run runs cmd. An error has its output.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return nil
}

// root returns the folder of the module, from a folder below it.
func root() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	panic("the test does not run in the module")
}

// Environ returns a configuration that keeps the data in dir and uses WeChat at
// the URL wechat. Later variables of an environment override earlier ones.
func Environ(dir, wechat string) []string {
	return []string{
		"LISTEN_ADDR=127.0.0.1:0", "ADMIN_LISTEN_ADDR=127.0.0.1:0", "DATABASE_URL=sqlite:" + filepath.Join(dir, "addcard.db"),
		"MINIPROGRAM_APP_ID=wx0000000000000001", "MINIPROGRAM_APP_SECRET=" + fmt.Sprintf("%032x", 11),
		"OFFICIAL_APP_ID=wx0000000000000002", "OFFICIAL_APP_SECRET=" + fmt.Sprintf("%032x", 22),
		"WECHAT_API_URL=" + wechat, "CALLBACK_TOKEN=callbacktoken", "ADMIN_TOKEN=" + AdminToken, "TICKET_TOKEN=" + TicketToken,
		"SESSION_KEYS=k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key!"), 8)),
		"RATE_LIMIT_PER_MEMBER=0", "RATE_LIMIT_PER_IP=0", "SHUTDOWN_GRACE=200ms", "GOMAXPROCS=2",
	}
}

// Server is a process of the server.
type Server struct {
	Public, Admin string // the URLs of the two listeners
	cmd           *exec.Cmd
	kill          func()
	closed        chan struct{} // the log has ended
	ended         chan struct{}
	log           tail
}

// Start starts a server with the environment env and returns when it listens.
// The server is killed when the test ends.
func Start(t testing.TB, env []string) *Server {
	t.Helper()
	s, err := Launch(t, env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Launch is like Start for a server that may fail to start: it returns an error
// if the server ends or does not listen within a minute.
func Launch(t testing.TB, env []string) (*Server, error) {
	t.Helper()
	path, err := Binary()
	if err != nil {
		return nil, err
	}
	return LaunchProgram(t, path, env)
}

// LaunchProgram is like Launch with the program at path.
func LaunchProgram(t testing.TB, path string, env []string) (*Server, error) {
	t.Helper()
	cmd := exec.Command(path, "serve")
	cmd.Dir, cmd.Env = t.TempDir(), env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd, closed: make(chan struct{}), ended: make(chan struct{})}
	serving := make(chan struct{})
	s.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		<-s.closed
		_ = cmd.Wait()
		close(s.ended)
	})
	t.Cleanup(s.kill)
	t.Cleanup(func() {
		select {
		case <-s.ended: // killed by the test
			return
		default:
		}
		if t.Failed() {
			t.Logf("end of the log of the server %s:\n%s", s.Public, s.LogTail())
		}
	})
	go func() {
		defer close(s.closed)
		s.readLog(stderr, serving)
	}()
	select {
	case <-serving:
		return s, nil
	case <-s.closed:
	case <-time.After(startTimeout):
	}
	s.kill()
	return nil, fmt.Errorf("the server does not listen: %s", s.LogTail())
}

// readLog reads the log to its end and takes the addresses of the listeners
// from it.
func (s *Server) readLog(stderr io.Reader, serving chan<- struct{}) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		s.log.add(lines.Text())
		var line struct{ Msg, Public, Admin string }
		if s.Public == "" && json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			s.Public, s.Admin = "http://"+line.Public, "http://"+line.Admin
			close(serving)
		}
	}
}

// Kill ends the process by SIGKILL and waits for its end.
func (s *Server) Kill() { s.kill() }

// Ended returns a channel that is closed when the process was killed.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// PID returns the process ID.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop ends the process by SIGTERM and waits for its end.
func (s *Server) Stop() error {
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.closed:
		s.kill()
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("the server does not end: %s", s.LogTail())
	}
}

// Signal sends a signal to the process.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// LogTail returns the last lines of the log.
func (s *Server) LogTail() string { return s.log.String() }

// tail keeps the last 20 lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines[max(0, len(l.lines)-19):], line)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
