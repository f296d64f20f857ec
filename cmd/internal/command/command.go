// Package command runs a command line of addcard: it parses the arguments,
// gives the chosen command its streams and a context that a signal ends, and
// makes words and an exit code of its error. It knows no command.
//
// Data goes to standard output, words for people to standard error.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/internal/app"
)

// The exit codes of every command.
const (
	Done   = 0
	Failed = 1
	Misuse = 2 // the command line or the configuration is wrong; trying again does not help
)

// ErrSaid fails a command whose output says why already.
var ErrSaid = errors.New("failed")

// A UsageError is a command called in a wrong way.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a *UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Streams are what a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // data
	Err io.Writer // words
}

// Main runs the command line of this process and exits. commands is a struct
// as kong wants it; the Run methods of its commands may take a context.Context
// and Streams. The context ends with the first SIGINT or SIGTERM; the second
// kills the process.
func Main(name, about string, commands any) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, Streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:], name, about, commands))
}

func run(ctx context.Context, io Streams, args []string, name, about string, commands any) int {
	const goesOn = -1
	answered := goesOn
	parser := kong.Must(commands, kong.Name(name), kong.Description(about),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(io.Out, io.Err), kong.Exit(func(code int) { answered = code }),
		kong.Bind(io), kong.BindTo(ctx, (*context.Context)(nil)))
	parsed, err := parser.Parse(args)
	switch {
	case answered != goesOn: // --help
		return answered
	case err != nil:
		return misused(io.Err, parser, args, err)
	}
	return exit(io.Err, name, parsed.Run())
}

// misused says what is wrong with args and where to read on; whoever gave none
// at all reads it at once.
func misused(w io.Writer, parser *kong.Kong, args []string, err error) int {
	name := parser.Model.Name
	var at *kong.ParseError
	if errors.As(err, &at) {
		if len(args) == 0 {
			parser.Stdout = w
			_ = at.Context.PrintUsage(false)
			_, _ = fmt.Fprintln(w)
		}
		if command := at.Context.Selected(); command != nil {
			name = command.FullPath()
		}
	}
	_, _ = fmt.Fprintf(w, "%s: %v\nTry: %s --help\n", parser.Model.Name, err, name)
	return Misuse
}

// exit says why a command ended and returns the exit code for it.
func exit(w io.Writer, name string, err error) int {
	var config *app.ConfigError
	var usage *UsageError
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrSaid):
		return Failed
	case errors.As(err, &config):
		_, _ = fmt.Fprintf(w, "%s: the configuration has problems (docs/configuration.md):\n", name)
		for _, problem := range config.Problems {
			_, _ = fmt.Fprintln(w, "  -", problem)
		}
		return Misuse
	}
	_, _ = fmt.Fprintf(w, "%s: %v\n", name, err)
	if errors.As(err, &usage) {
		return Misuse
	}
	return Failed
}
