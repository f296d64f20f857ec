package sheet_test

import (
	"flag"
	"os"
	"testing"

	_ "pgregory.net/rapid" // has the flags
)

// TestMain runs few checks of each property, unless -rapid.checks says otherwise: each
// check writes a workbook.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "25", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}
