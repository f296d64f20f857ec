package cardext

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLen bounds what is read: a cardExt has a few hundred bytes.
const maxLen = 4096

// members are those of a cardExt object by their exact names.
type members map[string]member

// member is one value of a cardExt object.
type member struct {
	text string // a string's content; of anything else its JSON text
	kind byte   // the first byte of its JSON text
}

// known lists the members of a cardExt that mean something to WeChat.
var known = [...]string{"code", "openid", "timestamp", "nonce_str", "outer_str", "fixed_begintimestamp", "signature"}

// read takes cardExt apart as strictly as the strictest phone would. cause is
// empty when that was possible.
func read(cardExt string) (m members, cause string) {
	switch text := strings.TrimSpace(cardExt); {
	case !utf8.ValidString(text) || len(text) > maxLen:
		return nil, CauseMalformed
	case strings.HasPrefix(text, `"`) || text == "[object Object]":
		return nil, CauseNotString
	default:
		return readObject(json.NewDecoder(strings.NewReader(text)))
	}
}

func readObject(d *json.Decoder) (members, string) {
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, CauseMalformed
	}
	m, cause := members{}, ""
	for d.More() {
		name, err := d.Token()
		var raw json.RawMessage
		if err != nil || d.Decode(&raw) != nil {
			return nil, CauseMalformed
		}
		if _, twice := m[name.(string)]; twice {
			cause = CauseDuplicateKey
		}
		m[name.(string)] = newMember(raw)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, CauseMalformed
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, CauseMalformed
	}
	return m, cause
}

func newMember(raw json.RawMessage) member {
	v := member{text: string(raw), kind: raw[0]}
	if v.kind == '"' {
		_ = json.Unmarshal(raw, &v.text) // was checked when raw was read
	}
	return v
}

// unwrap returns the string that was made a JSON string once too often.
func unwrap(cardExt string) (inner string, ok bool) {
	err := json.Unmarshal([]byte(strings.TrimSpace(cardExt)), &inner)
	return inner, err == nil
}

// number reports whether v is written as a JSON number. WeChat's own pages show
// timestamp both as a number and as a string, and both were seen working.
func (v member) number() bool { return v.kind == '-' || isDigit(v.kind) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// misspelt returns the member that was meant to be the known one called name.
func (m members) misspelt(name string) (key string, v member, found bool) {
	for key, v := range m {
		if key != name && fold(key) == fold(name) {
			return key, v, true
		}
	}
	return "", member{}, false
}

// fold makes nonceStr, noncestr and nonce_str one.
func fold(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }
