package cardsync_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain makes the property tests short enough for every day; -rapid.checks
// makes them long. A failure prints what draws it again, so no file is kept.
func TestMain(m *testing.M) {
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	set("rapid.checks", "6")
	set("rapid.nofailfile", "true")
	flag.Parse()
	os.Exit(m.Run())
}
