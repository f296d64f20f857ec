//go:build race

package docs

// buildFlags make the programs share the packages that the test run compiled,
// and leave out what only a debugger reads: linking is most of the test.
var buildFlags = []string{"-race", "-ldflags=-w"}
