package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gremlins finds the places in a package where an operator can be exchanged, and
// exchanges one after the other.
const gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"

// pure are the packages whose tests are fast enough for it.
var pure = []string{"datakey", "jssdk", "phone"}

// equivalent has the mutants of gremlins that change nothing that a caller could
// see, "package/file mutator: source line", and why.
var equivalent = map[string]string{
	"datakey/datakey.go CONDITIONALS_BOUNDARY: if k == nil || end < 0 {":                               "no key has an empty name",
	"datakey/datakey.go CONDITIONALS_BOUNDARY: if one.kid != kid || len(raw) < aead.NonceSize() {":     "a nonce alone does not open",
	"phone/phone.go CONDITIONALS_BOUNDARY: if r >= '！' && r <= '～' { // the full-width forms of ASCII": "neither ！ nor ! is part of a number",
}

// Gremlins knows the lines that a test reaches only by block, and leaves out the
// conditions of a switch: those are in the lists, where they matter.
func TestMutants_OfPurePackages(t *testing.T) {
	if os.Getenv("ADDCARD_MUTANTS") != "all" {
		t.Skip("only with ADDCARD_MUTANTS=all, as in make mutants: a package takes a minute")
	}
	for _, pkg := range pure {
		t.Run(pkg, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "mutants.json")
			cmd := exec.CommandContext(t.Context(), "go", "run", gremlins, "unleash", "--timeout-coefficient=20", "--output="+file,
				"./internal/"+pkg)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, tail(string(out)))
			}
			report(t, pkg, file)
		})
	}
}

// report fails the test for each mutant that lived and is not known to be
// equivalent.
func report(t *testing.T, pkg, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type, Status string
				Line         int
			}
		}
	}
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	fates := map[string]int{}
	for _, f := range found.Files {
		source, err := os.ReadFile(filepath.Join(root, "internal", filepath.FromSlash(pkg), filepath.Base(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(source), "\n")
		for _, m := range f.Mutations {
			fates[m.Status]++
			name := fmt.Sprintf("%s/%s %s: %s", pkg, filepath.Base(f.Name), m.Type, strings.TrimSpace(lines[m.Line-1]))
			if m.Status == "LIVED" && equivalent[name] == "" {
				t.Errorf("survived, in line %d: %s", m.Line, name)
			}
		}
	}
	t.Logf("%s: %v", pkg, fates)
	if fates["KILLED"] == 0 {
		t.Error("no mutant was killed: gremlins did not run the tests")
	}
}
