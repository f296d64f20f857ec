package config

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Setting is a variable as it is shown to the operator.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`  // masked if it is secret
	Origin string `json:"origin"` // environment, file, NAME_FILE, default or unset
}

// The origins of a value. That of a secret from a file of its own is the variable that
// names the file, such as ADMIN_TOKEN_FILE.
const (
	FromEnvironment = "environment"
	FromFile        = "file"
	FromDefault     = "default"
	Unset           = "unset"
)

// Show returns the values that Load would take from file and environ, of which environ
// takes precedence unless a variable is empty there. It checks nothing. Of a URL it
// masks the passwords only.
func Show(file, environ []string) (list []Setting) {
	inFile, inEnviron := env.ToMap(file), env.ToMap(environ)
	for _, vars := range []map[string]string{inFile, inEnviron} {
		maps.DeleteFunc(vars, func(_, value string) bool { return value == "" })
	}
	find := func(name string) (value, origin string) {
		if value = inEnviron[name]; value != "" {
			return value, FromEnvironment
		}
		if value = inFile[name]; value != "" {
			return value, FromFile
		}
		return "", Unset
	}
	for field := range reflect.TypeFor[Config]().Fields() {
		name := field.Tag.Get("env")
		if name == "" {
			continue
		}
		s := Setting{Name: name}
		secret := slices.Contains(secretNames, name)
		s.Value, s.Origin = find(name)
		if path, _ := find(name + "_FILE"); s.Origin == Unset && secret && path != "" {
			s.Value, _ = readSecret(path) // Load reports the error
			s.Origin = name + "_FILE"
		}
		if value := field.Tag.Get("envDefault"); s.Origin == Unset && value != "" {
			s.Value, s.Origin = value, FromDefault
		}
		switch {
		case strings.HasSuffix(name, "_URL"):
			s.Value = withoutPasswords(s.Value)
		case secret && s.Value != "":
			s.Value = redacted
		}
		list = append(list, s)
	}
	return list
}

// withoutPasswords returns a URL as it may be shown.
func withoutPasswords(value string) string {
	u, err := url.Parse(value)
	switch {
	case value == "" || err == nil && u.Scheme == "sqlite":
		return value
	case err != nil || u.Host == "":
		return redacted
	}
	query := u.Query()
	for parameter := range query {
		if strings.Contains(strings.ToLower(parameter), "password") {
			query.Set(parameter, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}
