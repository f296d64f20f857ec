// Package commandtest runs the testscript files of the commands, and checks their
// help texts. It adds these commands to testscript's own:
//
//	exits CODE program [args...]   run program; its exit code must be CODE
//	await FILE PATTERN             wait until a line of the growing FILE matches
//	terminate                      send SIGTERM to every background program
//	mode PERM FILE                 FILE must have this mode
//
// It sets ADDR1, ADDR2 and ADDR3 in a script's environment, each to a loopback
// HOST:PORT that was free when the script started. It is not part of the product.
package commandtest

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Command is a command of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Run runs the scripts in testdata/script. It calls setup before each, and adds
// more to the commands.
func Run(t *testing.T, setup func(*testscript.Env) error, more map[string]Command) {
	t.Helper()
	commands := map[string]Command{"exits": exits, "await": await, "terminate": terminate, "mode": mode}
	maps.Copy(commands, more)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, noRaceSleep)
			for _, name := range []string{"ADDR1", "ADDR2", "ADDR3"} {
				addr, err := freeAddr()
				if err != nil {
					return err
				}
				env.Setenv(name, addr)
			}
			return setup(env)
		},
	})
}

// noRaceSleep keeps the race detector from sleeping for a second at each exit.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// patience is long, for machines that are busy with other tests.
const patience = time.Minute

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		if pattern.Match(text) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not match in time:\n%s", args[1], text)
		}
	}
}

func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 || len(ts.BackgroundCmds()) == 0 {
		ts.Fatalf("usage: terminate, with programs in the background")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERM FILE")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm(); got != fs.FileMode(want) {
		ts.Fatalf("%s has mode %o, want %o", args[1], got, want)
	}
}
