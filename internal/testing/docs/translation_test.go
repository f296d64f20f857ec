package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// operatorsPages are read by who runs addcard in a shop. They must be there in
// Chinese, too.
var operatorsPages = []string{
	"docs/backup.md", "docs/configuration.md", "docs/deployment.md", "docs/errors.md", "docs/launch-a-card.md", "docs/operations.md",
}

// A page X.zh-CN.md has the structure of X.md. What its sentences say is not
// compared.
func TestTranslations_HaveTheStructureOfTheEnglishPage(t *testing.T) {
	t.Parallel()
	pages := []string{"README.md"}
	for _, p := range readPages(t, "*.zh-CN.md", "docs/*.zh-CN.md") {
		pages = append(pages, inEnglish(p.name))
	}
	pages = append(pages, operatorsPages...)
	slices.Sort(pages)
	for _, name := range slices.Compact(pages) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !isThere(inChinese(name)) {
				t.Fatalf("there is no %s", inChinese(name))
			}
			for _, d := range differences(readPage(t, name), readPage(t, inChinese(name)), isThere) {
				t.Error(d)
			}
		})
	}
}

func inChinese(name string) string { return strings.TrimSuffix(name, ".md") + ".zh-CN.md" }

func inEnglish(name string) string { return strings.Replace(name, ".zh-CN.md", ".md", 1) }

func isThere(name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}

// differences returns what differs in the structure of a page in two languages.
// isThere reports whether the repository has a file.
func differences(english, chinese page, isThere func(name string) bool) (found []string) {
	differ := func(format string, args ...any) {
		found = append(found, chinese.name+": "+fmt.Sprintf(format, args...))
	}
	if !slices.Equal(levels(english), levels(chinese)) {
		differ("the headings are %q, in English %q", chinese.headings(), english.headings())
	}

	if len(english.blocks) != len(chinese.blocks) {
		differ("%d blocks, in English %d", len(chinese.blocks), len(english.blocks))
	}
	for i := range min(len(english.blocks), len(chinese.blocks)) {
		e, c := english.blocks[i], chinese.blocks[i]
		if e.lang != c.lang || e.attrs != c.attrs || whatMatters(e) != whatMatters(c) {
			differ("the block in line %d is not that in line %d of %s", c.line, e.line, english.name)
		}
	}

	tables, want := chinese.tables(), english.tables()
	if len(tables) != len(want) {
		differ("%d tables, in English %d", len(tables), len(want))
	}
	for i := range min(len(tables), len(want)) {
		if len(tables[i]) != len(want[i]) {
			differ("table %d has %d rows, in English %d", i+1, len(tables[i]), len(want[i]))
		}
		for j := range min(len(tables[i]), len(want[i])) {
			if d := rowDiffers(want[i][j], tables[i][j]); d != "" {
				differ("table %d: %s", i+1, d)
			}
		}
	}
	return append(found, linksDiffer(english, chinese, isThere)...)
}

// linksDiffer is the part of differences about links. Each page links to the
// other, both to the same pages, and the Chinese one to pages in Chinese.
func linksDiffer(english, chinese page, isThere func(name string) bool) (found []string) {
	differ := func(format string, args ...any) {
		found = append(found, chinese.name+": "+fmt.Sprintf(format, args...))
	}
	own := []string{filepath.Base(english.name), filepath.Base(chinese.name)}
	if !slices.Contains(english.targets(), own[1]) {
		differ("%s does not link to it", english.name)
	}
	if !slices.Contains(chinese.targets(), own[0]) {
		differ("it does not link to %s", english.name)
	}
	var links [2][]string
	for i, p := range []page{english, chinese} {
		for _, target := range p.targets() {
			if slices.Contains(own, target) {
				continue
			}
			links[i] = append(links[i], strings.Replace(inEnglish(target), ".en.md", ".md", 1))
			translated := inChinese(target)
			if i == 1 && strings.HasSuffix(target, ".md") && isThere(filepath.Join(filepath.Dir(p.name), translated)) {
				differ("it links to %s, which is there as %s", target, translated)
			}
		}
		slices.Sort(links[i])
		links[i] = slices.Compact(links[i])
	}
	if !slices.Equal(links[0], links[1]) {
		differ("it links to %q, the page in English to %q", links[1], links[0])
	}
	return found
}

func levels(p page) (list []string) {
	for _, h := range p.headings() {
		level, _, _ := strings.Cut(h, " ")
		list = append(list, level)
	}
	return list
}

var commentForm = regexp.MustCompile(`(?m)(^|[ \t]+)(#|//|--) .*$`)

// whatMatters returns the part of a block that is the same in both languages.
func whatMatters(b block) string {
	switch {
	case b.is("sh", "json", "text", "dotenv"):
		return b.text
	case b.is("mermaid"):
		return arrows(b.text)
	default:
		return commentForm.ReplaceAllString(b.text, "")
	}
}

// arrows returns a diagram without its labels.
func arrows(picture string) string {
	return regexp.MustCompile(`(?m)( as |:).*$|\[[^\]]*\]|\|[^|]*\|`).ReplaceAllString(picture, "")
}

// tables returns the tables of a page: the cells, by table and row.
func (p page) tables() (list [][][]string) {
	inTable := false
	for line := range strings.Lines(p.prose()) {
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		if !inTable {
			list = append(list, nil)
		}
		inTable = true
		const escaped = "\x00"
		line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, escaped)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), escaped, `\|`)
		}
		last := len(list) - 1
		list[last] = append(list[last], cells)
	}
	return list
}

