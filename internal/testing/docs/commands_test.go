package docs

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// Every command on a page works and prints what the page shows.
func TestPages_SayWhatHappens(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the pages use curl, which is not installed; on Debian: apt-get install curl")
	}
	built := build(t)
	for _, p := range readPages(t, "README*.md", "docs/*.md") {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			newStage(t, built).play(p)
		})
	}
}

// stage is the environment in which one page is run.
type stage struct {
	t     *testing.T
	ctx   context.Context // ends with the page
	dir   string
	env   []string
	shell *shell
	real  map[string]string // addresses in the pages → addresses of this run
}

func newStage(t *testing.T, built string) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // must outlive the test's clean-up
	t.Cleanup(cancel)
	s := &stage{t: t, ctx: ctx, dir: t.TempDir()}
	if err := install(built, s.dir); err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	s.env = append(deployment(t), "BUILT="+built, "ROOT="+top,
		"PATH="+os.Getenv("PATH"), "HOME="+s.dir, "TMPDIR="+s.dir, "LC_ALL=C.UTF-8",
		"GORACE=atexit_sleep_ms=0") // otherwise each program takes a second to exit under the race detector
	s.shell = newShell(t, ctx, s.dir, s.env)
	return s
}

// deployment returns the environment of a deployment: the values that a reader
// would fill in, for a simulated WeChat.
func deployment(t *testing.T) []string {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	a := sim.Accounts()
	return []string{
		"MINIPROGRAM_APP_ID=" + a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET=" + a.MiniProgram.Secret,
		"OFFICIAL_APP_ID=" + a.Official.AppID, "OFFICIAL_APP_SECRET=" + a.Official.Secret,
		"WECHAT_API_URL=" + server.URL, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_LISTEN_ADDR=127.0.0.1:0", "SHUTDOWN_GRACE=100ms",
	}
}

// play runs the blocks of the page in order.
func (s *stage) play(p page) {
	s.t.Helper()
	if strings.Contains(p.text, "--write-env") { // the page brings its own configuration
		const unset = "unset MINIPROGRAM_APP_ID MINIPROGRAM_APP_SECRET OFFICIAL_APP_ID OFFICIAL_APP_SECRET " +
			"WECHAT_API_URL LISTEN_ADDR ADMIN_LISTEN_ADDR SHUTDOWN_GRACE"
		if _, _, err := s.shell.run(unset, 0); err != nil {
			s.t.Fatal(err)
		}
	}
	printed, ran := "", false
	for _, b := range p.blocks {
		at := p.name + ":" + strconv.Itoa(b.line)
		switch {
		case b.is("sh") && b.attrs == "serves":
			printed, ran = s.serve(at, b.text), true
		case b.is("sh"):
			printed, ran = s.run(at, b), true
		case b.is("json", "text"):
			if !ran {
				s.t.Fatalf("%s: no command before this block", at)
			}
			if differs := prints(b.text, printed); differs != "" {
				s.t.Errorf("%s: %s", at, differs)
			}
			ran = false
		}
	}
}

// run runs a block and returns its output, with the page's addresses.
func (s *stage) run(at string, b block) string {
	s.t.Helper()
	want := 0
	if b.attrs != "" {
		code, isExit := strings.CutPrefix(b.attrs, "exit=")
		n, err := strconv.Atoi(code)
		if err != nil || !isExit {
			s.t.Fatalf("%s: unknown attribute of an sh block: %q", at, b.attrs)
		}
		want = n
	}
	printed, code, err := s.shell.run(s.here(b.text), want)
	if err != nil {
		s.t.Fatalf("%s: %v", at, err)
	}
	if code != want {
		s.t.Errorf("%s: exit code %d, want %d: %s%s", at, code, want, printed, s.shell.errors)
	}
	return s.there(printed)
}

// serve starts a service, blocks until it serves, and returns its output up to
// then. Later blocks find LISTEN_ADDR, WECHAT and ADMIN_TOKEN in the environment.
func (s *stage) serve(at, script string) string {
	s.t.Helper()
	service, err := startService(s.ctx, s.dir, s.env, script)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := service.interrupt(); err != nil {
			s.t.Errorf("%s: after Ctrl-C: %v", at, err)
		}
	})
	if s.real, err = service.wait(s.ctx); err != nil {
		s.t.Fatalf("%s: %v", at, err)
	}
	known := "export LISTEN_ADDR=" + s.real["127.0.0.1:8080"] + " WECHAT=" + s.real["127.0.0.1:8082"]
	if m := adminToken.FindStringSubmatch(service.out.String()); m != nil {
		known += " ADMIN_TOKEN=" + m[1]
	}
	if _, _, err := s.shell.run(known, 0); err != nil {
		s.t.Fatal(err)
	}
	return s.there(service.out.String())
}

var adminToken = regexp.MustCompile(`ADMIN_TOKEN of this run: (\S+)`)

// here replaces the page's addresses in text by those of this run; there does
// the reverse.
func (s *stage) here(text string) string {
	for page, real := range s.real {
		text = strings.ReplaceAll(text, page, real)
	}
	return text
}

func (s *stage) there(text string) string {
	for page, real := range s.real {
		text = strings.ReplaceAll(text, real, page)
	}
	return text
}
