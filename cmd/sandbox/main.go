// Command sandbox is the whole of addcard in one process, with a simulated
// WeChat instead of the real one: for newcomers, for developers of mini-programs
// and for demonstrations. It needs no configuration. See `sandbox --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

const about = `addcard against a simulated WeChat, in one process and without any configuration.

It creates a demo card, plays one user from wx.login to the card in the wallet, prints each step, and goes on serving. Exit codes: 0 done, 1 failed, 2 misuse.`

type cli struct {
	Run runCmd `cmd:"" default:"withargs" help:"Play the flow and go on serving until Ctrl-C (the default command)."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// misused is an error in how the command was called.
type misused struct{ error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var cli cli
	code = -1
	parser := kong.Must(&cli, kong.Name("sandbox"), kong.Description(about), kong.UsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(c int) { code = c }), kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}))
	parsed, err := parser.Parse(args)
	switch {
	case code >= 0: // --help has been answered
		return code
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "sandbox: %v\nTry: sandbox --help\n", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(stdout, (*io.Writer)(nil))
	err = parsed.Run()
	var wrong *misused
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		code = 2
	default:
		code = 1
	}
	_, _ = fmt.Fprintln(stderr, "sandbox:", err)
	return code
}
