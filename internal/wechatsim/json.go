package wechatsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32 // no request of ours nests deeper than 8

// parseJSON reads exactly one JSON value and refuses what encoding/json lets
// pass: duplicate keys and broken UTF-8. Numbers stay json.Number.
func parseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("not one JSON value")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return readValue(d, 0)
}

func readValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	switch token {
	case json.Delim('{'):
		return readObject(d, depth+1)
	case json.Delim('['):
		return readArray(d, depth+1)
	}
	return token, nil
}

func readObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key := token.(string) // json.Valid has seen to it
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("key %q twice", key)
		}
		if object[key], err = readValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

func readArray(d *json.Decoder, depth int) (any, error) {
	array := []any{}
	for d.More() {
		value, err := readValue(d, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.Token()
	return array, err
}

// writeJSON encodes raw UTF-8, as WeChat does: no HTML escapes, no newline.
func writeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("wechatsim: encode an answer: %v", err)) // only maps, strings and numbers get here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// hasUnicodeEscape finds \uXXXX, but not the tail of an escaped backslash.
func hasUnicodeEscape(body []byte) bool {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if body[i+1] == 'u' {
			return true
		}
		i++
	}
	return false
}

func cloneTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = cloneTree(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneTree(v[i])
		}
		return out
	}
	return v
}

// mergeTree lays patch over tree, object by object.
func mergeTree(tree, patch map[string]any) {
	for key, value := range patch {
		inner, isObject := value.(map[string]any)
		old, wasObject := tree[key].(map[string]any)
		if isObject && wasObject {
			mergeTree(old, inner)
			continue
		}
		tree[key] = cloneTree(value)
	}
}

// fields reads one JSON object member by member. The first member of a wrong
// type is remembered in the shared err; readers go on with zero values.
type fields struct {
	values map[string]any
	state  *readState
}

type readState struct {
	err            error
	allowFractions bool // take 100.0 for a whole number
}

func (f fields) has(name string) bool { return f.values[name] != nil }

func (f fields) fail(code int, why string, args ...any) {
	if f.state.err == nil {
		f.state.err = refuse(code, why, args...)
	}
}

// get is the member, or the zero value with 47001 noted when its type differs.
func get[T any](f fields, name, want string) T {
	var zero T
	value, present := f.values[name]
	if !present {
		return zero
	}
	typed, ok := value.(T)
	if !ok {
		f.fail(47001, "%s is not %s", name, want)
	}
	return typed
}

func (f fields) text(name string) string { return get[string](f, name, "a string") }

func (f fields) boolean(name string) bool { return get[bool](f, name, "a boolean") }

func (f fields) object(name string) fields {
	return fields{get[map[string]any](f, name, "an object"), f.state}
}

func (f fields) integer(name string) int64 {
	n := get[json.Number](f, name, "a number")
	if n == "" {
		return 0
	}
	if value, err := n.Int64(); err == nil {
		return value
	}
	return f.fraction(name, n)
}

func (f fields) fraction(name string, n json.Number) int64 {
	value, err := n.Float64()
	switch {
	case err != nil || value != float64(int64(value)):
		f.fail(47001, "%s is not a whole number", name)
	case !f.state.allowFractions:
		f.fail(-1, "%s is written with a fraction or an exponent", name)
	}
	return int64(value)
}

func (f fields) textList(name string) []string {
	var out []string
	for _, one := range get[[]any](f, name, "a list") {
		text, ok := one.(string)
		if !ok {
			f.fail(47001, "%s holds something that is not a string", name)
		}
		out = append(out, text)
	}
	return out
}

// required notes 41011 for each missing or empty member.
func (f fields) required(names ...string) {
	for _, name := range names {
		if f.values[name] == nil || f.values[name] == "" {
			f.fail(41011, "%s is missing", name)
		}
	}
}

// hanzi is the room that n 汉字 take: WeChat's "string(36)" for 12 汉字 counts
// three bytes of UTF-8 for each.
func hanzi(n int) int { return 3 * n }

func quoted(names []string) string { return strings.Join(names, ", ") }
