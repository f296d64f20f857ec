// Package server runs the real server, as it is delivered, in processes of
// its own, which tests may kill, stop and watch.
//
// A test binary that uses it calls [Main] in its TestMain.
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

// patience is for what should take a moment.
const patience = time.Minute

// The tokens that Environ gives to a server.
const (
	AdminToken  = "an-admin-token-of-forty-characters-00001"
	TicketToken = "a-ticket-token-of-forty-characters-00001"
)

var folder string

// Main runs the tests and leaves nothing behind; it does not return.
func Main(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "addcard-server-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// Binary builds the server, once.
var Binary = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(folder, "server")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/addcard/addcard/cmd/server").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// Environ is a configuration that keeps the data in dir and calls WeChat at
// wechat. What follows in the environment overrides it.
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

// Server is one process.
type Server struct {
	Public, Admin string // the URLs of the two listeners
	cmd           *exec.Cmd
	kill          func()
	dead          chan struct{}
	log           tail
}

// Start starts a server with the variables of env and returns when it listens.
// It ends with the test.
func Start(t testing.TB, env []string) *Server {
	t.Helper()
	s, err := Launch(t, env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Launch is Start for a server that may not come up: one that has ended, or
// listens only after a minute, is an error.
func Launch(t testing.TB, env []string) (*Server, error) {
	t.Helper()
	path, err := Binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "serve")
	cmd.Dir, cmd.Env = t.TempDir(), env
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd, dead: make(chan struct{})}
	serving, silent := make(chan struct{}), make(chan struct{})
	s.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill() // SIGKILL: nothing is said goodbye to
		<-silent
		_ = cmd.Wait()
		close(s.dead)
	})
	t.Cleanup(s.kill)
	t.Cleanup(func() {
		select {
		case <-s.dead: // by the test's hand
			return
		default:
		}
		if t.Failed() {
			t.Logf("the server %s said at last:\n%s", s.Public, s.Said())
		}
	})
	go func() {
		defer close(silent)
		s.listen(said, serving)
	}()
	select {
	case <-serving:
		return s, nil
	case <-silent:
	case <-time.After(patience):
	}
	s.kill()
	return nil, fmt.Errorf("the server does not serve: %s", s.Said())
}

// listen reads the log to its end and takes the addresses from it.
func (s *Server) listen(said io.Reader, serving chan<- struct{}) {
	for lines := bufio.NewScanner(said); lines.Scan(); {
		s.log.add(lines.Text())
		var line struct{ Msg, Public, Admin string }
		if s.Public == "" && json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			s.Public, s.Admin = "http://"+line.Public, "http://"+line.Admin
			close(serving)
		}
	}
}

// Kill ends the process at once and waits for its end.
func (s *Server) Kill() { s.kill() }

// Dead is closed when the process was killed.
func (s *Server) Dead() <-chan struct{} { return s.dead }

// PID is the number of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Signal sends a signal.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Said is the end of the log.
func (s *Server) Said() string { return s.log.String() }

// tail keeps the last lines of a log.
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
