// Package docs tests the documentation: it runs the commands in the READMEs and
// in docs/, compares what they print, and compares tables with the code. It does
// not judge the prose. It contains tests only.
//
// The words after a fence say what the block is:
//
//	```sh            commands for the page's shell; each must succeed
//	```sh exit=1     the same, but the last command must exit with 1
//	```sh serves     a command that keeps serving; it is interrupted at the
//	                 end of the page and must then exit with 0
//	```json, ```text the output of the sh block before it
//
// Blocks in other languages are not run. Each page has its own directory with
// bin/server in it, its own shell and its own simulated WeChat. Servers listen
// on free ports; the default ports in a page are replaced by these.
//
// Output may differ from the page in white space, in identifiers, hashes and
// times, and wherever the page has an ellipsis (…).
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// page is a Markdown file.
type page struct {
	name   string // path from the root of the repository
	text   string
	blocks []block
}

// block is a fenced block.
type block struct {
	line  int
	lang  string
	attrs string // the words after the language
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
	return parsePage(t, name, string(raw))
}

func parsePage(t *testing.T, name, text string) page {
	t.Helper()
	p := page{name: name, text: text}
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

// readPages reads every page with a name that matches one of the patterns.
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

// allPages reads every page of the documentation.
func allPages(t *testing.T) []page {
	t.Helper()
	return readPages(t, "*.md", "docs/*.md", "internal/*/README.md", "miniprogram/*.md")
}

// prose returns the page without the contents of its blocks.
func (p page) prose() string {
	text := p.text
	for _, b := range p.blocks {
		text = strings.Replace(text, b.text, "", 1)
	}
	return text
}

// headings returns the page's headings, including the leading # signs.
func (p page) headings() []string {
	return regexp.MustCompile(`(?m)^#+ .*$`).FindAllString(p.prose(), -1)
}

// table returns the rows in which the first cell is a name in backticks: the other
// cells, by name.
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
