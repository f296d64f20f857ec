package web

import (
	"bytes"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON refuses duplicate fields, bad UTF-8 and anything after the value.
// Unknown fields and other spellings are left to huma's schema check: it runs
// on the decoded value and has the list of where they are allowed.
var strictJSON = huma.Format{
	Marshal:   func(w io.Writer, v any) error { return json.MarshalWrite(w, v, jsontext.AllowInvalidUTF8(true)) },
	Unmarshal: func(data []byte, v any) error { return json.Unmarshal(data, v) },
}

// List converts a list for an answer. It is never nil, which would be null in
// JSON.
func List[T, U any](list []T, convert func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}

// Marshal encodes v as the JSON routes do.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := strictJSON.Marshal(&b, v)
	return b.Bytes(), err
}
