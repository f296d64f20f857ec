// Package arch holds the import rules of ARCHITECTURE.md as a test.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

const module = "github.com/addcard/addcard/"

// list asks the go command for every package of the module, once for all tests.
var list = sync.OnceValues(func() (pkgs []pkg, err error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"...").Output()
	if err != nil {
		return nil, err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

func load(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found %d packages: the test would prove nothing", len(pkgs))
	}
	return pkgs
}

// in tells whether path is one of the packages or below it.
func in(path string, packages ...string) bool {
	for _, p := range packages {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

func sqlstore(path string) bool { return strings.HasSuffix(path, "/sqlstore") }

// Capabilities do not know each other: internal/app and the few packages where
// they meet connect them.
func TestSiblings_never_import_each_other(t *testing.T) {
	t.Parallel()
	siblings := []string{"auth", "card", "cardext", "ticket", "member", "wechat"}
	for _, p := range load(t) {
		for _, own := range siblings {
			if !in(p.ImportPath, module+"internal/"+own) {
				continue
			}
			for _, other := range siblings {
				for _, imp := range p.Deps {
					if other != own && in(imp, module+"internal/"+other) {
						t.Errorf("%s imports %s", p.ImportPath, imp)
					}
				}
			}
		}
	}
}

func TestTechnology_stays_at_the_rim(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct {
		what    []string
		allowed func(path string) bool
	}{
		{[]string{"github.com/gin-gonic/gin", "github.com/danielgtaylor/huma/v2", "github.com/swaggest/swgui"},
			func(p string) bool { return p == module+"internal/httpapi" }},
		{[]string{"database/sql", "modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"},
			func(p string) bool { return in(p, module+"internal/sqldb") || sqlstore(p) }},
		{[]string{module + "internal/sqldb"},
			func(p string) bool {
				return in(p, module+"internal/sqldb", module+"internal/app", module+"internal/config", module+"internal/httpapi", module+"internal/testing", module+"cmd") || sqlstore(p)
			}},
		{[]string{module + "internal/seed"},
			func(p string) bool { return in(p, module+"cmd/sandbox", module+"internal/testing/plan") }},
		{[]string{"github.com/redis/go-redis/v9"},
			func(p string) bool { return in(p, module+"internal/ticket/redisstore", module+"internal/app") }},
		{[]string{"github.com/caarlos0/env/v11"},
			func(p string) bool { return p == module+"internal/config" }},
		{[]string{"github.com/golang-jwt/jwt/v5"},
			func(p string) bool { return p == module+"internal/auth" }},
		{[]string{"github.com/alecthomas/kong"},
			func(p string) bool { return in(p, module+"cmd") }},
		{[]string{module + "internal/wechatsim"},
			func(p string) bool { return in(p, module+"cmd/sandbox", module+"internal/wechatsim") }},
		{[]string{module + "internal/app"},
			func(p string) bool { return in(p, module+"cmd") }},
		{[]string{module + "internal/httpapi"},
			func(p string) bool { return p == module+"internal/app" }},
	} {
		for _, p := range load(t) {
			if rule.allowed(p.ImportPath) {
				continue
			}
			for _, imp := range p.Imports {
				if in(imp, rule.what...) {
					t.Errorf("%s imports %s", p.ImportPath, imp)
				}
			}
		}
	}
}

// The simulator checks us, so it must not share our mistakes.
func TestSimulator_is_independent_and_not_in_the_product(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		if in(p.ImportPath, module+"internal/wechatsim") {
			for _, imp := range p.Deps {
				if strings.HasPrefix(imp, module) && !in(imp, module+"internal/wechatsim") {
					t.Errorf("%s depends on %s", p.ImportPath, imp)
				}
			}
		}
		if p.ImportPath == module+"cmd/server" && slices.Contains(p.Deps, module+"internal/wechatsim") {
			t.Error("cmd/server depends on the simulator")
		}
	}
}

func TestCardext_is_pure(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		if p.ImportPath != module+"internal/cardext" {
			continue
		}
		for _, imp := range p.Imports {
			if in(imp, "net", "os", "database", "log") || strings.Contains(imp, ".") || strings.HasPrefix(imp, module) {
				t.Errorf("cardext imports %s", imp)
			}
		}
	}
}

// Only the commands read the environment; internal/config parses it.
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
