package web

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON refuses duplicate fields, bad UTF-8 and anything after the value.
// Unknown fields and other spellings are left to huma's schema check: it runs
// on the decoded value and has the list of where they are allowed.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error { return json.MarshalWrite(w, v, jsontext.AllowInvalidUTF8(true)) },
	Unmarshal: func(data []byte, v any) error {
		if tree, ok := v.(*any); ok {
			return locate(json.Unmarshal(data, tree)) // has no figures, and is faster so
		}
		return locate(json.Unmarshal(data, v, figures))
	},
}

// figures refuses null for a number. Elsewhere null is as good as absent.
var figures = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(refuseNull[*int64]), json.UnmarshalFromFunc(refuseNull[**int64]),
))

func refuseNull[T any](dec *jsontext.Decoder, _ T) error {
	if dec.PeekKind() == 'n' {
		return strconv.ErrSyntax
	}
	return errors.ErrUnsupported
}

const (
	// wrongValue begins the text of an error about one value in a body.
	wrongValue = "wrong value: "
	// doubledField begins the text of an error about a field that a body has twice.
	doubledField = "doubled field: "
	wholeNumber  = "expected a whole number, written without a fraction or an exponent"
)

// locate names the value that err is about, without quoting it. huma passes on
// only the text of an error, from which fieldErrorOf reads the two parts.
func locate(err error) error {
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return errors.New(doubledField + locationOfPointer(syntax.JSONPointer))
	case !errors.As(err, &wrong):
		return err
	}
	why := "not of the right type"
	switch {
	case errors.Is(wrong.Err, strconv.ErrRange):
		why = "the number is too large"
	case errors.Is(wrong.Err, strconv.ErrSyntax):
		why = wholeNumber // integers are the only numbers of both APIs
	}
	return errors.New(wrongValue + why + " at " + locationOfPointer(wrong.JSONPointer))
}

// locationOfPointer returns a place in a body in the form that problems have.
func locationOfPointer(p jsontext.Pointer) string {
	location := "body"
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			location += "[" + token + "]"
		} else {
			location += "." + token
		}
	}
	return location
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
