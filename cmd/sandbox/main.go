// Command sandbox is the whole of addcard in one process, with a simulated
// WeChat instead of the real one: for newcomers, for developers of mini-programs
// and for demonstrations. It needs no configuration. See `sandbox --help`.
package main

import "github.com/addcard/addcard/cmd/internal/command"

const about = `addcard against a simulated WeChat, in one process and without any configuration.

It creates a demo card, plays one user from wx.login to an active card in the wallet, prints each step, and goes on serving. Exit codes: 0 done, 1 failed, 2 misuse.

Without a command it runs; "sandbox run --help" lists the flags. Examples:
  go run ./cmd/sandbox
  go run ./cmd/sandbox --once`

type commands struct {
	Run     runCmd     `cmd:"" default:"withargs" help:"Play the flow and go on serving until Ctrl-C (the default command)."`
	Trigger triggerCmd `cmd:"" help:"Push a card event as WeChat pushes it, to a running sandbox or to a server under development."`
	Seed    seedCmd    `cmd:"" help:"Fill a database with members, as many as one wants to try or measure addcard with."`
}

func main() { command.Main("sandbox", about, &commands{}) }
