//go:build race

package docs

// buildFlags are those of scripts/test.sh, so that the programs reuse its compiled
// packages. -w leaves out debug information, because most of the time is spent
// linking.
var buildFlags = []string{
	"-race", "-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=modernc.org/libc=-race=false", "-ldflags=-w",
}
