package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/addcard/addcard/cmd/internal/commandtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sandbox": main})
}

func TestHelp_EveryCommandHasExamplesThatParse(t *testing.T) {
	commandtest.Help(t, "sandbox", "go run ./cmd/sandbox", &commands{})
}

// The scripts can use, besides the commands of commandtest,
//
//	tidy   nothing may be left in the folder for temporary files
func TestScripts(t *testing.T) {
	commandtest.Run(t, func(*testscript.Env) error { return nil }, map[string]commandtest.Command{"tidy": tidy})
}

func tidy(ts *testscript.TestScript, _ bool, _ []string) {
	left, err := os.ReadDir(ts.Getenv("TMPDIR"))
	ts.Check(err)
	for _, entry := range left {
		ts.Fatalf("left behind: %s", filepath.Join("$TMPDIR", entry.Name()))
	}
}
