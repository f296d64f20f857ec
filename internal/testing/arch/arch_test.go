// Package arch tests which package may import which: the table in this file is
// the list of all imports that are allowed. It has no other code.
package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
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
cmd/internal/command          config logpipe spelling | alecthomas/kong
cmd/internal/commandtest      testing/golden | alecthomas/kong rogpeppe/go-internal
cmd/sandbox                   app cmd/internal/command config logpipe sqldb testing/seed web wechatsim wechatsim/push
cmd/server                    app audit card cardext cmd/internal/command config doctor importer ledger member outbox phone recovery sheet
                              sqldb staff ticket/redisstore webhook
                              | alecthomas/kong google/uuid tailscale/hujson x/crypto/x509roots/fallback

app                           audit audit/sqlstore auth auth/sqlstore card card/sqlstore cardext cardlist cardsync cardsync/sqlstore
                              config datakey doctor httpapi/admin httpapi/conns httpapi/console httpapi/public importer importer/sqlstore jssdk
                              ledger ledger/sqlstore member member/sqlstore opencard outbox outbox/sqlstore phonecode recovery recovery/sqlstore
                              shop shop/sqlstore sqldb staff staff/sqlstore
                              statistics statistics/sqlstore ticket ticket/redisstore ticket/sqlstore timeline timeline/sqlstore
                              trail trail/sqlstore webhook webhook/sqlstore weblogin wechat wechat/push
                              | prometheus/client_golang
config                        auth spelling sqldb ticket/redisstore | caarlos0/env
doctor                        card config member outbox wechat
httpapi/admin                 audit card cardext cardsync doctor httpapi/conns httpapi/internal/web importer ledger member outbox phone ration
                              sheet shop staff statistics ticket timeline webhook
                              | danielgtaylor/huma gin-gonic/gin go-json-experiment/json prometheus/client_golang prometheus/client_model
                              x/sync x/time
httpapi/conns
httpapi/console               card cardext httpapi/internal/web sheet shop staff | gin-gonic/gin google/uuid qr
httpapi/public                auth card cardlist httpapi/conns httpapi/internal/web jssdk ledger member opencard phone ration weblogin
                              | danielgtaylor/huma gin-gonic/gin x/time
httpapi/internal/web          audit auth card cardlist httpapi/conns importer jssdk ledger member opencard outbox phonecode ration recovery sqldb staff
                              ticket webhook weblogin wechat
                              | danielgtaylor/huma gin-gonic/gin go-json-experiment/json google/uuid swaggest/swgui x/sync
                              x/time

audit                         sheet | google/uuid
audit/audittest               audit
audit/sqlstore                audit sqldb
auth                          ration | go-json-experiment/json golang-jwt/jwt google/uuid x/time
auth/authtest                 auth
auth/sqlstore                 auth sqldb
card                          audit ration sheet spelling | go-json-experiment/json qr x/sync
card/sqlstore                 card sqldb | database/sql
cardext
cardlist                      card cardext member ration
cardsync                      ledger member outbox trail | x/time
cardsync/cardsynctest         cardsync ledger member
cardsync/sqlstore             cardsync ledger member member/sqlstore sqldb trail trail/sqlstore
datakey
importer                      ledger member phone sheet | google/uuid x/sync x/text
importer/importertest         importer
importer/sqlstore             importer member/sqlstore outbox/sqlstore sqldb
jssdk
ledger                        outbox sheet
ledger/ledgertest             ledger member outbox
ledger/sqlstore               ledger outbox outbox/sqlstore sqldb
logpipe
member                        audit ledger outbox phone sheet | google/uuid
member/membertest             ledger member outbox
member/sqlstore               ledger ledger/sqlstore member outbox/sqlstore sqldb
opencard                      card cardlist member ration
outbox                        | google/uuid
outbox/outboxtest             outbox
outbox/sqlstore               outbox sqldb trail trail/sqlstore | google/uuid
phone                         | nyaruka/phonenumbers
phonecode                     phone ration
ration
recovery                      | x/sync x/time
recovery/recoverytest         recovery
recovery/sqlstore             recovery sqldb | database/sql
sheet                         | go-json-experiment/json x/text xuri/excelize
sheet/sheettest
shop                          audit
shop/sqlstore                 shop sqldb
spelling
staff                         audit | google/uuid x/sync
staff/sqlstore                sqldb staff
staff/stafftest               staff
sqldb                         | database/sql jackc/pgx pressly/goose sqlite x/sync
sqldb/sqldbtest               sqldb testing/postgres | database/sql jackc/pgx
statistics                    ledger
statistics/sqlstore           sqldb statistics
statistics/statisticstest     ledger member statistics | rapid
ticket
ticket/redisstore             ticket | redis/go-redis
ticket/sqlstore               sqldb ticket | database/sql
ticket/tickettest             ticket
timeline                      member
timeline/sqlstore             member sqldb timeline trail
trail                         ration
trail/sqlstore                sqldb trail | google/uuid
webhook                       audit | google/uuid
webhook/sqlstore              sqldb webhook
webhook/webhooktest           webhook
web
weblogin
wechat                        wechat/wirejson | go-json-experiment/json
wechat/push                   wechat/wirejson | go-json-experiment/json
wechat/wirejson

