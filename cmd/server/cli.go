package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"github.com/joho/godotenv"

	"addcard/internal/app"
)

const about = `addcard: the backend behind a WeChat mini-program that hands out membership cards (微信会员卡).

Configuration is read from the environment and from the file .env; "server init" writes a first one. Exit codes: 0 done, 1 failed, 2 misuse.`

type cli struct {
	globals
	Serve   serveCmd   `cmd:"" help:"Serve mini-programs, WeChat and the operator until SIGTERM."`
	Init    initCmd    `cmd:"" help:"Write a .env with fresh keys and a place for each of WeChat's."`
	Ready   readyCmd   `cmd:"" help:"Ask a running server whether it is ready; for health checks."`
	Migrate migrateCmd `cmd:"" help:"Bring the database's tables up to date, as serve does at start."`
	Sign    signCmd    `cmd:"" help:"Sign one cardExt by hand and print it."`
	Explain explainCmd `cmd:"" help:"Say why a phone answers 签名错误 to a cardExt."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

type globals struct {
	EnvFile string `help:"File with variables; those of the environment win." default:".env" type:"path" placeholder:"FILE"`
}

// environ is the environment over the variables of the file. A file that was
// not asked for may be missing.
func (g *globals) environ() ([]string, error) {
	vars, err := godotenv.Read(g.EnvFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &misused{fmt.Errorf("%s is not a file of NAME=value lines", g.EnvFile)} // the parser's error quotes the line
	}
	if err != nil && g.EnvFile != defaultEnvFile() {
		return nil, &misused{fmt.Errorf("read %s: %w", g.EnvFile, err)}
	}
	var list []string
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return append(list, os.Environ()...), nil
}

func (g *globals) config() (app.Config, error) {
	environ, err := g.environ()
	if err != nil {
		return app.Config{}, err
	}
	return app.LoadConfig(environ)
}

type serveCmd struct{}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `Examples:
  server serve
  LISTEN_ADDR=127.0.0.1:9000 server serve --env-file /etc/addcard.env`
}

// Run serves until ctx ends.
func (serveCmd) Run(ctx context.Context, g *globals) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Options{Log: cfg.Logger(os.Stderr), Version: version})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

type migrateCmd struct{}

// Help implements kong.HelpProvider.
func (migrateCmd) Help() string {
	return `Several processes may migrate at once. Examples:
  server migrate
  DATABASE_URL=sqlite:/var/lib/addcard/addcard.db server migrate`
}

// Run migrates the database of the configuration.
func (migrateCmd) Run(ctx context.Context, g *globals, io streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	steps, err := app.Migrate(ctx, cfg)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(io.err, "the tables are up to date; steps taken: %d\n", steps)
	return nil
}

type versionCmd struct{}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Examples:
  server version
  server version | head -1`
}

// Run prints the version and what it was built with.
func (versionCmd) Run(io streams) error {
	_, _ = fmt.Fprintln(io.out, "addcard", version)
	if info, ok := debug.ReadBuildInfo(); ok {
		_, _ = fmt.Fprintln(io.out, info.GoVersion)
	}
	return nil
}
