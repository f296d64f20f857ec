// Command licenses prints the licences of everything that is compiled into the
// server. It fails if a module has no licence, or one that is not in allowed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that permit distribution of a program under Apache-2.0,
// as licensecheck names them.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// platforms are those of scripts/release.sh. Each may import modules of its own.
var platforms = []string{"linux", "darwin", "windows"}

// embedded is what the modules contain in other than Go, without a file that says so.
const embedded = `The program contains data of these projects:

- Swagger UI, https://github.com/swagger-api/swagger-ui, copyright SmartBear Software Inc., under the Apache License 2.0
- the Time Zone Database, https://www.iana.org/time-zones, in the public domain
- Mozilla's list of CA certificates, https://wiki.mozilla.org/CA, under the Mozilla Public License 2.0
`

func main() {
	if err := run(context.Background(), os.Stdout, ".."); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

type module struct {
	Path, Version, Dir string
	Main               bool
}

// run writes the licences of the server in the module at root.
func run(ctx context.Context, out io.Writer, root string) error {
	modules, err := compiled(ctx, root)
	if err != nil {
		return err
	}
	goroot, err := exec.CommandContext(ctx, "go", "-C", root, "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("find the standard library: %w", err)
	}
	std := strings.Fields(string(goroot))
	modules["std"] = module{Path: "Go's standard library", Version: std[1], Dir: std[0]}
	var text strings.Builder
	text.WriteString(embedded)
	var failed error
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		failed = errors.Join(failed, add(&text, modules[path]))
	}
	if failed != nil {
		return failed
	}
	_, err = io.WriteString(out, text.String())
	return err
}

// compiled returns the modules of other projects that the server imports on any of
// the platforms, by their paths.
func compiled(ctx context.Context, root string) (map[string]module, error) {
	modules := map[string]module{}
	for _, goos := range platforms {
		list := exec.CommandContext(ctx, "go", "-C", root, "list", "-tags", "nomsgpack", "-deps", "-json=Module", "./cmd/server")
		list.Env, list.Stderr = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOFLAGS="), os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list the modules for %s: %w", goos, err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct{ Module *module }
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("list the modules for %s: %w", goos, err)
			}
			if p.Module != nil && !p.Module.Main { // nil: the standard library
				modules[p.Module.Path] = *p.Module
			}
		}
	}
	return modules, nil
}

var (
	licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.(md|txt))?$`)
	// notice matches further files that must be passed on.
	notice = regexp.MustCompile(`(?i)^(notice|patents|licen[cs]e-.*|third-party-notices)(\.(md|txt))?$`)
)

// add writes the licence of m and its notices.
func add(out io.Writer, m module) error {
	files, err := os.ReadDir(m.Dir)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	var name string
	var texts []string
	for _, f := range files {
		if !licence.MatchString(f.Name()) && !notice.MatchString(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, f.Name()))
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		texts = append(texts, string(text))
		if licence.MatchString(f.Name()) {
			if name, err = identify(text); err != nil {
				return fmt.Errorf("%s %s, %s: %w", m.Path, m.Version, f.Name(), err)
			}
		}
	}
	if name == "" {
		return fmt.Errorf("%s %s: has no file with its licence", m.Path, m.Version)
	}
	_, err = fmt.Fprintf(out, "\n%s\n%s %s, %s\n\n%s\n", strings.Repeat("=", 80), m.Path, m.Version, name,
		strings.TrimSpace(strings.ReplaceAll(strings.Join(texts, "\n"), "\r\n", "\n")))
	return err
}

// identify returns the name of the licence whose text is nearly all of text.
func identify(text []byte) (string, error) {
	cover := licensecheck.Scan(text)
	var names []string
	for _, match := range cover.Match {
		if !slices.Contains(allowed, match.ID) {
			return "", fmt.Errorf("the licence %s is not allowed", match.ID)
		}
		names = append(names, match.ID)
	}
	if len(names) == 0 || cover.Percent < 75 {
		return "", fmt.Errorf("the licence is unknown: %.0f %% of the text is %s", cover.Percent, strings.Join(names, " and "))
	}
	return strings.Join(slices.Compact(names), " and "), nil
}
