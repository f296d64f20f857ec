package docs

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// prelude replaces two programs by shell functions. `go run ./cmd/sandbox` runs
// the sandbox that was built for the test, on free ports. `make` only checks
// that the target exists, because `make test` would run this test again.
const prelude = `
go() {
	case "$1 $2" in
	"run ./cmd/sandbox")
		shift 2
		case "${1-}" in
		trigger) "$BUILT/sandbox" "$@" --wechat "http://$WECHAT" ;;
		*) "$BUILT/sandbox" "$@" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --wechat-listen 127.0.0.1:0 ;;
		esac ;;
	"build -o")
		[ "$*" = "build -o bin/ ./cmd/server" ] && [ -x bin/server ] ;;
	*)
		echo "the test cannot run: go $*" >&2
		return 1 ;;
	esac
}
make() { grep -q "^$1:.*## " "$ROOT/Makefile" || { echo "there is no target $1" >&2; return 1; }; }
`

// patience is the time limit for all commands of a page, generous for a slow
// machine.
const patience = 90 * time.Second

// shell is an sh process that runs all blocks of a page, so that variables keep
// their values.
type shell struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *output
}

func command(ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func newShell(t *testing.T, ctx context.Context, dir string, env []string) *shell {
	t.Helper()
	s := &shell{cmd: command(ctx, dir, env), errors: &output{}}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		s.in, err = s.cmd.StdinPipe()
	}
	s.cmd.Stderr = s.errors
	if err = errors.Join(err, s.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	t.Cleanup(func() {
		_ = s.in.Close()
		_, _ = io.Copy(io.Discard, s.out)
		_ = s.cmd.Wait()
	})
	if _, _, err := s.run(prelude+"set -eu\n", 0); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a script and returns its output and exit code. If want is 0, the
// script runs in the shell itself, which exits when a command fails; otherwise
// it runs in a subshell.
func (s *shell) run(script string, want int) (printed string, code int, err error) {
	if want != 0 {
		script = "set +e\n(\nset -e\n" + script + "\n)"
	}
	const mark = "\x01"
	if _, err := fmt.Fprintf(s.in, "%s\nprintf '\\001%%d\\n' $?\nset -e\n", script); err != nil {
		return "", -1, err
	}
	printed, err = s.out.ReadString(mark[0])
	if err != nil {
		return printed, -1, fmt.Errorf("a command failed: %s%s", printed, s.errors)
	}
	status, err := s.out.ReadString('\n')
	if err != nil {
		return printed, -1, err
	}
	code, err = strconv.Atoi(strings.TrimSpace(status))
	return strings.TrimSuffix(printed, mark), code, err
}

// service is a command that keeps serving.
type service struct {
	cmd   *exec.Cmd
	out   *output
	ended chan error
}

func startService(ctx context.Context, dir string, env []string, script string) (*service, error) {
	// The shell must survive Ctrl-C to return the exit code of its command.
	s := &service{command(ctx, dir, env, "-c", prelude+"trap : INT\n"+script), &output{}, make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	return s, nil
}

// serving matches the last output of a program before it serves.
var serving = regexp.MustCompile(`(?m)^Serving until Ctrl-C\.\n|"msg":"serving".*\n`)

// addresses are the addresses in the pages, with the form in which the programs
// print theirs.
var addresses = map[string]*regexp.Regexp{
	"127.0.0.1:8080": regexp.MustCompile(`public API +http://(\S+)|"public":"([^"]+)"`),
	"127.0.0.1:8081": regexp.MustCompile(`admin API +http://(\S+)|"admin":"([^"]+)"`),
	"127.0.0.1:8082": regexp.MustCompile(`WeChat +http://(\S+)`),
}

// wait blocks until the service serves, and returns its actual address for each
// address in the pages.
func (s *service) wait(ctx context.Context) (map[string]string, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !serving.MatchString(s.out.String()) {
		select {
		case <-tick.C:
		case err := <-s.ended:
			s.ended <- err
			return nil, fmt.Errorf("the command ended (%w): %s", cmp.Or(err, errors.New("exit status 0")), s.out)
		case <-ctx.Done():
			return nil, fmt.Errorf("the command does not serve: %s", s.out)
		}
	}
	found := map[string]string{}
	for name, form := range addresses {
		if m := form.FindStringSubmatch(s.out.String()); m != nil {
			found[name] = strings.Join(m[1:], "")
		}
	}
	return found, nil
}

// interrupt interrupts the command as Ctrl-C does, waits for it to end, and
// returns its error.
func (s *service) interrupt() error {
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		return err
	}
	if err := <-s.ended; err != nil {
		return fmt.Errorf("%w: %s", err, s.out)
	}
	return nil
}

// output collects the output of a command. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// build compiles both programs and returns their directory.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := append(append([]string{"build"}, buildFlags...), "-o", dir+"/", "./cmd/server", "./cmd/sandbox")
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return dir
}

// install links the server to bin/server in dir.
func install(built, dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		return err
	}
	return os.Symlink(filepath.Join(built, "server"), filepath.Join(dir, "bin", "server"))
}
