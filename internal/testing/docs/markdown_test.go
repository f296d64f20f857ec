// Package docs keeps the documentation true: it runs what README and docs/
// tell a reader to run, and compares their tables with the code. It has tests
// only.
//
// A fenced block means what the first words behind its fence say:
//
//	```sh            run in the page's shell; every command must succeed
//	```sh exit=1     the same, and the last command must exit with 1
//	```sh serves     a command that goes on serving; it is interrupted when
//	                 the page ends and must then exit with 0
//	```json, ```text what the sh block above it prints
//
// Other languages are not run. Each page has a folder, a shell and a simulated
// WeChat of its own, and bin/server in its folder. Ports are free ones in place
// of the defaults that the pages show.
//
// What is printed may differ from the page in white space, in identifiers,
// hashes and times, and wherever the page has an ellipsis (…).
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// page is one Markdown file.
type page struct {
	name   string // from the root of the repository
	text   string
	blocks []block
}

// block is one fenced block.
type block struct {
	line  int
	lang  string
	attrs string // the words behind the language
	text  string
}

func (b block) is(langs ...string) bool {
	for _, l := range langs {
		if b.lang == l {
			return true
		}
	}
	return false
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: name, text: string(raw)}
	var open *block
	for i, line := range strings.Split(p.text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case open == nil && fence:
			lang, attrs, _ := strings.Cut(info, " ")
			open = &block{line: i + 1, lang: lang, attrs: attrs}
		case open == nil:
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		default:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", name, open.line)
	}
	return p
}

// readPages reads every page whose name matches one of the patterns.
func readPages(t *testing.T, patterns ...string) []page {
	t.Helper()
	var pages []page
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || files == nil {
			t.Fatalf("no file matches %s (%v)", pattern, err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, readPage(t, name))
		}
	}
	return pages
}

// allPages are all that speak to a reader.
func allPages(t *testing.T) []page {
	t.Helper()
	return readPages(t, "*.md", "docs/*.md", "internal/*/README.md", "miniprogram/*.md")
}

// prose is the page without its blocks.
func (p page) prose() string {
	text := p.text
	for _, b := range p.blocks {
		text = strings.Replace(text, b.text, "", 1)
	}
	return text
}

// headings returns the page's headings, with their marks.
func (p page) headings() []string {
	return regexp.MustCompile(`(?m)^#+ .*$`).FindAllString(p.prose(), -1)
}

// table returns the cells of the rows whose first cell is a name in backticks,
// under the name.
func (p page) table(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, line := range regexp.MustCompile("(?m)^\\| `.*\\|$").FindAllString(p.text, -1) {
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		name := strings.Trim(cells[0], "`")
		if _, twice := rows[name]; twice {
			t.Errorf("%s: %s has two rows", p.name, name)
		}
		rows[name] = cells[1:]
	}
	return rows
}
