//go:build race

package docs

// buildFlags are those of the test run, so that the programs reuse its compiled
// packages. -w leaves out debug information, because most of the time is spent
// linking.
var buildFlags = []string{"-race", "-ldflags=-w"}
