//go:build linux

package attack

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/addcard/addcard/internal/testing/process"
)

// roleVariable has the role of a process of the test binary that is not the
// test.
const roleVariable = "ADDCARD_ATTACK_ROLE"

// roles are the other processes. Each ends when its standard input does.
var roles = map[string]func() error{"wechat": playWeChat, "client": playClient, "lock": playLock}

// child is a process in a role.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	end func() // ends the process and waits for it
}

// spawn starts a process in a role and sends it the order. prefix is a command
// that runs the process, such as nice; it may be empty.
func spawn(t testing.TB, role string, order any, prefix ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(prefix, self)
	c := &child{t: t, cmd: exec.Command(args[0], args[1:]...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	c.cmd.Stderr, c.cmd.SysProcAttr = os.Stderr, process.DieWithTest(syscall.SIGKILL)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.end = sync.OnceFunc(func() {
		_ = c.in.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	t.Cleanup(c.end)
	if err := json.NewEncoder(c.in).Encode(order); err != nil {
		t.Fatal(err)
	}
	return c
}

// read decodes the next value that the process prints.
func (c *child) read(out any) {
	c.t.Helper()
	if err := c.out.Decode(out); err != nil {
		c.t.Fatalf("the process ended: %v", err)
	}
}

// orders decodes the order of this process from its standard input. It returns
// a channel that is closed when the input ends.
func orders(order any) (ended <-chan struct{}, err error) {
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(order); err != nil {
		return nil, err
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return closed, nil
}

func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
