package wechatsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// dirtKinds are what a Fault's Dirt can name: what WeChat does to its JSON. The first
// four change each text that a person wrote, and errmsg.
var dirtKinds = []string{
	"control",    // a raw control character, U+0000 to U+001F
	"cut",        // the first two bytes of a 汉字 at the end
	"escapes",    // the escapes \' and \_
	"surrogates", // half of a surrogate pair at the end
	"bom",        // a byte order mark before the answer
	"nul",        // NULs behind the answer
	"numbers",    // numbers are strings
	"fractions",  // whole numbers have a fraction, 7.0
}

// dirtyNames are the fields that people fill in, and errmsg.
var dirtyNames = []string{"nickname", "value", "value_list", "errmsg"}

// checkDirt checks a list of kinds, separated by commas.
func checkDirt(list string) error {
	for kind := range strings.SplitSeq(list, ",") {
		if list != "" && !slices.Contains(dirtKinds, kind) {
			return fmt.Errorf("dirt: %s, separated by commas", strings.Join(dirtKinds, ", "))
		}
	}
	return nil
}

// soiler changes one answer. draw returns a number below n, drawn from the seed.
type soiler struct {
	kinds []string
	draw  func(n int) int
}

// soil returns an answer with the dirt that the list names. One that is no JSON stays
// as it is.
func (q *faultQueue) soil(answer []byte, list string) []byte {
	tree, err := parseJSON(answer)
	if err != nil {
		return answer
	}
	s := soiler{strings.Split(list, ","), func(n int) int {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.rng.IntN(n)
	}}
	out := writeJSON(s.value(tree, false))
	for i, kind := range s.kinds {
		for bytes.Contains(out, marker(i)) {
			out = bytes.Replace(out, marker(i), s.bytes(kind), 1)
		}
	}
	if s.has("bom") {
		out = append([]byte("\ufeff"), out...)
	}
	if s.has("nul") {
		out = append(out, 0, 0)
	}
	return out
}

func (s soiler) has(kind string) bool { return slices.Contains(s.kinds, kind) }

// marker stands in a text for the dirt of kind i, which cannot be encoded. It is a
// character of private use.
func marker(i int) []byte { return utf8.AppendRune(nil, rune(0xe000+i)) }

func (s soiler) bytes(kind string) []byte {
	switch kind {
	case "control":
		return []byte{byte(s.draw(' '))}
	case "cut":
		return []byte("\xe6\x98")
	case "escapes":
		return []byte(`\'\_`)
	case "surrogates":
		return []byte(`\ud83d`)
	}
	return nil
}

// value returns v with markers, and with other numbers. dirty means that a person
// wrote the texts in it.
func (s soiler) value(v any, dirty bool) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) { // drawn in one order
			v[name] = s.value(v[name], slices.Contains(dirtyNames, name))
		}
	case []any:
		for i := range v {
			v[i] = s.value(v[i], dirty)
		}
	case string:
		if dirty {
			return s.text(v)
		}
	case json.Number:
		return s.number(v)
	}
	return v
}

func (s soiler) text(text string) string {
	for i, kind := range s.kinds {
		runes := []rune(text)
		at := len(runes)
		if kind == "control" || kind == "escapes" {
			at = s.draw(len(runes) + 1)
		}
		text = string(runes[:at]) + string(marker(i)) + string(runes[at:])
	}
	return text
}

func (s soiler) number(n json.Number) any {
	_, err := n.Int64()
	if err == nil && s.has("fractions") {
		n += ".0"
	}
	if s.has("numbers") {
		return n.String()
	}
	return n
}