wechatsim                     wechatsim/push wechatsim/signature
wechatsim/push                wechatsim/signature
wechatsim/signature

docs/webhooks
scripts/vulncheck

web/explain                   cardext
web/explain/build
web/explain/wasm              web/explain

testing/apptest               app config sqldb/sqldbtest wechatsim wechatsim/push
testing/arch
testing/attack
testing/crash
testing/deploy
testing/docs
testing/fleet
testing/golden                | rogpeppe/go-internal
testing/mutants
testing/plan                  sqldb sqldb/sqldbtest testing/seed
testing/postgres              testing/process
testing/process
testing/redis                 testing/process
testing/seed                  member sqldb statistics statistics/sqlstore | google/uuid
testing/server
testing/world                 cardsync cardsync/sqlstore ledger ledger/sqlstore member member/sqlstore outbox outbox/sqlstore sqldb sqldb/sqldbtest
`

// restricted are the packages of the standard library that need a permission.
var restricted = []string{"database/sql"}

// pkg is what a package imports, in all its files, whatever they are built for.
type pkg struct{ imports, testImports map[string]bool }

// world is this module.
type world struct {
	module   string
	modules  []string        // that go.mod requires
	packages map[string]*pkg // by short name
	environ  []string        // files that read the environment
	badNames []string        // of tests
}

const root = "../../.."

// load reads the source files itself, so that the go command sees what the tests
// depend on and does not repeat an old result.
var load = sync.OnceValues(func() (w world, err error) {
	w.packages = map[string]*pkg{}
	if w.module, err = goCommand("list", "-m"); err != nil {
		return w, err
	}
	requires, err := goCommand("mod", "edit", "-json")
	if err != nil {
		return w, err
	}
	var file struct{ Require []struct{ Path string } }
	if err := json.Unmarshal([]byte(requires), &file); err != nil {
		return w, err
	}
	for _, r := range file.Require {
		w.modules = append(w.modules, r.Path)
	}
	return w, filepath.WalkDir(root, w.visit)
})

func goCommand(args ...string) (string, error) {
	out, err := exec.Command("go", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = errors.New(string(exit.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

func (w *world) visit(file string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if entry.IsDir() {
		_, err := os.Stat(filepath.Join(file, "go.mod"))
		if file != root && err == nil || slices.Contains([]string{".git", "node_modules", "testdata"}, entry.Name()) {
			return fs.SkipDir
		}
		return nil
	}
	if path.Ext(file) != ".go" {
		return nil
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		return err
	}
	folder, err := filepath.Rel(root, filepath.Dir(file))
	if err != nil {
		return err
	}
	w.add(filepath.ToSlash(folder), entry.Name(), parsed.Imports)
	for _, m := range testFunction.FindAllSubmatch(source, -1) {
		if isTest(file) && !testName.Match(m[1]) {
			w.badNames = append(w.badNames, fmt.Sprintf("%s: %s", file, m[1]))
		}
	}
	if !isTest(file) && readsEnvironment.Match(source) {
		w.environ = append(w.environ, filepath.ToSlash(folder))
	}
	return nil
}

var readsEnvironment = regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ)\(`)

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w*)\(`)
	testName     = regexp.MustCompile(`^(Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]*(_[A-Z0-9][A-Za-z0-9]*)*$`)
)

func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }

func (w *world) add(folder, file string, imports []*ast.ImportSpec) {
	name := strings.TrimPrefix(folder, "internal/")
	p := w.packages[name]
	if p == nil {
		p = &pkg{map[string]bool{}, map[string]bool{}}
		w.packages[name] = p
	}
	for _, i := range imports {
		imported := strings.Trim(i.Path.Value, `"`)
		if isTest(file) {
			p.testImports[imported] = true
		} else {
			p.imports[imported] = true
		}
	}
}

