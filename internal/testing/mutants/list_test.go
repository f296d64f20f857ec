package mutants

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// mutant is one planted fault.
type mutant struct {
	name  string // unique; it begins with the area, "ledger: …" becomes ledger/…
	harm  string // what the fault would mean for a shop
	file  string // from the root of the repository
	old   string // occurs once in file
	new   string
	tests []tests // one of them must fail
}

// tests are the tests of one package that match a -run pattern.
type tests struct{ pkg, run string }

// load reads the lists in testdata in the order of their names.
func load(t *testing.T) (all []mutant) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists of mutants: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		area := strings.TrimSuffix(filepath.Base(file), ".txt")
		for i, block := range strings.Split("\n"+string(text), "\n== ")[1:] {
			m, err := parse(area, block)
			if err != nil {
				t.Fatalf("%s, mutant %d: %v", file, i+1, err)
			}
			all = append(all, m)
		}
	}
	return all
}

// parse reads one mutant of a list: its name, then lines that begin with "file ",
// "test ", "-" or "+", and otherwise belong to the text about the harm.
func parse(area, block string) (m mutant, err error) {
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	m.name = area + "/" + lines[0]
	var harm, old, replacement []string
	for _, line := range lines[1:] {
		kind, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "-"):
			old = append(old, line[1:])
		case strings.HasPrefix(line, "+"):
			replacement = append(replacement, line[1:])
		case kind == "file":
			m.file = rest
		case kind == "test":
			pkg, run, ok := strings.Cut(rest, " ")
			if !ok {
				return m, errors.New("a test line has a package and a pattern")
			}
			m.tests = append(m.tests, tests{pkg, run})
		case line != "":
			harm = append(harm, line)
		}
	}
	m.harm, m.old, m.new = strings.Join(harm, " "), strings.Join(old, "\n"), strings.Join(replacement, "\n")
	if m.harm == "" || m.file == "" || m.old == "" || len(m.tests) == 0 {
		return m, fmt.Errorf("%s lacks its harm, file, test or old text", m.name)
	}
	return m, nil
}

// source returns the file without the fault.
func (m mutant) source() (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	return string(text), err
}

// mutate returns the text of the file with the fault.
func (m mutant) mutate(text string) (string, error) {
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("the old text is %d times in %s, want once:\n%s", n, m.file, m.old)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
}
