package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// What a Fault or a Trigger can do to the texts that people write (OuterStr and others).
// WeChat puts them into a push as they are.
const (
	DirtControl = "control" // control characters in each text, and a NUL behind the message
	DirtCut     = "cut"     // the first two bytes of a 汉字 at the end of each text
	DirtMarkup  = "markup"  // a bare ]]>, in JSON a bare quote, in each text that is not sealed
)

// people write the texts of these elements.
var dirtyElements = []string{"OuterStr", "RefuseReason", "Detail", "LocationName", "Desc", "Memo"}

func checkDirt(dirt string) error {
	if !slices.Contains([]string{"", DirtControl, DirtCut, DirtMarkup}, dirt) {
		return errors.New("dirt: control, cut or markup")
	}
	return nil
}

// dirtMark stands in a text for the dirt, which must not be escaped. It is a character
// of private use.
const dirtMark = "\ue000"

// write returns the elements in the format of the callback, with the dirt of the
// message. inClear means that they are not sealed.
func (m message) write(list []xmlElement, inClear bool) string {
	dirt, behind := "", ""
	switch {
	case m.dirt == DirtControl:
		dirt, behind = "\x00\x01\x07\b\v\f\x1b\x1f", "\x00"
	case m.dirt == DirtCut:
		dirt = "\xe6\x98"
	case m.dirt == DirtMarkup && inClear && m.callback.Format == FormatJSON:
		dirt = `"`
	case m.dirt == DirtMarkup && inClear:
		dirt = "]]>"
	}
	list = slices.Clone(list)
	for i := range list {
		if e := &list[i]; dirt != "" && slices.Contains(dirtyElements, e.name) {
			e.value += dirtMark
		}
	}
	format := m.xml
	if m.callback.Format == FormatJSON {
		format = m.json
	}
	return strings.ReplaceAll(format(list), dirtMark, dirt) + behind
}

// json writes the elements as the members of an object, in their order.
func (m message) json(list []xmlElement) string {
	var b strings.Builder
	for i, e := range list {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + quote(e.name) + ":")
		if e.isNumber() {
			b.WriteString(e.value)
		} else {
			b.WriteString(quote(e.value))
		}
	}
	return b.String() + "}"
}

func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}
