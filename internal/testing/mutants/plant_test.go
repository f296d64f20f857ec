package mutants

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// result is the fate of a mutant, the tests that failed, and the end of the go
// command's output.
type result struct {
	fate   fate
	failed []string
	output string
}

// plant runs the tests of m on the faulty code, until one fails.
func (m mutant) plant(t *testing.T) (got result) {
	t.Helper()
	text, err := m.source()
	if err == nil {
		text, err = m.mutate(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	overlay := overlayOf(t, map[string]string{m.file: text})
	for _, c := range m.tests {
		if got = goTest(t.Context(), overlay, c, "-failfast"); got.fate != survived {
			break
		}
	}
	return got
}

// batch are mutants of one package with a test of its own for each, so that one
// build can have all of them: the test of each shows its fate.
type batch struct {
	list  []mutant
	files map[string]string // the faulty texts
}

// oneTest is a -run pattern of one test, or of one subtest.
var oneTest = regexp.MustCompile(`^\^\w+\$(/\^[\w,'-]+\$)*$`)

// nameOf returns the name of the test that such a pattern matches.
func nameOf(run string) string { return strings.NewReplacer("^", "", "$", "").Replace(run) }

// batchesOf puts together what can be planted together, and returns the rest.
func batchesOf(t *testing.T, list []mutant) (batches []*batch, alone []mutant) {
	t.Helper()
	for _, m := range list {
		if len(m.tests) > 1 || !oneTest.MatchString(m.tests[0].run) {
			alone = append(alone, m)
		} else if !slices.ContainsFunc(batches, func(b *batch) bool { return b.add(t, m) }) {
			b := &batch{files: map[string]string{}}
			b.add(t, m)
			batches = append(batches, b)
		}
	}
	return batches, alone
}

// add adds a mutant, unless it belongs to another batch.
func (b *batch) add(t *testing.T, m mutant) bool {
	t.Helper()
	if slices.ContainsFunc(b.list, func(o mutant) bool { return o.tests[0] == m.tests[0] || o.tests[0].pkg != m.tests[0].pkg }) {
		return false
	}
	text, ok := b.files[m.file]
	if !ok {
		var err error
		if text, err = m.source(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := m.mutate(text)
	if err == nil {
		b.list, b.files[m.file] = append(b.list, m), text
	}
	return err == nil
}

// plant returns those mutants of the batch that their tests did not see. The others
// may have helped a test to fail, which planting all of them alone excludes.
func (b *batch) plant(t *testing.T) (unseen []mutant) {
	t.Helper()
	if len(b.list) == 1 {
		return b.list
	}
	var names []string
	for _, m := range b.list {
		names = append(names, m.tests[0].run)
	}
	got := goTest(t.Context(), overlayOf(t, b.files), tests{b.list[0].tests[0].pkg, strings.Join(names, "|")})
	for _, m := range b.list {
		if !slices.Contains(got.failed, nameOf(m.tests[0].run)) {
			unseen = append(unseen, m)
		}
	}
	return unseen
}

// overlayOf writes faulty files and returns the go command's description of where
// they are.
func overlayOf(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for file, text := range files {
		original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = filepath.Join(dir, fmt.Sprint(len(replace), filepath.Base(file)))
		if err := os.WriteFile(replace[original], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// goTest runs tests with an overlay, or on the code as it is. Without debugging
// information a test links in half the time.
func goTest(ctx context.Context, overlay string, c tests, flags ...string) result {
	args := append([]string{"test", "-vet=off", "-timeout=2m", "-ldflags=-s -w", "-run=" + c.run}, flags...)
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, c.pkg)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	got := result{fate: fateOf(string(out), err), output: tail(string(out))}
	for _, match := range failed.FindAllStringSubmatch(string(out), -1) {
		got.failed = append(got.failed, match[1])
	}
	return got
}

var (
	failed  = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
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
