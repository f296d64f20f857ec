package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// parseEnv reads NAME=value lines and # comments. It expands nothing, so a secret
// has the value that is written. Outside single quotes it refuses what a shell,
// Docker Compose and systemd read in different ways, and names of which
// checkName returns a problem. A problem begins with its line number and quotes no value.
func parseEnv(text string, checkName func(string) string) (vars, problems []string) {
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
		wrong := checkName(name)
		switch {
		case wrong != "":
			problem("%s: %s", name, wrong)
		case err != nil:
			problem("%s: %v", name, err)
		case seen[name] > 0:
			problem("%s: already set in line %d", name, seen[name])
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
	errAmbiguous = errors.New("programs read $, `, \\ and quotes in different ways: put the value between single quotes")
)

// unquote returns the value in s, the text after NAME=.
func unquote(s string) (string, error) {
	quoted := strings.TrimSpace(s)
	if quoted == "" || quoted[0] != '\'' && quoted[0] != '"' {
		return unambiguous(strings.TrimSpace(comment.ReplaceAllString(s, "")))
	}
	value, rest, closed := strings.Cut(quoted[1:], quoted[:1])
	if !closed || comment.ReplaceAllString(rest, "") != "" {
		return "", errQuotes
	}
	if quoted[0] == '\'' {
		return value, nil
	}
	return unambiguous(value)
}

// unambiguous returns value, or an error if other programs would expand it.
func unambiguous(value string) (string, error) {
	if strings.ContainsAny(value, "$`\\'\"") {
		return "", errAmbiguous
	}
	return value, nil
}
