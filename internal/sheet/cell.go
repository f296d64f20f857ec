package sheet

import (
	"regexp"
	"strings"
	"unicode"
)

// cell is a cell of a file, without white space and marks. If reason is not empty, it
// cannot be read.
type cell struct{ text, reason string }

// trim returns a text without the white space and the invisible characters around it,
// and without marks.
func trim(text string) string {
	unmarked := strings.Map(func(r rune) rune {
		if mark(r) {
			return -1
		}
		return r
	}, text)
	return strings.TrimFunc(unmarked, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) })
}

// mark reports whether a character is one without a shape that copying from other
// programs leaves in a text: a zero-width space, a soft hyphen or a mark of direction.
// Joiners are none, because emoji need theirs.
func mark(r rune) bool {
	switch r {
	case '\u200b', '\u2060', '\ufeff', '\u00ad':
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}

var (
	digits = regexp.MustCompile(`^[0-9]+$`)
	// rounded is a number as a spreadsheet shows a long one.
	rounded = regexp.MustCompile(`^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]{2,3}$`)
	// failed is the result of a formula that has none.
	failed = regexp.MustCompile(`^#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)$`)
)

// unwrap returns the text of a field of a CSV without what protects it in a spreadsheet.
// It undoes escapeFormula.
func unwrap(field string) string {
	if rest, ok := strings.CutPrefix(field, "'"); ok && escapeFormula(rest) == field {
		return rest
	}
	field = trim(field)
	if rest, ok := strings.CutPrefix(field, "'"); ok && digits.MatchString(rest) {
		return rest
	}
	// ="0123" is a text that was exported as a formula so that it stays one.
	rest, begins := strings.CutPrefix(field, `="`)
	if inner, ends := strings.CutSuffix(rest, `"`); begins && ends && !strings.Contains(inner, `"`) {
		return inner
	}
	return field
}

// value returns what a cell says, or the reason why it cannot be read.
func (c cell) value() (text, reason string) {
	text = c.text
	switch {
	case c.reason != "":
		return "", c.reason
	case rounded.MatchString(text):
		return "", "was rounded by a spreadsheet (as 1.38E+10): format the column as text and enter the numbers again"
	case failed.MatchString(text):
		return "", "is the error of a formula (as #N/A)"
	case len(text) > 1 && strings.Trim(text, "#") == "":
		return "", "has only #, which a spreadsheet shows in a narrow column"
	case strings.ContainsRune(text, unicode.ReplacementChar):
		return "", "has the character U+FFFD: a conversion has spoiled it"
	}
	return text, ""
}
