package docs

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Neither README is too long, and both link to and name the same number of
// things. TestTranslations compares the rest of their structure.
func TestREADMEs_AreOneInTwoLanguages(t *testing.T) {
	t.Parallel()
	english, chinese := readPage(t, "README.md"), readPage(t, "README.zh-CN.md")
	for _, p := range []page{english, chinese} {
		if n := strings.Count(p.text, "\n"); n > 160 {
			t.Errorf("%s has %d lines, want at most 160", p.name, n)
		}
	}
	for _, form := range []*regexp.Regexp{linkForm, testForm} {
		if x, y := form.FindAllString(english.prose(), -1), form.FindAllString(chinese.prose(), -1); len(x) != len(y) {
			t.Errorf("links or tests named: %q and %q", x, y)
		}
	}
}

var (
	linkForm = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testForm = regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9_]+)")
)

func TestPages_LinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, p := range allPages(t) {
		for _, m := range linkForm.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := filepath.Join(filepath.Dir(p.name), target)
			if target == "" {
				file = p.name
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s, which is not there", p.name, target)
			} else if anchor != "" && !hasAnchor(readPage(t, file), anchor) {
				t.Errorf("%s links to %s, which has no heading #%s", p.name, file, anchor)
			}
		}
	}
}

func hasAnchor(p page, anchor string) bool {
	for _, h := range p.headings() {
		text := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(strings.TrimLeft(h, "# ")), "")
		if strings.ReplaceAll(text, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// Tests that a page names exist.
func TestPages_NameTestsThatExist(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	for _, p := range allPages(t) {
		for _, m := range testForm.FindAllStringSubmatch(p.prose(), -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which is not a test", p.name, m[1])
			}
		}
	}
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	form := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)[A-Za-z0-9_]+)\(`)
	found := map[string]bool{}
	read := func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, m := range form.FindAllSubmatch(source, -1) {
			found[string(m[1])] = true
		}
		return err
	}
	for _, folder := range []string{"internal", "web/explain"} {
		if err := filepath.WalkDir(filepath.Join(root, folder), read); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// Routes that a page names are served.
func TestPages_NameRoutesThatExist(t *testing.T) {
	t.Parallel()
	public, admin := serve(t)
	form := regexp.MustCompile(`\b(GET|POST|PUT|PATCH|DELETE) (/(?:v1|wechat)/[a-z0-9_{}/-]+)`)
	named := 0
	for _, p := range readPages(t, "*.md", "docs/*.md") {
		for _, m := range form.FindAllStringSubmatch(p.text, -1) {
			named++
			if !served(t, m[1], public+m[2]) && !served(t, m[1], admin+m[2]) {
				t.Errorf("%s names %s %s, which is not served", p.name, m[1], m[2])
			}
		}
	}
	if named < 10 {
		t.Errorf("only %d routes are named: the test would prove nothing", named)
	}
}

// served reports whether the listener has the route, whatever the route answers.
func served(t *testing.T, method, url string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{", "", "}", "").Replace(url), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+sampleToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var problem struct{ Code string }
	_ = json.NewDecoder(resp.Body).Decode(&problem) // an empty body has no code
	return problem.Code != "not_found" && problem.Code != "method_not_allowed"
}

const sampleToken = "an-operators-token-of-forty-characters-1"

// serve runs a server against a simulated WeChat until the test ends, and
// returns the addresses of its listeners.
func serve(t *testing.T) (public, admin string) {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{})
	wechat := httptest.NewServer(sim.Handler())
	t.Cleanup(wechat.Close)
	t.Cleanup(sim.Close)
	var environ []string
	for _, b := range readPage(t, "docs/configuration.md").blocks {
		if b.is("dotenv") {
			environ = strings.Split(strings.TrimSpace(b.text), "\n")
		}
	}
	cfg, err := config.LoadSandbox(append(environ, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_TOKEN="+sampleToken, "WECHAT_API_URL="+wechat.URL,
		"DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "addcard.db"), "SHUTDOWN_GRACE=0s"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server ended: %v", err)
		}
	})
	return "http://" + a.Addr(), "http://" + a.AdminAddr()
}