var (
	codeForm  = regexp.MustCompile("`[^`]*`")
	separator = regexp.MustCompile(`[,、，\s]+`)
)

// rowDiffers compares the number of cells, the code in the first one, and the
// cells that consist of code and figures only.
func rowDiffers(english, chinese []string) string {
	if len(english) != len(chinese) {
		return fmt.Sprintf("the row %q has %d cells, in English %d", chinese, len(chinese), len(english))
	}
	for i := range english {
		e, c := codeForm.FindAllString(english[i], -1), codeForm.FindAllString(chinese[i], -1)
		slices.Sort(e)
		slices.Sort(c)
		if i == 0 && !slices.Equal(e, c) {
			return fmt.Sprintf("the row of %q is in English that of %q", chinese[0], english[0])
		}
		words := strings.ContainsFunc(codeForm.ReplaceAllString(english[i], ""), unicode.IsLetter)
		if !words && separator.ReplaceAllString(english[i], " ") != separator.ReplaceAllString(chinese[i], " ") {
			return fmt.Sprintf("in the row of %q is %q, in English %q", chinese[0], chinese[i], english[i])
		}
	}
	return ""
}

// targets returns the files that a page links to, without those of other sites.
func (p page) targets() (list []string) {
	for _, m := range linkForm.FindAllStringSubmatch(p.prose(), -1) {
		if target, _, _ := strings.Cut(m[1], "#"); target != "" && !strings.Contains(target, "://") {
			list = append(list, target)
		}
	}
	return list
}

const (
	sampleInEnglish = "# Cards\n\n[简体中文](cards.zh-CN.md)\n\nSee [the ledger](ledger.md#totals) and [errors](errors.md).\n\n" +
		"| status | code | tests |\n| --- | --- | --- |\n| 404 | `not_found` is sent | `TestA`, `TestB` |\n\n" +
		"## Take one\n\n```sh exit=1\ncurl /cards # none\n```\n\n```text\nnone\n```\n\n```console\nmake image   # wait\n```\n\n" +
		"```mermaid\nflowchart LR\n    a[phone] -->|token| b[server]\n```\n"
	sampleInChinese = "# 会员卡\n\n[English](cards.md)\n\n见[账本](ledger.md#总额)和[错误码](errors.zh-CN.md)。\n\n" +
		"| 状态码 | 错误码 | 测试 |\n| --- | --- | --- |\n| 404 | 返回 `not_found` | `TestA`、`TestB` |\n\n" +
		"## 领取\n\n```sh exit=1\ncurl /cards # none\n```\n\n```text\nnone\n```\n\n```console\nmake image   # 稍等\n```\n\n" +
		"```mermaid\nflowchart LR\n    a[手机] -->|令牌| b[服务]\n```\n"
)

func TestTranslations_DifferencesAreSeen(t *testing.T) {
	t.Parallel()
	isThere := func(name string) bool { return name == "docs/cards.zh-CN.md" || name == "docs/errors.zh-CN.md" }
	english := parsePage(t, "docs/cards.md", sampleInEnglish)
	for _, tc := range []struct{ old, new, want string }{
		{"", "", ""},
		{"## 领取", "### 领取", "the headings are"},
		{"## 领取\n", "", "the headings are"},
		{"```text\nnone\n```\n", "", "blocks"},
		{"sh exit=1", "sh", "the block"},
		{"```console", "```bash", "the block"},
		{"/cards # none", "/cards # 没有", "the block"},
		{"```text\nnone", "```text\n没有", "the block"},
		{"make image", "make images", "the block"},
		{"a[手机] -->", "a[手机] ---", "the block"},
		{"| 404 |", "| 405 |", "in the row of"},
		{"| 404 | 返回 `not_found` | `TestA`、`TestB` |\n", "", "rows"},
		{"、`TestB`", "", "in the row of"},
		{"| 返回 `not_found` ", "", "cells"},
		{"| 状态码 |", "| `状态码` |", "the row of"},
		{"| 状态码 | 错误码 | 测试 |\n| --- | --- | --- |\n| 404 | 返回 `not_found` | `TestA`、`TestB` |\n", "", "tables"},
		{"[English](cards.md)\n", "", "it does not link to docs/cards.md"},
		{"errors.zh-CN.md", "errors.md", "which is there as errors.zh-CN.md"},
		{"[账本](ledger.md#总额)", "账本", "it links to"},
		{"ledger.md", "till.md", "it links to"},
	} {
		chinese := parsePage(t, "docs/cards.zh-CN.md", strings.Replace(sampleInChinese, tc.old, tc.new, 1))
		found := differences(english, chinese, isThere)
		if tc.want == "" {
			if found != nil {
				t.Errorf("two equal pages: %q", found)
			}
		} else if !strings.Contains(strings.Join(found, "\n"), tc.want) {
			t.Errorf("%q instead of %q: found %q, want %q", tc.new, tc.old, found, tc.want)
		}
	}
	alone := parsePage(t, "docs/cards.md", strings.Replace(sampleInEnglish, "[简体中文](cards.zh-CN.md)", "", 1))
	found := differences(alone, parsePage(t, "docs/cards.zh-CN.md", sampleInChinese), isThere)
	if want := "docs/cards.md does not link to it"; len(found) != 1 || !strings.HasSuffix(found[0], want) {
		t.Errorf("without a link to the Chinese page: %q, want %q", found, want)
	}
}