// deps returns the packages of this module that name depends on.
func (w *world) deps(name string) []string {
	seen := []string{name}
	for i := 0; i < len(seen); i++ {
		for imported := range w.packages[seen[i]].imports {
			if dep := w.short(imported); w.ours(imported) && !slices.Contains(seen, dep) {
				seen = append(seen, dep)
			}
		}
	}
	return seen[1:]
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
func (w *world) short(imported string) string {
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
func (w *world) ours(path string) bool { return within(path, w.module) }

// imports returns what a package imports and needs a permission for, by the
// names of the table: packages of this module, and others.
func (w *world) imports(name string) (ours, others []string) {
	for imported := range w.packages[name].imports {
		if short := w.short(imported); w.ours(imported) {
			ours = append(ours, short)
		} else if short != "" {
			others = append(others, short)
		}
	}
	slices.Sort(ours)
	slices.Sort(others)
	return ours, slices.Compact(others)
}

// row returns a row that allows a package what it imports now.
func (w *world) row(name string) string {
	ours, others := w.imports(name)
	if len(others) > 0 {
		ours = append(ours, "|")
	}
	return strings.TrimSpace(fmt.Sprintf("%-29s %s", name, strings.Join(append(ours, others...), " ")))
}

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
func TestImports_AreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	w, allowed := loaded(t), rows(t)
	for _, name := range slices.Sorted(maps.Keys(w.packages)) {
		row, ok := allowed[name]
		if !ok {
			t.Errorf("%s has no row: decide what it may import, and add one. This allows what it imports now:\n%s", name, w.row(name))
			continue
		}
		ours, others := w.imports(name)
		imports := append(ours, others...)
		for _, imported := range imports {
			if !slices.Contains(row, imported) {
				t.Errorf("%s imports %s, which its row does not allow", name, imported)
			}
		}
		for _, permission := range row {
			if !slices.Contains(imports, permission) {
				t.Errorf("%s does not import %s: remove it from its row", name, permission)
			}
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
func TestImports_OfTests(t *testing.T) {
	t.Parallel()
	w, allowed := loaded(t), rows(t)
	for name, p := range w.packages {
		for imported := range p.testImports {
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
func TestDependencies_ThatMustNotBe(t *testing.T) {
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
		for name := range w.packages {
			if !within(name, rule.from) {
				continue
			}
			found = true
			for _, dep := range w.deps(name) {
				if !within(dep, rule.from) && (rule.to == "" || within(dep, rule.to)) {
					t.Errorf("%s depends on %s: %s", name, dep, rule.why)
				}
			}
		}
		if !found {
			t.Errorf("there is no package %s", rule.from)
		}
	}
}

func TestCardext_IsPure(t *testing.T) {
	t.Parallel()
	w := loaded(t)
	for imported := range w.packages["cardext"].imports {
		for _, impure := range []string{"net", "os", "log", "database", "context", "sync"} {
			if within(imported, impure) {
				t.Errorf("cardext imports %s", imported)
			}
		}
	}
}

func TestConfiguration_IsReadInOnePlace(t *testing.T) {
	t.Parallel()
	for _, folder := range loaded(t).environ {
		if !within(folder, "cmd") && !within(folder, "docs") && folder != "internal/config" {
			t.Errorf("%s reads the environment: only internal/config, the commands and examples may", folder)
		}
	}
}

// Test names have one style: TestSource_ColdStartFetchesOnce.
func TestNames_OfTestsHaveOneStyle(t *testing.T) {
	t.Parallel()
	for _, name := range loaded(t).badNames {
		t.Errorf("%s: want TestSubject_WhatIsTrue", name)
	}
}
