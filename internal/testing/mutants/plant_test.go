package mutants

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fate is what became of a mutant.
type fate string

const (
	killed   fate = "killed"   // a test failed
	survived fate = "survived" // all tests passed
	unbuilt  fate = "unbuilt"  // the mutant does not compile
	hung     fate = "hung"     // a test did not end
)

// result is the fate of a mutant, the test that failed first, and the end of the
// go command's output.
type result struct {
	fate   fate
	by     string
	output string
}

// plant runs the tests of m on the faulty code, until one fails.
func (m mutant) plant(t *testing.T) (got result) {
	t.Helper()
	text, err := m.mutate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	faulty := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(faulty, text, 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: faulty}})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(config, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range m.tests {
		if got = goTest(t.Context(), config, c); got.fate != survived {
			break
		}
	}
	return got
}

// goTest runs tests with an overlay, or on the code as it is. Without debugging
// information a test links in half the time.
func goTest(ctx context.Context, overlay string, c tests) result {
	args := []string{"test", "-vet=off", "-failfast", "-timeout=2m", "-ldflags=-s -w", "-run=" + c.run}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, c.pkg)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	got := result{fate: fateOf(string(out), err), output: tail(string(out))}
	if name := failed.FindStringSubmatch(string(out)); name != nil {
		got.by = name[1]
	}
	return got
}

var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	crashed = regexp.MustCompile(`(?m)^(panic|fatal error): `)
)

func fateOf(output string, err error) fate {
	switch {
	case err == nil && !strings.Contains(output, "no tests to run"):
		return survived
	case strings.Contains(output, "panic: test timed out"):
		return hung
	case failed.MatchString(output), crashed.MatchString(output):
		return killed
	}
	return unbuilt
}

// diff shows the fault.
func (m mutant) diff() string {
	return m.file + "\n-" + strings.ReplaceAll(m.old, "\n", "\n-") + "\n+" + strings.ReplaceAll(m.new, "\n", "\n+")
}

func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + strings.ToValidUTF8(s[len(s)-most:], "")
	}
	return s
}
