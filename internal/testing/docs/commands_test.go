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

// Every command on the pages works, and prints what they say.
func TestPages_say_what_happens(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the pages use curl, which is not here; Debian: apt-get install curl")
	}
	built := build(t)
	for _, p := range readPages(t, "README*.md", "docs/*.md") {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			newStage(t, built).play(p)
		})
	}
}

// stage is where one page is played.
type stage struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // lives for one page
	dir   string
	env   []string
	shell *shell
	real  map[string]string // the addresses of the pages → those of this run
}

func newStage(t *testing.T, built string) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // lives through the clean-up
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
		"GORACE=atexit_sleep_ms=0") // the race detector makes each program stay a second
	s.shell = newShell(t, ctx, s.dir, s.env)
	return s
}

// deployment is what a reader fills in: the four values that WeChat gives. Here
// a simulated WeChat gives them.
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

// play runs the page's blocks in their order.
func (s *stage) play(p page) {
	s.t.Helper()
	if strings.Contains(p.text, "--write-env") { // the page's own configuration, not the stage's
		const unset = "unset MINIPROGRAM_APP_ID MINIPROGRAM_APP_SECRET OFFICIAL_APP_ID OFFICIAL_APP_SECRET WECHAT_API_URL LISTEN_ADDR ADMIN_LISTEN_ADDR SHUTDOWN_GRACE"
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
				s.t.Fatalf("%s: no command prints this", at)
			}
			if differs := prints(b.text, printed); differs != "" {
				s.t.Errorf("%s: %s", at, differs)
			}
			ran = false
		}
	}
}

// run runs one block and returns what it prints, with the addresses of the page.
func (s *stage) run(at string, b block) string {
	s.t.Helper()
	want := 0
	if b.attrs != "" {
		code, isExit := strings.CutPrefix(b.attrs, "exit=")
		n, err := strconv.Atoi(code)
		if err != nil || !isExit {
			s.t.Fatalf("%s: an sh block is not %q", at, b.attrs)
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

// serve starts a service, waits until it serves and returns what it has printed
// by then. What follows finds it: bin/server by LISTEN_ADDR, and the reader has
// copied the ADMIN_TOKEN.
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

// here puts the addresses of this run in place of the page's, there the
// other way round.
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
