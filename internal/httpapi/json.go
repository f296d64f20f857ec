package httpapi

import (
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON refuses duplicate members, bad UTF-8 and anything after the value.
// Unknown members and other spellings are refused by huma's schema check, which
// decodes first and knows where they are allowed.
var strictJSON = huma.Format{
	Marshal:   func(w io.Writer, v any) error { return json.MarshalWrite(w, v, jsontext.AllowInvalidUTF8(true)) },
	Unmarshal: func(data []byte, v any) error { return json.Unmarshal(data, v) },
}
