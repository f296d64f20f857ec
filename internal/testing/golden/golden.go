// Package golden compares what tests see of a program with the files that hold
// its contract: what users, clients and operators rely on.
package golden

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var update = flag.Bool("update", false, "rewrite the files in testdata/contract instead of comparing with them")

// Contract fails the test unless got is the content of testdata/contract/name.
// The failure shows the lines that differ. With the flag -update it writes the
// file instead.
func Contract(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "contract", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	t.Errorf(`what users can see has changed, and the contract in %s is fixed.
Lines with - are in the contract, lines with + are what the program has now:

%s
Change the program, not the contract. Only if the change itself is what was decided on, run
	go test -run Contract -update
in this folder and say in the commit what changes for users.`, path, changes(string(want), got))
}

// changes returns the lines that differ with some lines around them. It ends
// after enough lines to see what is wrong.
func changes(want, got string) string {
	const most = 120
	lines := strings.SplitAfter(string(diff.Diff("contract", []byte(want), "program", []byte(got))), "\n")
	if len(lines) > most {
		lines = append(lines[:most:most], "… and more\n")
	}
	return strings.Join(lines, "")
}
