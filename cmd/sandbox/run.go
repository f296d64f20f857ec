package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/addcard/addcard/cmd/internal/command"
)

type runCmd struct {
	Once         bool              `help:"Exit after the flow: 0 when every step worked, else 1."`
	Listen       string            `help:"The public API (${default})." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	AdminListen  string            `help:"The operator's API; loopback only (${default})." default:"127.0.0.1:8081" placeholder:"HOST:PORT"`
	WechatListen string            `help:"The simulated WeChat; loopback only (${default})." default:"127.0.0.1:8082" placeholder:"HOST:PORT"`
	Miniprogram  string            `help:"The built sample mini-program (${default})." default:"miniprogram/dist" type:"path" placeholder:"DIR"`
	Data         string            `help:"Keep the database in this folder; by default it goes to a temporary one." type:"path" placeholder:"DIR"`
	WriteEnv     string            `help:"Write the server's configuration to this file, so that the server's other commands work on the sandbox: server card list --env-file FILE." type:"path" placeholder:"FILE"`
	Guess        map[string]string `help:"Where WeChat's documents are uncertain, imitate it so; each run lists the names." mapsep:"none" placeholder:"NAME=VALUE"`
}

// Help implements kong.HelpProvider.
func (runCmd) Help() string {
	return `A port of 0 takes one that is free. Examples:
  go run ./cmd/sandbox
  go run ./cmd/sandbox --once --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --wechat-listen 127.0.0.1:0
  go run ./cmd/sandbox --write-env sandbox.env
  go run ./cmd/sandbox --once --guess ticket=sticky-remaining`
}

// Validate implements kong's hook. Whoever reaches the operator's or WeChat's
// side owns the sandbox, so they stay on this machine.
func (c *runCmd) Validate() error {
	for _, listener := range []struct{ flag, addr string }{{"--admin-listen", c.AdminListen}, {"--wechat-listen", c.WechatListen}} {
		if !command.Loopback(listener.addr) {
			return fmt.Errorf("%s must be a loopback address such as 127.0.0.1:0", listener.flag)
		}
	}
	if _, err := command.Reachable(c.Listen); err != nil {
		return errors.New("--listen must be HOST:PORT")
	}
	_, err := guesses(c.Guess)
	return err
}

// Run starts WeChat and the server, plays the flow and serves.
func (c *runCmd) Run(ctx context.Context, io command.Streams) (err error) {
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	sb, err := start(ctx, c, dir, io.Err)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the other program or choose with --listen, --admin-listen, --wechat-listen", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.stop()) }()
	if err := sb.play(ctx, io.Out); err != nil {
		if ctx.Err() != nil && !c.Once {
			return nil // Ctrl-C is how a sandbox ends
		}
		return fmt.Errorf("the flow stopped: %w", err)
	}
	sb.confess(io.Out)
	if c.Once {
		return nil
	}
	sb.invite(io.Out, c.Miniprogram)
	select {
	case <-ctx.Done():
	case <-sb.ended:
	}
	return nil
}

// folder returns where the database goes and what to do with that afterwards.
func (c *runCmd) folder() (dir string, remove func() error, err error) {
	if c.Data != "" {
		return c.Data, func() error { return nil }, os.MkdirAll(c.Data, 0o700)
	}
	dir, err = os.MkdirTemp("", "addcard-sandbox-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
