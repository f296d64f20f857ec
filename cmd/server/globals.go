package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

// globals are the flags of every command.
type globals struct {
	EnvFile string `help:"File of NAME=value lines; the environment overrides it. Default: .env, if it exists." type:"path" placeholder:"FILE"`
}

// AfterApply implements kong's hook: the Run methods may take a *globals.
func (g *globals) AfterApply(k *kong.Context) error { k.Bind(g); return nil }

func (g *globals) file() string { return cmp.Or(g.EnvFile, ".env") }

func (g *globals) config() (config.Config, error) {
	environ, err := g.environ()
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(environ)
}

// environ returns the variables of the file followed by those of the environment,
// which take precedence unless they are empty.
func (g *globals) environ() ([]string, error) {
	list, err := g.fileVars()
	if err != nil {
		return nil, err
	}
	for _, v := range os.Environ() {
		if _, value, _ := strings.Cut(v, "="); value != "" { // a value may contain =
			list = append(list, v)
		}
	}
	return list, nil
}

// fileVars returns the variables of the file. It returns a *config.Error if a name there
// or in the environment is wrong.
func (g *globals) fileVars() ([]string, error) {
	text, err := os.ReadFile(g.file())
	if err != nil && (g.EnvFile != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, command.Usagef("read the configuration: %w", err)
	}
	if err := checkUTF16(text); err != nil {
		return nil, command.Usagef("read the configuration %s: %w", g.file(), err)
	}
	list, problems := parseEnv(string(text), config.CheckName)
	for i := range problems {
		problems[i] = g.file() + ":" + problems[i]
	}
	if problems = append(problems, config.CheckEnviron(os.Environ(), list)...); len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return list, nil
}

// logTo returns the logger that cfg asks for. It writes to w, and so does every
// library that has a logger of its own.
func logTo(cfg config.Config, w io.Writer) *slog.Logger {
	log := cfg.Logger(w)
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(log) // and that of package log, to which net/http writes
	redisstore.LogTo(log)
	return log
}

// withCore calls f with the services of the configured deployment.
func (g *globals) withCore(ctx context.Context, streams command.Streams, f func(*app.Core) error) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	core, err := app.Open(ctx, cfg, logTo(cfg, streams.Err))
	if err != nil {
		return err
	}
	return errors.Join(f(core), core.Close())
}

// withOperator calls f with the operator's service for cards.
func (g *globals) withOperator(ctx context.Context, streams command.Streams, f func(*card.Operator) error) error {
	return asUsage(g.withCore(ctx, streams, func(core *app.Core) error { return f(core.Operator) }))
}

// asUsage turns a *card.InvalidError into a usage error with one line for each field.
func asUsage(err error) error {
	var invalid *card.InvalidError
	if errors.As(err, &invalid) {
		var b strings.Builder
		b.WriteString("the input is not valid:")
		for _, field := range invalid.Fields {
			_ = command.Printf(&b, "\n  - %s: %s", strings.TrimPrefix(field.Path, "card."), field.Message)
		}
		return command.Usagef("%s", b.String())
	}
	return err
}
