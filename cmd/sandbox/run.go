package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/config"
)

type runCmd struct {
	Once         bool              `help:"Exit after the flow: with 0 when every step worked, else with 1."`
	Demo         bool              `help:"Begin with 30 days of life: members, ledgers, staff, and messages that WeChat refused."`
	Listen       string            `help:"The public API (${default})." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	AdminListen  string            `help:"The admin API; loopback only (${default})." default:"127.0.0.1:8081" placeholder:"HOST:PORT"`
	WechatListen string            `help:"The simulated WeChat; loopback only (${default})." default:"127.0.0.1:8082" placeholder:"HOST:PORT"`
	Steps        bool              `help:"Print each step of the flow with its JSON."`
	Guesses      bool              `help:"Only print what the simulator assumes about WeChat, and what it does not reproduce."`
	Miniprogram  string            `help:"Another build of the sample mini-program than the embedded one." type:"path" placeholder:"DIR"`
	Data         string            `help:"Keep the database in this folder; in a temporary one by default." type:"path" placeholder:"DIR"`
	WriteEnv     string            `help:"Write the configuration here, for: server card list --env-file FILE." type:"path" placeholder:"FILE"`
	Guess        map[string]string `help:"Change an assumption about WeChat; --guesses lists them." mapsep:"none" placeholder:"NAME=VALUE"`
	Set          map[string]string `help:"Set a variable of the server, for example CONSOLE_PREFIX." mapsep:"none" placeholder:"NAME=VALUE"`
}

func (runCmd) Help() string {
	return `Port 0 selects a free port. Examples:
  go run ./cmd/sandbox
  go run ./cmd/sandbox --demo
  go run ./cmd/sandbox --once --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --wechat-listen 127.0.0.1:0
  go run ./cmd/sandbox --steps
  go run ./cmd/sandbox --write-env sandbox.env
  go run ./cmd/sandbox --guesses
  go run ./cmd/sandbox --once --guess ticket=sticky-remaining
  go run ./cmd/sandbox --set SHOP_TIME_ZONE=Asia/Urumqi`
}

// Validate implements kong's hook. The admin API and WeChat's side give full control
// of the sandbox, so they must listen on a loopback address.
func (c *runCmd) Validate() error {
	for _, listener := range []struct{ flag, addr string }{{"--admin-listen", c.AdminListen}, {"--wechat-listen", c.WechatListen}} {
		if !command.Loopback(listener.addr) {
			return fmt.Errorf("%s must be a loopback address such as 127.0.0.1:0", listener.flag)
		}
	}
	if _, err := command.Reachable(c.Listen); err != nil {
		return errors.New("--listen must be HOST:PORT")
	}
	for name, flag := range map[string]string{"LISTEN_ADDR": "--listen", "ADMIN_LISTEN_ADDR": "--admin-listen"} {
		if _, set := c.Set[name]; set {
			return fmt.Errorf("--set %s: use %s", name, flag)
		}
	}
	for name := range c.Set {
		if problem := config.CheckName(name); problem != "" {
			return fmt.Errorf("--set %s: %s", name, problem)
		}
	}
	_, err := guesses(c.Guess)
	return err
}

func (c *runCmd) Run(ctx context.Context, streams command.Streams) (err error) {
	if c.Guesses {
		g, err := guesses(c.Guess)
		printGuesses(streams.Out, g)
		return err
	}
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	logs := command.NewLog(streams, newLogger)
	defer logs.Close()
	sb, err := start(ctx, c, dir, logs)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop the other program or choose with --listen, --admin-listen, --wechat-listen", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.stop()) }()
	if err := c.show(ctx, sb, dir, streams.Out); err != nil {
		if ctx.Err() != nil && !c.Once {
			return nil // Ctrl-C is how a sandbox ends
		}
		return err
	}
	if c.Once {
		return nil
	}
	// A spare connection that was opened and never used would hold up the end.
	client.CloseIdleConnections()
	printNext(streams.Out)
	for _, r := range sb.receivers {
		r.follow(streams.Out)
	}
	select {
	case <-ctx.Done():
	case <-sb.ended:
	}
	return nil
}

// show prints the links, and what the flow does, while it does it.
func (c *runCmd) show(ctx context.Context, sb *sandbox, dir string, out io.Writer) error {
	if !c.Once {
		console, err := sb.consoleLink(ctx)
		if err != nil {
			return err
		}
		sb.printLinks(out, console)
	}
	if err := c.fill(ctx, sb, dir, out); err != nil {
		return err
	}
	steps := io.Discard
	if c.Steps {
		steps = out
	}
	cardExt, err := sb.play(ctx, steps)
	if err != nil {
		return fmt.Errorf("the flow stopped: %w", err)
	}
	printOutcome(out, cardExt)
	return nil
}

// fill writes the data of --demo.
func (c *runCmd) fill(ctx context.Context, sb *sandbox, dir string, out io.Writer) error {
	if !c.Demo {
		return nil
	}
	if err := sb.fillDemo(ctx, dir); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "30 days of a shop with %d members are in the database.\n", demoMembers)
	return nil
}

// folder returns the folder for the database, and a function that removes it if it
// is temporary.
func (c *runCmd) folder() (dir string, remove func() error, err error) {
	if c.Data != "" {
		return c.Data, func() error { return nil }, os.MkdirAll(c.Data, 0o700)
	}
	dir, err = os.MkdirTemp("", "addcard-sandbox-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
