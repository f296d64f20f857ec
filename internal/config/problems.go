package config

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// problems collects what is wrong with the variables. A variable in reported
// already has a problem from which all others would follow, so it gets no more.
type problems struct {
	list     []string
	reported map[string]bool
}

func (p *problems) add(name, problem string) {
	if !p.reported[name] {
		p.list = append(p.list, name+": "+problem)
	}
}

// addOnly adds the only problem that is reported about the variable name; the
// message names the variable shown.
func (p *problems) addOnly(name, shown, problem string) {
	p.add(shown, problem)
	p.reported[name] = true
}

// readFiles sets each secret that is given as NAME_FILE from its file.
func (p *problems) readFiles(vars map[string]string) {
	for _, name := range secretNames {
		path, ok := vars[name+"_FILE"]
		if !ok {
			continue
		}
		if _, both := vars[name]; both {
			p.addOnly(name, name, "given both directly and as "+name+"_FILE")
			continue
		}
		content, err := readSecret(path)
		switch {
		case err != nil:
			p.addOnly(name, name+"_FILE", "cannot be read")
		case content == "":
			p.addOnly(name, name+"_FILE", "is empty")
		default:
			vars[name] = content
		}
	}
}

// readSecret returns the first 64 KiB of the file at path without the line end
// that editors add.
func readSecret(path string) (string, error) {
	const maxSize = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSize))
	return strings.TrimRight(string(content), "\r\n"), err
}

// parse fills c from vars. The library's errors quote values of the wrong type,
// so only the variable's name is taken from them.
func (p *problems) parse(c *Config, vars map[string]string) {
	err := env.ParseWithOptions(c, env.Options{Environment: vars})
	var all env.AggregateError
	if !errors.As(err, &all) {
		if err != nil {
			p.add("environment", "cannot be read")
		}
		return
	}
	for _, err := range all.Errors {
		var bad env.ParseError
		if !errors.As(err, &bad) {
			p.add("environment", "cannot be read")
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(bad.Name)
		p.add(field.Tag.Get("env"), "must be "+typeNames[bad.Type])
	}
}

var typeNames = map[reflect.Type]string{
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[time.Duration](): "a duration such as 10s",
	reflect.TypeFor[slog.Level]():    "DEBUG, INFO, WARN or ERROR",
}
