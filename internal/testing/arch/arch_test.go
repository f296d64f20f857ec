// Package arch tests which package may import which: the table in this file is
// the list of all imports that are allowed. It has no other code.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// table has a row for each package: its name, the packages of this module that
// its production code imports, and after a bar the modules of others and those
// packages of the standard library that not every package may use. A row may
// continue on indented lines.
//
// Packages are named without the module's path and internal/, modules without
// their host and version. A row allows no more than the package imports.
const table = `
cmd/internal/command          app | alecthomas/kong
cmd/internal/commandtest      | rogpeppe/go-internal
cmd/sandbox                   app cmd/internal/command sqldb testing/seed wechatsim
cmd/server                    app card cardext cmd/internal/command member ticket/redisstore | alecthomas/kong google/uuid tailscale/hujson

app                           auth auth/sqlstore card card/sqlstore cardext cardlist datakey httpapi/admin httpapi/public jssdk
                              member member/sqlstore opencard sqldb ticket ticket/redisstore ticket/sqlstore wechat wechat/push
                              | caarlos0/env prometheus/client_golang
httpapi/admin                 card cardext httpapi/internal/web member | danielgtaylor/huma gin-gonic/gin go-json-experiment/json
                              prometheus/client_golang
httpapi/public                auth card cardlist httpapi/internal/web jssdk member opencard | danielgtaylor/huma gin-gonic/gin x/time
httpapi/internal/web          auth card cardlist jssdk member opencard sqldb ticket wechat
                              | danielgtaylor/huma gin-gonic/gin go-json-experiment/json google/uuid swaggest/swgui

auth                          | go-json-experiment/json golang-jwt/jwt google/uuid
auth/authtest                 auth
auth/sqlstore                 auth sqldb
card                          | go-json-experiment/json qr x/sync
card/sqlstore                 card sqldb | database/sql
cardext
cardlist                      card cardext member
datakey
jssdk
member                        | google/uuid x/time
member/membertest             member
member/sqlstore               member sqldb | database/sql google/uuid
opencard                      card cardlist member | x/sync
sqldb                         | database/sql jackc/pgx pressly/goose sqlite
sqldb/sqldbtest               sqldb testing/postgres | database/sql jackc/pgx
ticket
ticket/redisstore             ticket | redis/go-redis
ticket/sqlstore               sqldb ticket | database/sql
ticket/tickettest             ticket
wechat                        | go-json-experiment/json
wechat/push
wechatsim

testing/arch
testing/crash
testing/docs
testing/fleet
testing/plan                  sqldb sqldb/sqldbtest testing/seed
testing/postgres
testing/redis
testing/seed                  member sqldb | google/uuid
testing/server
`

// restricted are the packages of the standard library that need a permission.
var restricted = []string{"database/sql"}

// pkg is a package as the go command describes it.
type pkg struct {
	ImportPath                               string
	Imports, TestImports, XTestImports, Deps []string
}

// world is this module.
type world struct {
	module   string
	packages map[string]pkg // by short name
	modules  []string       // that go.mod requires
}

var load = sync.OnceValues(func() (w world, err error) {
	out, err := goCommand("list", "-m")
	if err != nil {
		return w, err
	}
	w.module = strings.TrimSpace(string(out))
	if w.modules, err = required(); err != nil {
		return w, err
	}
	if out, err = goCommand("list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", w.module+"/..."); err != nil {
		return w, err
	}
	w.packages = map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return w, nil
		} else if err != nil {
			return w, err
		}
		w.packages[w.short(p.ImportPath)] = p
	}
})

func goCommand(args ...string) ([]byte, error) {
	out, err := exec.Command("go", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = errors.New(string(exit.Stderr))
	}
	return out, err
}

