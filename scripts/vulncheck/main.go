// Command vulncheck looks for known vulnerabilities in the modules of this program, as
// `make vulncheck` does. It exits with 1 if the program can reach a vulnerable function
// of a module. One in Go's standard library is printed, and ends with another Go
// release: it is no fault of this source.
//
// The database of vulnerabilities comes as a module, golang.org/x/vulndb, so nothing but
// the module proxy has to be reached.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

const (
	database = "golang.org/x/vulndb"
	checker  = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	db, err := makeDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(db) }()
	found, err := goCommand(ctx, "run", checker, "-db", "file://"+db, "-format", "json", "./cmd/...")
	if err != nil {
		return err
	}
	reachable, err := read(bytes.NewReader(found))
	if err != nil {
		return err
	}
	return report(out, reachable)
}

// makeDatabase returns a directory with the newest database.
func makeDatabase(ctx context.Context) (dir string, err error) {
	text, err := goCommand(ctx, "mod", "download", "-json", database+"@latest")
	if err != nil {
		return "", err
	}
	var module struct{ Dir, Version string }
	if err := json.Unmarshal(text, &module); err != nil {
		return "", fmt.Errorf("download the database: %w", err)
	}
	if dir, err = os.MkdirTemp("", "vulndb"); err != nil {
		return "", err
	}
	_, err = goCommand(ctx, "run", database+"/cmd/indexdb@"+module.Version, "-vulns", filepath.Join(module.Dir, "data", "osv"), "-out", dir)
	return dir, err
}

func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}

// finding is a vulnerable function of a module that the program can reach.
type finding struct{ ID, Module, Found, Fixed string }

// read returns the findings about functions. govulncheck also writes those about
// packages and modules that the program does not use that far.
func read(r io.Reader) ([]finding, error) {
	found := map[finding]bool{}
	for d := json.NewDecoder(r); ; {
		var message struct {
			Finding *struct {
				OSV   string
				Fixed string `json:"fixed_version"`
				Trace []struct{ Module, Version, Function string }
			}
		}
		err := d.Decode(&message)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read what was found: %w", err)
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			found[finding{f.OSV, f.Trace[0].Module, f.Trace[0].Version, f.Fixed}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b finding) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) }), nil
}

// report prints the findings, and returns an error for those in modules.
func report(out io.Writer, list []finding) error {
	modules := 0
	for _, f := range list {
		where := f.Module
		if f.Module == "stdlib" {
			where = "Go"
		} else {
			modules++
		}
		if _, err := fmt.Fprintf(out, "%s in %s %s, fixed in %s: https://pkg.go.dev/vuln/%s\n", f.ID, where, f.Found, f.Fixed, f.ID); err != nil {
			return err
		}
	}
	switch {
	case modules > 0:
		return fmt.Errorf("%d vulnerabilities in modules; go get their fixed versions", modules)
	case len(list) > 0:
		_, err := fmt.Fprintln(out, "Build releases with the newest Go release, which has fixed these.")
		return err
	}
	_, err := fmt.Fprintln(out, "no vulnerable function is reachable")
	return err
}
