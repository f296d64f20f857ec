package wechatsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

const maxDepth = 32 // no request of ours nests deeper than 8

// parseJSON reads exactly one JSON value. It refuses duplicate keys and invalid
// UTF-8, which encoding/json accepts. Numbers are json.Number.
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
		key := token.(string) // json.Valid guarantees it
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

// writeJSON encodes v as WeChat does: raw UTF-8, no HTML escapes, no newline.
func writeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("wechatsim: encode an answer: %v", err)) // answers hold only maps, strings and numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// unicodeEscape matches a \uXXXX escape; an escaped backslash before a u is none.
var unicodeEscape = regexp.MustCompile(`(^|[^\\])(\\\\)*\\u`)

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

// mergeTree applies patch to tree, object by object.
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

// fields reads the fields of one JSON object. The first failure is kept, for this
// object and the objects inside; later reads return zero values.
type fields struct {
	values map[string]any
	state  *readState
}

type readState struct {
	err            error
	allowFractions bool // accept 100.0 as a whole number
}

// err returns the first failure.
func (f fields) err() error { return f.state.err }

func (f fields) has(name string) bool { return f.values[name] != nil }

func (f fields) fail(code int, why string, args ...any) {
	if f.state.err == nil {
		f.state.err = refuse(code, why, args...)
	}
}

// get returns a field. One of another type is a failure, 47001.
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

func (f fields) objectList(name string) []fields {
	var out []fields
	for _, item := range get[[]any](f, name, "a list") {
		object, ok := item.(map[string]any)
		if !ok {
			f.fail(47001, "%s holds something that is not an object", name)
		}
		out = append(out, fields{object, f.state})
	}
	return out
}

func (f fields) textList(name string) []string {
	var out []string
	for _, item := range get[[]any](f, name, "a list") {
		text, ok := item.(string)
		if !ok {
			f.fail(47001, "%s holds something that is not a string", name)
		}
		out = append(out, text)
	}
	return out
}

// required returns the first failure; a missing or empty field is one, 41011.
func (f fields) required(names ...string) error {
	for _, name := range names {
		if f.values[name] == nil || f.values[name] == "" {
			f.fail(41011, "%s is missing", name)
		}
	}
	return f.err()
}

// hanzi returns the bytes that n 汉字 need: WeChat's "string(36)" for 12 汉字 counts
// three bytes of UTF-8 for each.
func hanzi(n int) int { return 3 * n }
