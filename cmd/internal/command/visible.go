package command

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Visible returns text for one line of a terminal. A line end or a tab becomes a
// space. Every other character that could control the terminal, hide itself or
// change the order of others becomes U+FFFD: escape and control characters, C1
// too, directional marks, zero-width characters, and bytes that are not UTF-8.
func Visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !isVisible(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// isVisible reports whether r is a character of its own on the screen. The property
// Other_Default_Ignorable_Code_Point has the letters and marks that are drawn as
// nothing. A variation selector is no danger, and emoji need it.
func isVisible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Printf writes to w like fmt.Fprintf. Only format can contain line ends and tabs:
// it prints each string, error or fmt.Stringer in args as [Visible] returns it.
func Printf(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(w, format, visible(args)...)
	return err
}

func visible(args []any) []any {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			shown[i] = Visible(arg)
		case error:
			shown[i] = Visible(arg.Error())
		case fmt.Stringer:
			shown[i] = Visible(arg.String())
		default:
			shown[i] = arg
			if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
				shown[i] = Visible(v.String())
			}
		}
	}
	return shown
}

// VisibleJSON returns JSON with the same values in which every character that
// [Visible] replaces is written as \uXXXX. JSON has such characters in strings only,
// except carriage returns between its tokens.
func VisibleJSON(json []byte) []byte {
	hidden := func(r rune) bool { return r == '\r' || r >= 0x7f && !isVisible(r) }
	if bytes.IndexFunc(json, hidden) < 0 {
		return json
	}
	var out bytes.Buffer
	for _, r := range string(json) {
		switch high, low := utf16.EncodeRune(r); {
		case !hidden(r):
			out.WriteRune(r)
		case r == '\r':
			out.WriteByte(' ')
		case r > 0xffff:
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

// terminal is a Writer that passes visible characters, line ends and tabs on, and
// replaces the others as [Visible] does. It protects the terminal from what is not
// printed with [Printf], such as an error with a text of WeChat's. Each Write must
// end with a whole character.
type terminal struct{ io.Writer }

func (t terminal) Write(b []byte) (int, error) {
	shown := b
	if !plain(b) {
		shown = bytes.Map(func(r rune) rune {
			if r == '\n' || r == '\t' || isVisible(r) {
				return r
			}
			return unicode.ReplacementChar
		}, b)
	}
	if _, err := t.Writer.Write(shown); err != nil {
		return 0, err
	}
	return len(b), nil
}

// plain reports whether b has only visible ASCII characters, line ends and tabs.
func plain(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c >= 0x7f) && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}
