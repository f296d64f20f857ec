// Package mutants plants faults in the product and checks that a test fails for
// each. The faults are lists in testdata, by area, each with what it would mean for
// a shop.
//
// A test run plants a hundred and twentieth of them, another one each day, as far as possible
// several in one build. With ADDCARD_MUTANTS it plants another part: a share, such
// as 3/10; or all, or those whose names begin with it, such as auth/, one at a time.
// The working tree is not changed: the go command reads the faulty files from
// another place (-overlay).
package mutants

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// atLeast is how many mutants the lists have, so that none gets lost unnoticed.
const atLeast = 60

// The list stays true while the code changes.
func TestList_EachMutantFitsTheCode(t *testing.T) {
	all := load(t)
	if len(all) < atLeast {
		t.Errorf("%d mutants, want at least %d", len(all), atLeast)
	}
	names := map[string]bool{}
	for _, m := range all {
		if names[m.name] {
			t.Errorf("%s: two mutants have this name", m.name)
		}
		names[m.name] = true
		text, err := m.source()
		if err == nil {
			text, err = m.mutate(text)
		}
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		_, err = parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution)
		if err != nil && strings.HasSuffix(m.file, ".go") { // or SQL of the migrations
			t.Errorf("%s: the mutant is no Go: %v", m.name, err)
		}
		if m.old == m.new {
			t.Errorf("%s changes nothing", m.name)
		}
		for _, c := range m.tests {
			if err := c.exist(); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)

// exist returns an error if the pattern matches no test of the package.
func (c tests) exist() error {
	top, _, _ := strings.Cut(c.run, "/")
	pattern, err := regexp.Compile(top)
	if err != nil {
		return err
	}
	names, err := testsOf(c.pkg)
	if err == nil && !slices.ContainsFunc(names, pattern.MatchString) {
		err = fmt.Errorf("%s has no test %s", c.pkg, c.run)
	}
	return err
}

var foundTests = map[string][]string{}

// testsOf returns the names of the tests of a package, which it reads once.
func testsOf(pkg string) (names []string, err error) {
	if names, ok := foundTests[pkg]; ok {
		return names, nil
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, found := range testFunc.FindAllSubmatch(text, -1) {
			names = append(names, string(found[1]))
		}
	}
	foundTests[pkg] = names
	return names, nil
}

func TestMutants_EachIsKilled(t *testing.T) {
	batches, alone, part := choose(t, load(t), os.Getenv("ADDCARD_MUTANTS"))
	planted := len(alone)
	for _, b := range batches {
		planted += len(b.list)
	}
	t.Logf("%d mutants, part %s; ADDCARD_MUTANTS=%s plants them again", planted, part, part)
	left := append(plantTogether(t, batches), alone...)
	var survivors list
	t.Run("alone", func(t *testing.T) {
		for _, m := range left {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				if part == "all" {
					m.checkUnchanged(t)
				}
				began := time.Now()
				got := m.plant(t)
				t.Logf("%s after %.1f s, by %v", got.fate, time.Since(began).Seconds(), got.failed)
				if got.fate != killed {
					t.Errorf("%s\n%s\n%s", m.harm, m.diff(), got.output)
					survivors.add(m)
				}
			})
		}
	})
	t.Logf("%d of %d mutants killed; survivors: %v", planted-len(survivors.mutants), planted, survivors.names())
}

// list is a list of mutants to which several tests add.
type list struct {
	mu      sync.Mutex
	mutants []mutant
}

func (l *list) add(m ...mutant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mutants = append(l.mutants, m...)
}

func (l *list) names() (names []string) {
	for _, m := range l.mutants {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return names
}

// plantTogether returns the mutants of the batches that have to be planted alone.
func plantTogether(t *testing.T, batches []*batch) []mutant {
	t.Helper()
	var left list
	t.Run("together", func(t *testing.T) {
		for _, b := range batches {
			t.Run(b.list[0].tests[0].pkg, func(t *testing.T) {
				t.Parallel()
				unseen := b.plant(t)
				t.Logf("%d of %d killed", len(b.list)-len(unseen), len(b.list))
				left.add(unseen...)
			})
		}
	})
	return left.mutants
}

// choose returns a part of the mutants: "all", each alone; or "i/n", which is every
// n-th build; or those, each alone, whose names begin with the part. An empty part
// is the hundred and twentieth of the day.
func choose(t *testing.T, mutants []mutant, part string) (batches []*batch, alone []mutant, name string) {
	t.Helper()
	if part == "all" {
		return nil, mutants, part
	}
	if part == "" {
		part = fmt.Sprintf("%d/120", time.Now().Unix()/(24*60*60)%120)
	}
	var i, n int
	if _, err := fmt.Sscanf(part, "%d/%d", &i, &n); err == nil && 0 <= i && i < n {
		batches, alone = batchesOf(t, mutants)
		return every(batches, i, n), every(alone, i, n), part
	}
	alone = slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !strings.HasPrefix(m.name, part) })
	if len(alone) == 0 {
		t.Fatalf("ADDCARD_MUTANTS=%s: want all, a share such as 3/10, or how names begin, such as auth/", part)
	}
	return nil, alone, part
}

func every[T any](list []T, i, n int) (part []T) {
	for ; i < len(list); i += n {
		part = append(part, list[i])
	}
	return part
}

// unchanged has the outcome of the tests on the code as it is, by tests.
var unchanged sync.Map

// checkUnchanged runs the tests of m on the code as it is: a test that fails
// anyway proves nothing.
func (m mutant) checkUnchanged(t *testing.T) {
	t.Helper()
	for _, c := range m.tests {
		run, _ := unchanged.LoadOrStore(c, sync.OnceValue(func() result { return goTest(context.Background(), "", c) }))
		if got := run.(func() result)(); got.fate != survived {
			t.Fatalf("without the mutant %s -run %s: %s\n%s", c.pkg, c.run, got.fate, got.output)
		}
	}
}
