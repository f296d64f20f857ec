// Command sandbox runs addcard and a simulated WeChat in one process, without any
// configuration. It is meant for first steps, for developers of mini-programs and
// for demonstrations, not for production. See `sandbox --help`.
package main

import (
	"fmt"
	"runtime/debug"

	"github.com/addcard/addcard/cmd/internal/command"
)

const about = `addcard with a simulated WeChat, in one process and without any configuration.

It creates a demo card, acts as one user from wx.login to an active card in the wallet, prints links to a phone, to the console and to ` +
	`the APIs, and continues to serve. Exit codes: 0 done, 1 failed, 2 misuse.

"run" is the default command; "sandbox help run" lists its flags. Examples:
  go run ./cmd/sandbox
  go run ./cmd/sandbox --once`

// commands is the command line. Each command is a struct of its arguments and
// flags; kong prints what its Help method returns and calls its Run method.
type commands struct {
	Run     runCmd     `cmd:"" default:"withargs" help:"Run the flow, then serve until Ctrl-C (the default command)."`
	Trigger triggerCmd `cmd:"" help:"Push a card event as WeChat does, to a running sandbox or to a server under development."`
	Seed    seedCmd    `cmd:"" help:"Fill a database with any number of members, to try or to measure addcard."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() { command.Main("sandbox", about, "", &commands{}) }

type versionCmd struct{}

func (versionCmd) Help() string {
	return `Examples:
  go run ./cmd/sandbox version
  go run ./cmd/sandbox version | head -1`
}

func (versionCmd) Run(streams command.Streams) error {
	version := "(devel)"
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintln(streams.Out, "addcard sandbox", version)
	return err
}
