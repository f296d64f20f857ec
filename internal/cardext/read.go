package cardext

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLength bounds what is parsed: a cardExt has a few hundred bytes.
const maxLength = 4096

// fields are the fields of a cardExt object by their exact names.
type fields map[string]field

// field is one field of a cardExt object.
type field struct {
	text string // the content of a string, the JSON text of any other value
	kind byte   // the first byte of its JSON text
}

// known lists the fields of a cardExt that WeChat reads.
var known = [...]string{"code", "openid", "timestamp", "nonce_str", "outer_str", "fixed_begintimestamp", "signature"}

// parse parses cardExt as strictly as the strictest phone. cause is empty when
// that succeeds.
func parse(cardExt string) (m fields, cause string) {
	switch text := strings.TrimSpace(cardExt); {
	case !utf8.ValidString(text) || len(text) > maxLength:
		return nil, CauseMalformed
	case strings.HasPrefix(text, `"`) || text == "[object Object]":
		return nil, CauseNotString
	default:
		return parseObject(json.NewDecoder(strings.NewReader(text)))
	}
}

func parseObject(d *json.Decoder) (fields, string) {
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, CauseMalformed
	}
	m, cause := fields{}, ""
	for d.More() {
		name, err := d.Token()
		var raw json.RawMessage
		if err != nil || d.Decode(&raw) != nil {
			return nil, CauseMalformed
		}
		if _, twice := m[name.(string)]; twice {
			cause = CauseDuplicateKey
		}
		m[name.(string)] = newField(raw)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, CauseMalformed
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, CauseMalformed
	}
	return m, cause
}

func newField(raw json.RawMessage) field {
	v := field{text: string(raw), kind: raw[0]}
	if v.kind == '"' {
		_ = json.Unmarshal(raw, &v.text) // cannot fail: raw was checked when it was decoded
	}
	return v
}

// quotesEnd reports whether the text, which cannot be parsed, has an outer_str
// that begins like JSON. Its quotes end the string if they are not escaped.
func quotesEnd(text string) bool {
	_, rest, _ := strings.Cut(text, `"outer_str"`)
	rest = strings.TrimLeft(rest, ": \t\r\n")
	return strings.HasPrefix(rest, `"{`) || strings.HasPrefix(rest, `"[`)
}

// unwrap returns the cardExt in a string that was encoded as JSON once too
// often.
func unwrap(cardExt string) (inner string, ok bool) {
	err := json.Unmarshal([]byte(strings.TrimSpace(cardExt)), &inner)
	return inner, err == nil
}

// isNumber reports whether v is a JSON number. WeChat's pages show timestamp
// both as a number and as a string, and both have been seen to work.
func (v field) isNumber() bool { return v.kind == '-' || isDigit(v.kind) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// misspelt returns the field with a name that resembles the known name.
func (m fields) misspelt(name string) (key string, v field, found bool) {
	for key, v := range m {
		if key != name && normalize(key) == normalize(name) {
			return key, v, true
		}
	}
	return "", field{}, false
}

// normalize maps nonceStr, noncestr and nonce_str to the same key.
func normalize(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }
