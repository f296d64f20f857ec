package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
)

// globals are the flags of every command.
type globals struct {
	EnvFile string `help:"File of NAME=value lines; the environment wins. Default: .env, when there is one." type:"path" placeholder:"FILE"`
}

// AfterApply implements kong's hook: the Run methods may take a *globals.
func (g *globals) AfterApply(k *kong.Context) error { k.Bind(g); return nil }

func (g *globals) file() string { return cmp.Or(g.EnvFile, ".env") }

func (g *globals) config() (app.Config, error) {
	environ, err := g.environ()
	if err != nil {
		return app.Config{}, err
	}
	return app.LoadConfig(environ)
}

// environ is the environment over the variables of the file; a variable that
// is set to nothing covers nothing.
func (g *globals) environ() ([]string, error) {
	text, err := os.ReadFile(g.file())
	if err != nil && (g.EnvFile != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, command.Usagef("read the configuration: %w", err)
	}
	list, problems := parseEnv(string(text))
	if len(problems) > 0 {
		for i := range problems {
			problems[i] = g.file() + ":" + problems[i]
		}
		return nil, &app.ConfigError{Problems: problems}
	}
	for _, v := range os.Environ() {
		if _, value, _ := strings.Cut(v, "="); value != "" { // base64 ends with = too
			list = append(list, v)
		}
	}
	return list, nil
}

// parseEnv reads NAME=value lines and # comments. It expands nothing: a secret
// is taken as it is written. What a shell, Docker Compose and systemd would
// read in different ways is refused outside single quotes. A problem begins
// with its line number and holds no value.
func parseEnv(text string) (vars, problems []string) {
	seen := map[string]int{}
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%d: ", i+1)+fmt.Sprintf(format, args...))
		}
		m := assignment.FindStringSubmatch(line)
		if m == nil {
			problem("not NAME=value")
			continue
		}
		name := m[1]
		value, err := unquote(m[2])
		switch {
		case err != nil:
			problem("%s: %v", name, err)
		case seen[name] > 0:
			problem("%s: given in line %d already", name, seen[name])
		default:
			vars = append(vars, name+"="+value)
		}
		seen[name] = i + 1
	}
	return vars, problems
}

var (
	assignment   = regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$`)
	comment      = regexp.MustCompile(`\s#.*`)
	errQuotes    = errors.New("the quotes do not match")
	errAmbiguous = errors.New("other programs would not take $, `, \\ or a quote as it stands: put the value between single quotes")
)

// unquote returns the value in what stands behind NAME=.
func unquote(s string) (string, error) {
	quote := strings.TrimSpace(s)
	if quote == "" || quote[0] != '\'' && quote[0] != '"' {
		return plain(strings.TrimSpace(comment.ReplaceAllString(s, "")))
	}
	value, rest, closed := strings.Cut(quote[1:], quote[:1])
	if !closed || comment.ReplaceAllString(rest, "") != "" {
		return "", errQuotes
	}
	if quote[0] == '\'' {
		return value, nil
	}
	return plain(value)
}

// plain refuses a value in which others see more than text.
func plain(value string) (string, error) {
	if strings.ContainsAny(value, "$`\\'\"") {
		return "", errAmbiguous
	}
	return value, nil
}
