package config

import (
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/spelling"
)

// Names returns the names of all variables, in the order of Config; NAME_FILE follows a
// secret.
func Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for field := range reflect.TypeFor[Config]().Fields() {
			name := field.Tag.Get("env")
			if name == "" {
				continue
			}
			if !yield(name) || slices.Contains(secretNames, name) && !yield(name+"_FILE") {
				return
			}
		}
	}
}

// CheckName returns what is wrong with the name of a variable in a file that is only
// for addcard, or "".
func CheckName(name string) string {
	if isName(name) {
		return ""
	}
	if near := spelling.Nearest(strings.TrimPrefix(name, ownPrefix), Names()); near != "" {
		return "is no variable of addcard's; did you mean " + near + "?"
	}
	return "is no variable of addcard's"
}

const ownPrefix = "ADDCARD_"

// general are the variables that other programs have too, so that a similar one may be
// theirs.
var general = []string{"LISTEN_ADDR", "PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "LOG_LEVEL", "LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"}

// injected matches the variables that Kubernetes sets for a service named addcard.
var injected = regexp.MustCompile(`^ADDCARD_(\w+_)?(SERVICE_(HOST|PORT)|PORT_[0-9]+_)|^ADDCARD_(\w+_)?PORT=(tcp|udp|sctp)://`)

// CheckEnviron returns what is wrong with the names in environ, which has the form of
// os.Environ and may have variables of other programs. Wrong are those that begin with
// ADDCARD_, which none of addcard's does, and those that differ by one letter, or by
// nothing but case and underscores, from one of addcard's that is set neither in environ
// nor in file.
func CheckEnviron(environ, file []string) (problems []string) {
	set := map[string]bool{}
	for _, v := range slices.Concat(environ, file) {
		name, value, _ := strings.Cut(v, "=")
		set[name] = set[name] || value != ""
	}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case !set[name] || isName(name) || injected.MatchString(v):
		case strings.HasPrefix(name, ownPrefix):
			problems = append(problems, name+": "+CheckName(name))
		default:
			if near := nearName(name); near != "" && !set[near] && !set[strings.TrimSuffix(near, "_FILE")] && !set[near+"_FILE"] {
				problems = append(problems, name+": is no variable of addcard's; did you mean "+near+"?")
			}
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

func isName(name string) bool {
	for known := range Names() {
		if name == known {
			return true
		}
	}
	return false
}

// nearName returns the variable that a name of the environment is probably meant to
// be, or "".
func nearName(name string) string {
	folded := spelling.Fold(name)
	for known := range Names() {
		most := 1
		if slices.Contains(general, strings.TrimSuffix(known, "_FILE")) {
			most = 0
		}
		if spelling.Distance(folded, spelling.Fold(known)) <= most {
			return known
		}
	}
	return ""
}
