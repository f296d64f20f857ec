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
	if out, err := exec.Command("go", "build", "-o", path, "github.com/addcard/addcard/cmd/server").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

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
	cmd := exec.Command(path, "serve")
	cmd.Dir, cmd.Env = t.TempDir(), env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd, ended: make(chan struct{})}
	serving, closed := make(chan struct{}), make(chan struct{}) // closed: stderr
	s.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		<-closed
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
		defer close(closed)
		s.readLog(stderr, serving)
	}()
	select {
	case <-serving:
		return s, nil
	case <-closed:
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
