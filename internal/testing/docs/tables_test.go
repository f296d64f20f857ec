package docs

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/config"
)

// problemsOf returns the problems that config.Load reports about environ, by
// variable.
func problemsOf(t *testing.T, environ ...string) map[string]string {
	t.Helper()
	_, err := config.Load(environ)
	var invalid *config.Error
	if err != nil && !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	said := map[string]string{}
	if invalid != nil {
		for _, p := range invalid.Problems {
			name, what, _ := strings.Cut(p, ": ")
			said[name] = what
		}
	}
	return said
}

func TestConfiguration_IsTheOneThatIsRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ page, required, yes string }{
		{"docs/configuration.md", "required", "yes"},
		{"docs/configuration.zh-CN.md", "必填", "是"},
	} {
		t.Run(tc.page, func(t *testing.T) {
			t.Parallel()
			compareVariables(t, readPage(t, tc.page).table(t), tc.required, tc.yes)
		})
	}
}

// compareVariables compares the rows of the page with config.Config. The other
// two are words of the page.
func compareVariables(t *testing.T, rows map[string][]string, required, yes string) {
	t.Helper()
	missing := problemsOf(t)
	fields := reflect.TypeFor[config.Config]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		name := field.Tag.Get("env")
		if name == "" {
			continue
		}
		row := rows[name]
		delete(rows, name)
		if len(row) != 3 {
			t.Errorf("%s: the row is %q", name, row)
			continue
		}
		want := "–"
		if value := field.Tag.Get("envDefault"); value != "" {
			want = "`" + value + "`"
		} else if missing[name] == "is missing" {
			want = required
		}
		if row[0] != want {
			t.Errorf("%s: the table has the default %s, want %s", name, row[0], want)
		}
		unreadable := problemsOf(t, name+"_FILE=/nonexistent")[name+"_FILE"] != ""
		if secret := field.Type == reflect.TypeFor[config.Secret](); secret != (row[1] == yes) || secret != unreadable {
			t.Errorf("%s: the table has secret %q; type Secret: %v; accepted as a file: %v", name, row[1], secret, unreadable)
		}
	}
	for name := range rows {
		t.Errorf("nothing reads %s", name)
	}
}

// The sample is complete, and the server refuses to start with its secrets.
func TestConfiguration_SampleIsWholeAndRefused(t *testing.T) {
	t.Parallel()
	for _, b := range readPage(t, "docs/configuration.md").blocks {
		if !b.is("dotenv") {
			continue
		}
		sample := strings.Split(strings.TrimSpace(b.text), "\n")
		if _, err := config.LoadSandbox(sample); err != nil {
			t.Errorf("the sample is not a valid configuration: %v", err)
		}
		refused := problemsOf(t, sample...)
		for _, line := range sample {
			name, value, _ := strings.Cut(line, "=")
			plain := strings.NewReplacer("-", "")
			if marked := strings.Contains(plain.Replace(value), plain.Replace(config.SampleMark)); marked != (refused[name] != "") {
				t.Errorf("%s: marked as a sample: %v; refused: %q", name, marked, refused[name])
			}
		}
		if len(refused) < 5 {
			t.Errorf("only %v are refused", refused)
		}
		return
	}
	t.Error("the page has no sample")
}

// problems returns the HTTP statuses in httpapi's table of problems, by code.
func problems(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/httpapi/internal/web/problemtype.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) != 3 {
			return true
		}
		if name, ok := lit.Type.(*ast.Ident); !ok || name.Name != "ProblemType" {
			return true
		}
		code, err := strconv.Unquote(lit.Elts[1].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found[code] = lit.Elts[0].(*ast.BasicLit).Value
		return true
	})
	if len(found) < 20 {
		t.Fatalf("only %d problems found in problemtype.go", len(found))
	}
	return found
}

func TestErrors_AreAllListed(t *testing.T) {
	t.Parallel()
	rows := readPage(t, "docs/errors.md").table(t)
	for code, status := range problems(t) {
		if row := rows[code]; len(row) != 3 || row[0] != status {
			t.Errorf("%s: the table has %q, the status is %s", code, row, status)
		}
		delete(rows, code)
		for _, p := range readPages(t, "README*.md") {
			if !strings.Contains(p.prose(), "`"+code+"`") {
				t.Errorf("%s does not list %s", p.name, code)
			}
		}
	}
	for code := range rows {
		t.Errorf("there is no problem %s", code)
	}
}

// causes lists the values of the constants of package cardext that name a cause.
func causes(t *testing.T) (list []string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, "internal/cardext/causes.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\tCause\w+ += "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		list = append(list, m[1])
	}
	if len(list) < 40 {
		t.Fatalf("only %d causes found in causes.go", len(list))
	}
	return list
}

func TestSignature_ListsEveryCause(t *testing.T) {
	t.Parallel()
	rows, causes := readPage(t, "docs/signature.md").table(t), causes(t)
	for _, cause := range causes {
		if rows[cause] == nil {
			t.Errorf("the page lacks %s", cause)
		}
	}
	for name := range rows {
		if !slices.Contains(causes, name) {
			t.Errorf("there is no cause %s", name)
		}
	}
}

// Every package and every required module has a row.
func TestArchitecture_ListsPackagesAndModules(t *testing.T) {
	t.Parallel()
	rows := readPage(t, "ARCHITECTURE.md").table(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f",
		`{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "github.com/addcard/addcard/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, path := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(path, "/")
		own, isOwn := strings.CutPrefix(path, "github.com/addcard/addcard/")
		if !isOwn && !strings.Contains(first, ".") {
			continue // the standard library
		}
		found := false
		for name := range rows {
			if name == own || strings.HasPrefix(own, name+"/") {
				found, used[name] = true, true
			}
		}
		if !found {
			t.Errorf("no row is about %s", own)
		}
	}
	for name := range rows {
		if !used[name] {
			t.Errorf("nothing is or uses %s", name)
		}
	}
}

func TestContributing_ListsEveryTarget(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	rows := readPage(t, "CONTRIBUTING.md").table(t)
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(string(makefile), -1) {
		if m[1] != "help" && rows["make "+m[1]] == nil {
			t.Errorf("the table lacks make %s", m[1])
		}
		delete(rows, "make "+m[1])
	}
	delete(rows, "make")
	for name := range rows {
		t.Errorf("there is no %s", name)
	}
}
