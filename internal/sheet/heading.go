package sheet

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// remark is what people write after a heading.
var remark = regexp.MustCompile(`(\*|:|\([^()]*\)|\[[^\[\]]*\])$`)

// fold returns the form in which headings are compared.
func fold(heading string) string {
	heading = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(trim(heading)))
	heading = strings.TrimLeft(heading, "*")
	for remark.MatchString(heading) {
		heading = remark.ReplaceAllString(heading, "")
	}
	return heading
}

// name returns the name of the column with a heading, or "".
func (o Options) name(heading string) string {
	heading = fold(heading)
	if heading == "" {
		return ""
	}
	for _, c := range o.Columns {
		names := append([]string{c.Name}, c.Also...)
		if h, ok := o.Headings[c.Name]; ok {
			names = []string{h}
		}
		if slices.ContainsFunc(names, func(name string) bool { return fold(name) == heading }) {
			return c.Name
		}
	}
	return ""
}

// known returns what a file without a known heading lacks, for an error's text.
func (o Options) known() string {
	if len(o.Headings) > 0 {
		return "heading " + strings.Join(slices.Sorted(maps.Values(o.Headings)), ", ")
	}
	var some []string
	for _, c := range o.Columns {
		some = append(some, c.Name)
		some = append(some, c.Also[:min(len(c.Also), 1)]...)
	}
	return "known heading, such as " + strings.Join(some, ", ")
}
