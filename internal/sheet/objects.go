package sheet

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// objects are the lines of JSON lines.
type objects struct {
	text    *text
	options Options
	names   map[string]string // of the columns by the keys; "" for one that is not read
	unknown []string
}

func newObjects(text *text, o Options) *objects {
	return &objects{text: text, options: o, names: map[string]string{}}
}

func (o *objects) ignored() []string { return o.unknown }

func (o *objects) headings() map[string]string {
	all := make(map[string]string, len(o.names))
	for key, name := range o.names {
		if name != "" {
			all[name] = key
		}
	}
	return all
}

// next is Reader.Next.
func (o *objects) next() (Line, error) {
	for {
		text, err := o.text.next()
		if err != nil {
			return Line{}, err
		}
		if trim(text) != "" {
			return o.line(o.text.number, trim(text))
		}
	}
}

// line returns the line of a text.
func (o *objects) line(number int, text string) (Line, error) {
	var fields map[string]jsontext.Value
	err := json.Unmarshal([]byte(text), &fields)
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return Line{}, &LineError{Line: number, Reason: fmt.Sprintf("has the key %s twice", path.Base(string(syntax.JSONPointer)))}
	case err != nil || text[0] != '{':
		return Line{}, &LineError{Line: number, Reason: "is not one JSON object"}
	}
	line := Line{number, make(map[string]string, len(fields))}
	keys := make(map[string]string, len(fields)) // by the names of the columns
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		name := o.name(key)
		if name == "" {
			continue
		}
		if other, ok := keys[name]; ok {
			return Line{}, &LineError{Line: number, Reason: fmt.Sprintf("has the column %s twice, as %s and as %s", name, other, key)}
		}
		keys[name] = key
		value, reason := scalar(fields[key]).value()
		if reason != "" {
			return Line{}, &LineError{Line: number, Column: key, Reason: reason}
		}
		line.Values[name] = value
	}
	return line, nil
}

// name returns the name of the column with a key, or "" for one that is not read.
func (o *objects) name(key string) string {
	name, ok := o.names[key]
	if !ok {
		name = o.options.name(key)
		if len(o.names) < maxColumns {
			o.names[key] = name
			if name == "" {
				o.unknown = append(o.unknown, key)
			}
		}
	}
	return name
}

// plain is a number without an exponent.
var plain = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// scalar returns a JSON value as a cell. A number has all of its digits.
func scalar(value jsontext.Value) cell {
	switch kind := value.Kind(); {
	case kind == '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return cell{reason: "is no text"}
		}
		return cell{text: trim(text)}
	case kind == '0' && plain.Match(value):
		return cell{text: string(value)}
	case kind == '0':
		return cell{reason: "is a number with an exponent (as 1e3): write all digits"}
	case kind == 'n':
		return cell{}
	}
	return cell{reason: "must be a text or a number"}
}