func required() (modules []string, err error) {
	out, err := goCommand("mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var file struct{ Require []struct{ Path string } }
	err = json.Unmarshal(out, &file)
	for _, r := range file.Require {
		modules = append(modules, r.Path)
	}
	return modules, err
}

func loaded(t *testing.T) world {
	t.Helper()
	w, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(w.packages) < 10 || len(w.modules) < 10 {
		t.Fatalf("found %d packages and %d modules: the test would prove nothing", len(w.packages), len(w.modules))
	}
	return w
}

// short returns how the table names an import, or "" for one that needs no
// permission.
func (w world) short(imported string) string {
	if ours, ok := strings.CutPrefix(imported, w.module+"/"); ok {
		return strings.TrimPrefix(ours, "internal/")
	}
	for _, r := range restricted {
		if within(imported, r) {
			return r
		}
	}
	module := ""
	for _, m := range w.modules {
		if within(imported, m) && len(m) > len(module) {
			module = m
		}
	}
	return shortModule(module)
}

var version = regexp.MustCompile(`^v[0-9]+$`)

func shortModule(module string) string {
	if version.MatchString(path.Base(module)) {
		module = path.Dir(module)
	}
	_, name, _ := strings.Cut(module, "/")
	return name
}

// within reports whether path is parent or below it.
func within(path, parent string) bool { return path == parent || strings.HasPrefix(path, parent+"/") }

// ours reports whether path is a package of this module.
func (w world) ours(path string) bool { return within(path, w.module) }

// rows returns what the table allows each package.
func rows(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for row := range strings.SplitSeq(strings.ReplaceAll(table, "\n ", " "), "\n") {
		fields := strings.Fields(strings.ReplaceAll(row, "|", " "))
		if len(fields) == 0 {
			continue
		}
		if _, twice := rows[fields[0]]; twice {
			t.Errorf("%s has two rows", fields[0])
		}
		rows[fields[0]] = fields[1:]
	}
	return rows
}

// Every package imports what its row allows, and nothing else.
func TestImports_are_those_of_the_table(t *testing.T) {
	t.Parallel()
	w, allowed := loaded(t), rows(t)
	for _, name := range slices.Sorted(maps.Keys(w.packages)) {
		if _, ok := allowed[name]; !ok {
			t.Errorf("%s has no row: decide what it may import, and add one", name)
			continue
		}
		unused := slices.Clone(allowed[name])
		for _, imported := range w.packages[name].Imports {
			short := w.short(imported)
			if short != "" && !slices.Contains(allowed[name], short) {
				t.Errorf("%s imports %s, which its row does not allow", name, short)
			}
			unused = slices.DeleteFunc(unused, func(s string) bool { return s == short })
		}
		if len(unused) > 0 {
			t.Errorf("%s does not import %s: remove it from its row", name, strings.Join(unused, ", "))
		}
	}
	for name := range allowed {
		if _, ok := w.packages[name]; !ok {
			t.Errorf("there is no package %s: remove its row", name)
		}
	}
}

// Tests may use any package of ours and any module, but the router and its
// relatives only beside the packages that use them. The simulator's tests use
// nothing of ours.
func TestImports_of_tests(t *testing.T) {
	t.Parallel()
	w, allowed := loaded(t), rows(t)
	for name, p := range w.packages {
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			short := w.short(imported)
			if slices.Contains([]string{"danielgtaylor/huma", "gin-gonic/gin", "swaggest/swgui"}, short) && !slices.Contains(allowed[name], short) {
				t.Errorf("a test of %s imports %s", name, short)
			}
			if within(name, "wechatsim") && w.ours(imported) && !within(short, "wechatsim") {
				t.Errorf("a test of the simulator imports %s", short)
			}
		}
	}
}

// The table is about direct imports. What is here must not be reached on a
// detour either.
func TestDependencies_that_must_not_be(t *testing.T) {
	t.Parallel()
	w := loaded(t)
	for _, rule := range []struct{ from, to, why string }{
		{"httpapi/public", "httpapi/admin", "the public listener must not be able to serve an operator's route"},
		{"httpapi/admin", "httpapi/public", "the operator's listener must not be able to serve a public route"},
		{"cmd/server", "wechatsim", "the product has no simulator in it"},
		{"cmd/server", "testing", "the product has no test machinery in it"},
		{"wechatsim", "", "the simulator checks us, so it must not share our mistakes"},
	} {
		found := false
		for name, p := range w.packages {
			if !within(name, rule.from) {
				continue
			}
			found = true
			for _, dep := range p.Deps {
				if w.ours(dep) && !within(w.short(dep), rule.from) && (rule.to == "" || within(w.short(dep), rule.to)) {
					t.Errorf("%s depends on %s: %s", name, w.short(dep), rule.why)
				}
			}
		}
		if !found {
			t.Errorf("there is no package %s", rule.from)
		}
	}
}

func TestCardext_is_pure(t *testing.T) {
	t.Parallel()
	for _, imported := range loaded(t).packages["cardext"].Imports {
		for _, impure := range []string{"net", "os", "log", "database", "context", "sync"} {
			if within(imported, impure) {
				t.Errorf("cardext imports %s", imported)
			}
		}
	}
}

// Only internal/config and the commands read the environment.
func TestConfiguration_is_read_in_one_place(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "git", "grep", "-lE", `os\.(Getenv|LookupEnv|Environ)\(`, "--", "*.go", ":!*_test.go")
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	if err != nil && len(out) > 0 {
		t.Fatal(err)
	}
	for _, file := range strings.Fields(string(out)) {
		if !strings.HasPrefix(file, "cmd/") && !strings.HasPrefix(file, "internal/config/") {
			t.Errorf("%s reads the environment", file)
		}
	}
}
