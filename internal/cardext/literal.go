package cardext

import (
	"encoding/json"
	"strings"
)

// jsonOf returns the JSON of a text that may also be a JavaScript literal, as consoles
// print objects: with names without quotes, strings in single quotes, and commas after
// the last element. The content of strings is kept. ok is false if the text is neither.
func jsonOf(text string) (out string, ok bool) {
	out = fromLiteral(text)
	if !json.Valid([]byte(out)) {
		return "", false
	}
	var inner string
	if strings.HasPrefix(strings.TrimSpace(text), "'") && json.Unmarshal([]byte(out), &inner) == nil {
		out = inner // a console printed what JSON.stringify returned
	}
	return out, json.Valid([]byte(out))
}

// fromLiteral returns JSON if the text is a JavaScript literal of such parts, the text
// itself if it is JSON, and otherwise a text that is no JSON.
func fromLiteral(text string) string {
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		n := 1
		switch c := text[0]; {
		case c == '"' || c == '\'':
			out, n = appendString(out, text)
		case isWord(c):
			for n < len(text) && isWord(text[n]) {
				n++
			}
			if word := text[:n]; nextIs(text[n:], ":") {
				out = append(append(append(out, '"'), word...), '"')
			} else {
				out = append(out, word...)
			}
		case c == ',' && nextIs(text[n:], "}]"): // after the last element
		default:
			out = append(out, c)
		}
		text = text[n:]
	}
	return string(out)
}

// appendString appends the string that text begins with, and returns its length in text.
// An escape that JSON does not have stays, so that the result is no JSON.
func appendString(out []byte, text string) ([]byte, int) {
	out = append(out, '"')
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == text[0]:
			return append(out, '"'), i + 1
		case c == '"':
			out = append(out, '\\', '"')
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\'' {
				out = append(out, c)
			}
			out = append(out, text[i])
		default:
			out = append(out, c)
		}
	}
	return out, len(text)
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

// nextIs reports whether the first character of text that is no white space is in chars.
func nextIs(text, chars string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text != "" && strings.IndexByte(chars, text[0]) >= 0
}
