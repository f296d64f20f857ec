// Command server is addcard: the backend that a merchant puts behind a WeChat
// mini-program to hand out membership cards. See `server --help`.
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

	"addcard/internal/app"
)

// version is set by the build; see `make build`.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// The exit codes of every command.
const (
	done   = 0
	failed = 1
	misuse = 2
)

type streams struct {
	in       io.Reader
	out, err io.Writer // data and words
}

func run(ctx context.Context, args []string, io streams) (code int) {
	var cli cli
	code = -1
	parser := kong.Must(&cli, kong.Name("server"), kong.Description(about), kong.UsageOnError(),
		kong.Writers(io.out, io.err), kong.Exit(func(c int) { code = c }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
	parsed, err := parser.Parse(args)
	switch {
	case code >= 0: // --help has been answered
		return code
	case err != nil:
		_, _ = fmt.Fprintf(io.err, "server: %v\nTry: server --help\n", err)
		return misuse
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return explainExit(parsed.Run(&cli.globals, io), io.err)
}

// explainExit prints why a command ended and returns the exit code for it.
func explainExit(err error, w io.Writer) int {
	var config *app.ConfigError
	var wrong *misused
	switch {
	case err == nil:
		return done
	case errors.As(err, &config):
		_, _ = fmt.Fprintln(w, "server: the configuration has problems (docs/configuration.md):")
		for _, p := range config.Problems {
			_, _ = fmt.Fprintln(w, "  -", p)
		}
		return misuse
	case errors.As(err, &wrong):
		_, _ = fmt.Fprintln(w, "server:", err)
		return misuse
	case errors.Is(err, errQuiet):
		return failed
	}
	_, _ = fmt.Fprintln(w, "server:", err)
	return failed
}

// errQuiet fails a command that has said why already.
var errQuiet = errors.New("failed")

// misused is an error in how the command was called.
type misused struct{ error }
