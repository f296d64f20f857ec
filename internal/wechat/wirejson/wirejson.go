// Package wirejson mends the JSON that WeChat writes. WeChat puts nicknames, and what
// members fill in, into its texts as they are: with control characters, cut
// characters and stray backslashes. A strict reader refuses all of the text because
// of one name.
package wirejson

import (
	"bytes"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// Mend returns text as JSON that a strict reader accepts, if nothing but the
// following is wrong with it. It does not change what is well-formed, and returns
// text itself if it has nothing to mend. It removes
//
//   - byte order marks outside of strings,
//   - control characters outside of strings, such as NULs at the end,
//   - control characters in strings: they are invisible, so a name looks the same and
//     a number is the same. Tabs, line feeds and carriage returns are kept.
//
// In strings, bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD,
// \' becomes ', and a backslash that begins no escape stands for itself.
func Mend(text []byte) []byte {
	for bytes.HasPrefix(text, []byte(byteOrderMark)) {
		text = text[len(byteOrderMark):]
	}
	m := mender{in: text}
	for m.at < len(text) {
		m.next()
	}
	if m.out == nil {
		return text
	}
	return m.out
}

// mender copies in to out from the first change on; before it out is nil.
type mender struct {
	in       []byte
	at       int // in in
	out      []byte
	inString bool
}

// next reads one character or escape.
func (m *mender) next() {
	c := m.in[m.at]
	switch {
	case c == '"':
		m.inString = !m.inString
		m.keep(1)
	case c < ' ':
		m.control(c)
	case !m.inString && bytes.HasPrefix(m.in[m.at:], []byte(byteOrderMark)):
		m.replace(len(byteOrderMark), " ")
	case !m.inString || c < utf8.RuneSelf && c != '\\':
		m.keep(1)
	case c == '\\':
		m.escape()
	default:
		m.character()
	}
}

func (m *mender) keep(n int) {
	if m.out != nil {
		m.out = append(m.out, m.in[m.at:m.at+n]...)
	}
	m.at += n
}

func (m *mender) replace(n int, by string) {
	if m.out == nil {
		m.out = append(make([]byte, 0, len(m.in)+len(by)), m.in[:m.at]...)
	}
	m.out = append(m.out, by...)
	m.at += n
}

func (m *mender) control(c byte) {
	escaped, white := map[byte]string{'\t': `\t`, '\n': `\n`, '\r': `\r`}[c]
	switch {
	case m.inString:
		m.replace(1, escaped)
	case white:
		m.keep(1)
	default:
		m.replace(1, " ")
	}
}

func (m *mender) character() {
	if _, size := utf8.DecodeRune(m.in[m.at:]); size > 1 {
		m.keep(size)
		return
	}
	m.replace(1, string(utf8.RuneError))
}

func (m *mender) escape() {
	rest := m.in[m.at+1:]
	switch {
	case len(rest) == 0:
		m.replace(1, `\\`)
	case rest[0] == '\'':
		m.replace(2, "'")
	case bytes.IndexByte([]byte(`"\/bfnrt`), rest[0]) >= 0:
		m.keep(2)
	default:
		m.unicodeEscape()
	}
}

const (
	escapeLen      = len(`\u0000`)
	surrogates     = 0xd800
	lowSurrogates  = 0xdc00
	afterSurrogate = 0xe000
)

func (m *mender) unicodeEscape() {
	code, ok := hex(m.in[m.at:])
	switch {
	case !ok:
		m.replace(1, `\\`)
	case code < surrogates || code >= afterSurrogate:
		m.keep(escapeLen)
	case code < lowSurrogates && m.lowFollows():
		m.keep(2 * escapeLen)
	default:
		m.replace(escapeLen, string(utf8.RuneError))
	}
}

func (m *mender) lowFollows() bool {
	low, ok := hex(m.in[m.at+escapeLen:])
	return ok && low >= lowSurrogates && low < afterSurrogate
}

// hex returns the number in an escape of the form \u0000.
func hex(text []byte) (code int, ok bool) {
	if len(text) < escapeLen || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:escapeLen] {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		code = code<<4 | digit
	}
	return code, true
}
