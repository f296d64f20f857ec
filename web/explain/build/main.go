// Command build writes the explainer: one HTML file that works without a
// network, from a disk too. It has the WebAssembly, the texts in both languages,
// the style and the script in it, and a policy that forbids every request.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
	//go:embed texts.json
	pageTexts []byte
)

func main() {
	out := flag.String("o", "dist/explain/index.html", "the `file` to write")
	flag.Parse()
	if err := run(context.Background(), *out); err != nil {
		fmt.Fprintln(os.Stderr, "build the explainer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	page, err := build(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, page, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d KB\n", out, len(page)/1024)
	return nil
}

// build returns the page. The same sources and the same Go give the same bytes.
func build(ctx context.Context) ([]byte, error) {
	root, err := goCommand(ctx, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	goRoot, err := goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	runtime, err := os.ReadFile(filepath.Join(goRoot, "lib/wasm/wasm_exec.js"))
	if err != nil {
		return nil, err
	}
	texts, err := readTexts(filepath.Join(root, "internal/httpapi/console/locale"))
	if err != nil {
		return nil, err
	}
	program, err := compile(ctx, root)
	if err != nil {
		return nil, err
	}
	return assemble(string(runtime)+"\n"+pageJS, texts, program)
}

// readTexts returns the texts of the page by language. What it says about a
// cause is what the console says, unless texts.json has its own words.
func readTexts(locale string) (string, error) {
	var own map[string]map[string]string
	if err := json.Unmarshal(pageTexts, &own); err != nil {
		return "", fmt.Errorf("texts.json: %w", err)
	}
	for lang, texts := range own {
		raw, err := os.ReadFile(filepath.Join(locale, lang+".json"))
		if err != nil {
			return "", err
		}
		var console map[string]string
		if err := json.Unmarshal(raw, &console); err != nil {
			return "", fmt.Errorf("%s.json: %w", lang, err)
		}
		maps.DeleteFunc(console, func(key, _ string) bool {
			return !strings.HasPrefix(key, "cause.") && !strings.HasPrefix(key, "fix.")
		})
		maps.Copy(console, texts)
		own[lang] = console
	}
	text, err := json.Marshal(own)
	return string(text), err
}

// compile returns the WebAssembly, compressed and in base64.
func compile(ctx context.Context, root string) (string, error) {
	dir, err := os.MkdirTemp("", "addcard-explain-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "explain.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "./web/explain/wasm")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(cmd.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=") // flags such as -race are for this machine
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("compile to WebAssembly: %w", err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var compressed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression) // the level is valid
	if _, err := w.Write(program); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(compressed.Bytes()), nil
}

// assemble puts the parts into page.html. texts and program are data: no element
// of the page runs them.
func assemble(script, texts, program string) ([]byte, error) {
	if strings.Contains(script, "</script") {
		return nil, fmt.Errorf("the script would end at its first </script")
	}
	t, err := template.New("page.html").Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = t.Execute(&page, map[string]string{
		"Style": pageCSS, "StyleHash": hash(pageCSS),
		"Script": script, "ScriptHash": hash(script),
		"Texts": texts, "Program": program,
	})
	return page.Bytes(), err
}

// hash returns what a Content-Security-Policy calls text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func goCommand(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
