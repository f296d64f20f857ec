package web

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds how deep values of a body are nested. WeChat's own card has 6.
const maxDepth = 64

// maxValues returns how many values a body may have: the ten cards of a request
// with all that phones add to them, and for the operator 10,000 codes, or a card.
// What has more is refused before it is decoded, because checking each value, and
// saying what is wrong with it, costs much more than serving a request.
func (a Audience) maxValues() int {
	if a == Admin {
		return 20_000
	}
	return 512
}

// maxText bounds one text in a body of the public API, in bytes. Patterns are
// compared with all of a text, however much too long it is.
const maxText = 4 << 10

// checkValues refuses a body with too many values, or with too deep or too long
// ones. It leaves alone what is not well-formed up to there.
func (a Audience) checkValues(body []byte) error {
	opened := bytes.Count(body, []byte("{")) + bytes.Count(body, []byte("["))
	few := opened <= maxDepth && opened+2*bytes.Count(body, []byte(",")) < a.maxValues() // a name and its value are two
	if few && (a == Admin || len(body) <= maxText) {
		return nil
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	for n := 0; ; n++ {
		switch value, err := decoder.ReadToken(); {
		case err != nil:
			return nil //nolint:nilerr // the end, or malformed, which is said when the body is decoded
		case decoder.StackDepth() > maxDepth:
			return MalformedBody.WithDetail(fmt.Sprintf("The request body has more than %d values inside each other.", maxDepth)).Err()
		case n >= 2*a.maxValues(): // names, and ends of objects and lists, are tokens too
			return InputErrors{{"body", "has too many values"}}
		case a == Public && value.Kind() == '"' && len(value.String()) > maxText:
			return InputErrors{{shorten(locationOfPointer(decoder.StackPointer())), fmt.Sprintf("longer than %d bytes", maxText)}}
		}
	}
}
