// Command server is addcard: the backend that a merchant puts behind a WeChat
// mini-program to hand out membership cards. See `server --help`.
package main

import (
	"fmt"
	"runtime/debug"

	"github.com/addcard/addcard/cmd/internal/command"
)

const about = `addcard: the backend behind a WeChat mini-program that hands out membership cards (微信会员卡).

Configuration is read from the environment and from the file .env; "server init" writes a first one. Exit codes: 0 done, 1 failed, 2 misuse. Examples:
  server init
  server serve`

type commands struct {
	globals
	Serve   serveCmd   `cmd:"" help:"Serve mini-programs, WeChat and the operator until SIGTERM."`
	Init    initCmd    `cmd:"" help:"Write a .env with fresh keys and a place for each of WeChat's."`
	Ready   readyCmd   `cmd:"" help:"Ask a running server whether it is ready; for health checks."`
	Migrate migrateCmd `cmd:"" help:"Bring the database's tables up to date, as serve does at start."`
	Doctor  doctorCmd  `cmd:"" help:"Look at a deployment and say what mends it."`
	Card    cardCmd    `cmd:"" help:"Create cards, have them reviewed, hand them out."`
	Member  memberCmd  `cmd:"" help:"Find, show, adjust, export and delete members."`
	Outbox  outboxCmd  `cmd:"" help:"See what waits for WeChat, and send again what it refused."`
	Check   checkCmd   `cmd:"" help:"Add up the ledger and say what somebody has to look at."`
	Sign    signCmd    `cmd:"" help:"Sign one cardExt by hand and print it."`
	Explain explainCmd `cmd:"" help:"Say why a phone answers 签名错误 to a cardExt."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() { command.Main("server", about, &commands{}) }

// version is set by `make build`.
var version = ""

// release is the version, or what the go command knows about the source.
func release() string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case version != "":
		return version
	case ok && info.Main.Version != "":
		return info.Main.Version
	}
	return "(devel)"
}

type versionCmd struct{}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Examples:
  server version
  server version | head -1`
}

// Run prints the version and what it was built with.
func (versionCmd) Run(io command.Streams) error {
	_, err := fmt.Fprintln(io.Out, "addcard", release())
	if info, ok := debug.ReadBuildInfo(); ok && err == nil {
		_, err = fmt.Fprintln(io.Out, info.GoVersion)
	}
	return err
}
