package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/addcard/addcard/cmd/internal/command"
)

// version and commit are set by scripts/build.sh.
var version, commit string

// build returns the version of this program and the commit that it was built
// from: what scripts/build.sh has set, else what the go command recorded.
func build() (v, c string) {
	v, c = version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = cmp.Or(c, s.Value)
			}
		}
	}
	return cmp.Or(v, "(devel)"), cmp.Or(c, "unknown")
}

type versionCmd struct{}

func (versionCmd) Run(streams command.Streams) error {
	v, c := build()
	_, err := fmt.Fprintf(streams.Out, "addcard %s\ncommit %s\n%s\n", v, c, runtime.Version())
	return err
}
