// Package command runs the command line of an addcard program. It parses the
// arguments, passes the selected command its streams and a context that ends with
// a signal, and turns the command's error into a message and an exit code.
//
// It contains no command. Commands write data to standard output and messages to
// standard error.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/spelling"
)

// The exit codes of all commands.
const (
	Done   = 0
	Failed = 1
	Misuse = 2   // the command line or the configuration is wrong; a retry does not help
	Unread = 141 // nothing reads standard output; shells say this of a program that SIGPIPE ended
)

// ErrReported makes a command fail without a message. The command has already
// printed the reason.
var ErrReported = errors.New("failed")

// A UsageError is an error in how a command was called.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a *UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Streams are what a command reads and writes. What is written to Out and Err reaches
// standard output and standard error without the characters that could control a
// terminal; print foreign texts with [Printf], which also keeps them on one line.
type Streams struct {
	In  io.Reader
	Out io.Writer // data
	Err io.Writer // messages
	// Raw is standard output, byte for byte, unless that is a terminal: for the content
	// of a file.
	Raw io.Writer
	// Screen is standard error if that is a terminal, else nil. It is for what is drawn
	// with control characters.
	Screen io.Writer
}

// Messagef writes a line to Err as [Printf] does. It ignores a failure, which could
// not be reported either.
func (s Streams) Messagef(format string, args ...any) { _ = Printf(s.Err, format+"\n", args...) }

// Main runs the command line of this process and exits. commands is a struct for
// kong; the Run methods of its commands may take a context.Context and Streams.
// The context ends with the first SIGINT, SIGTERM or SIGHUP; SIGHUP stays ignored
// under nohup. A second signal kills the process. details has a section for the help of
// each command that has no Help method: a line "# COMMAND" followed by the text.
//
// When the reader of standard output has gone, as head does, the context ends, and
// the process exits with Unread and without a message. When the reader of standard
// error has gone, the command goes on, and its messages are lost.
func Main(name, about, details string, commands any) {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	context.AfterFunc(ctx, stop)
	signal.Ignore(syscall.SIGPIPE) // a write fails with EPIPE instead
	ctx, cancel := context.WithCancelCause(ctx)
	os.Exit(run(ctx, streams(cancel), os.Args[1:], name, about, details, commands))
}

// endSignals returns the signals that end the process in order. A closed terminal sends
// SIGHUP; nohup has it ignored, which NotifyContext would undo.
func endSignals() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// streams returns the streams of this process. They call end when the reader of
// standard output has gone.
func streams(end func(error)) Streams {
	stdout := output{os.Stdout, end}
	s := Streams{In: os.Stdin, Out: terminal{stdout}, Err: terminal{os.Stderr}, Raw: stdout}
	if IsTerminal(os.Stdout) {
		s.Raw = s.Out
	}
	if IsTerminal(os.Stderr) {
		s.Screen = os.Stderr
	}
	return s
}

// IsTerminal reports whether f is a terminal or another device.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

var errUnread = errors.New("the reader of standard output has gone")

// output is standard output. It calls end with errUnread when nothing reads it.
type output struct {
	io.Writer
	end func(error)
}

func (o output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		o.end(errUnread)
	}
	return n, err
}

// soon is a Writer that gives up after a second, because the exit of a process must
// not wait for the reader of its messages.
type soon struct{ io.Writer }

func (s soon) Write(b []byte) (int, error) {
	done, text := make(chan struct{}), bytes.Clone(b)
	go func() {
		defer close(done)
		_, _ = s.Writer.Write(text)
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return len(b), nil
}

func run(ctx context.Context, streams Streams, args []string, name, about, details string, commands any) int {
	const notExited = -1
	exitCode := notExited
	parser := kong.Must(commands, kong.Name(name), kong.Description(about),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(streams.Out, streams.Err), kong.Exit(func(code int) { exitCode = code }),
		kong.Bind(streams), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.PostBuild(func(k *kong.Kong) error { setDetails(k.Model.Node, "", "\n"+details); return nil }))
	parsed, err := parser.Parse(usual(args))
	switch {
	case exitCode != notExited: // --help
		return exitCode
	case err != nil:
		return reportMisuse(soon{streams.Err}, parser, args, err)
	}
	err = parsed.Run()
	if errors.Is(context.Cause(ctx), errUnread) {
		return Unread
	}
	return reportError(soon{streams.Err}, name, err)
}

// usual returns args with the commands in place of what other programs call them: help
// COMMAND is COMMAND --help, and --version is version.
func usual(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// setDetails sets the help of the commands below node from their sections.
func setDetails(node *kong.Node, path, details string) {
	for _, child := range node.Children {
		name := strings.TrimSpace(path + " " + child.Name)
		if _, section, ok := strings.Cut(details, "\n# "+name+"\n"); ok {
			section, _, _ = strings.Cut(section, "\n# ")
			child.Detail = strings.TrimSpace(section)
		}
		setDetails(child, name, details)
	}
}

// reportMisuse writes what is wrong with args and which --help explains it. It
// writes the help itself when there are no args at all.
func reportMisuse(w io.Writer, parser *kong.Kong, args []string, err error) int {
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
	text := err.Error()
	if near := misspelt(parser, args); near != "" && !strings.Contains(text, "did you mean") {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	_, _ = fmt.Fprintf(w, "%s: %s\nTry: %s --help\n", parser.Model.Name, text, name)
	return Misuse
}

// misspelt returns the command that the first of args is probably meant to be, or "".
// kong does not suggest one if it took the word for an argument of a default command.
func misspelt(parser *kong.Kong, args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	var commands []string
	for _, child := range parser.Model.Children {
		commands = append(commands, child.Name)
	}
	if slices.Contains(commands, args[0]) {
		return ""
	}
	return spelling.Nearest(args[0], slices.Values(commands))
}

// reportError writes why a command failed, if it did, and returns its exit code.
func reportError(w io.Writer, name string, err error) int {
	var invalid *config.Error
	var usage *UsageError
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrReported):
		return Failed
	case errors.As(err, &invalid):
		_, _ = fmt.Fprintf(w, "%s: the configuration has problems (docs/configuration.md):\n", name)
		for _, problem := range invalid.Problems {
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
