package card

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Document is JSON of the operator's in the form of WeChat's own. Its picture
// fields contain URLs on WeChat's CDN or, if Picture is set, paths of files.
// Everything is checked before the first picture is uploaded.
type Document struct {
	JSON json.RawMessage
	// Picture returns the content of a picture file.
	Picture func(path string) ([]byte, error)
	// Uploading, unless nil, is called before a picture is uploaded.
	Uploading func(path string)
	// Began is when the operator made the call; zero means now.
	Began time.Time
	// OnlyKnown refuses fields of a card that are not known to be WeChat's.
	OnlyKnown bool
	// KeepLive refuses an update with ErrReview.
	KeepLive bool
	// Once refuses a creation with a *TwinError if a card was created from the same
	// document, with the same pictures, within a day.
	Once bool
}

func (d Document) began() time.Time {
	if d.Began.IsZero() {
		return time.Now()
	}
	return d.Began
}

// draft is a Document whose form has been read.
type draft struct {
	Document
	root     object
	pictures map[string][]byte // the files that root names, by path
	uploaded map[string]string // as in a validation
	unknown  []string          // paths of the fields that are not known to be WeChat's
}

// read reads the pictures that a document names. root is its JSON, which is at
// path.
func (v *validation) read(doc Document, root object, path string) *draft {
	d := &draft{Document: doc, root: root, pictures: map[string][]byte{}, uploaded: v.uploaded}
	if doc.Picture == nil {
		return d
	}
	eachPicture(root, path, func(path, text string) string {
		if !isFile(text) || d.pictures[text] != nil {
			return text
		}
		picture, err := doc.Picture(text)
		if err == nil {
			_, err = pictureName(picture)
		}
		var unusable *InvalidError
		if errors.As(err, &unusable) {
			v.add(path, "%s %s", text, unusable.Fields[0].Message)
		} else if err != nil {
			v.add(path, "read a picture: %v", err)
		}
		d.pictures[text] = picture
		return text
	})
	v.files = d.pictures
	return d
}

// withPictures returns a copy of the document with other texts in its picture
// fields.
func (d *draft) withPictures(replace func(text string) string) object {
	root := clone(d.root)
	eachPicture(root, "", func(_, text string) string { return replace(text) })
	return root
}

// exact identifies a document with the content of its pictures, be they files or
// uploaded already.
func (d *draft) exact() string {
	return hash(d.withPictures(func(text string) string {
		if picture, isFile := d.pictures[text]; isFile {
			return pictureHash(picture)
		}
		return cmp.Or(d.uploaded[text], text)
	}))
}

// pictureHash identifies the content of a picture.
func pictureHash(picture []byte) string { return fmt.Sprintf("%x", sha256.Sum256(picture)) }

// upload uploads the pictures of a document, each once, and returns the document
// with their URLs.
func (o *Operator) upload(ctx context.Context, d *draft) (json.RawMessage, error) {
	urls := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(d.pictures)) {
		if d.Uploading != nil {
			d.Uploading(path)
		}
		address, err := o.Image(ctx, d.pictures[path])
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", path, err)
		}
		urls[path] = address
	}
	return json.Marshal(d.withPictures(func(text string) string { return cmp.Or(urls[text], text) }))
}

// pictureFields are the fields with the URLs of pictures, or with a list of them.
var pictureFields = map[string]bool{
	"logo_url": true, "background_pic_url": true, "banner": true, "thumb_url": true, "image_url": true, "icon_url_list": true,
}

// eachPicture replaces each text in a picture field of value by what visit
// returns for it and its path.
func eachPicture(value any, path string, visit func(path, text string) string) {
	switch v := value.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			at := path + "." + name
			if !pictureFields[name] {
				eachPicture(v[name], at, visit)
			} else if text, isText := v[name].(string); isText {
				v[name] = visit(at, text)
			} else if list, isList := v[name].([]any); isList {
				for i := range list {
					if text, isText := list[i].(string); isText {
						list[i] = visit(fmt.Sprintf("%s[%d]", at, i), text)
					}
				}
			}
		}
	case []any:
		for i := range v {
			eachPicture(v[i], fmt.Sprintf("%s[%d]", path, i), visit)
		}
	}
}

// isFile reports whether a picture field names a file and not a URL.
func isFile(text string) bool {
	u, err := url.Parse(text)
	return text != "" && (err != nil || u.Scheme == "" || len(u.Scheme) == 1) // C:\ on Windows
}

// object is a JSON object of the operator's. Its numbers are float64, which holds
// all of WeChat's. The objects in it are objects, too.
type object map[string]any

// object returns the object name of o, or nil.
func (o object) object(name string) object {
	inner, _ := o[name].(object)
	return inner
}

// text returns the text name of o, or "".
func (o object) text(name string) string {
	text, _ := o[name].(string)
	return text
}

// parse reads one JSON object strictly. The error says what to correct.
func parse(raw json.RawMessage) (object, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("is not UTF-8 (GBK?): save it as UTF-8")
	}
	var value any
	err := strict.Unmarshal(raw, &value)
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return nil, fmt.Errorf("has the field %s twice", strings.ReplaceAll(strings.Trim(string(syntax.JSONPointer), "/"), "/", "."))
	case err != nil:
		return nil, errors.New("is not one JSON value")
	}
	fields, ok := objects(value).(object)
	if !ok {
		return nil, errors.New("must be an object")
	}
	return fields, nil
}

// objects turns the maps in value into objects.
func objects(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			v[name] = objects(v[name])
		}
		return object(v)
	case []any:
		for i := range v {
			v[i] = objects(v[i])
		}
	}
	return value
}

// clone returns a deep copy.
func clone[T any](value T) T {
	switch v := any(value).(type) {
	case object:
		out := make(object, len(v))
		for name := range v {
			out[name] = clone(v[name])
		}
		return any(out).(T)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clone(v[i])
		}
		return any(out).(T)
	}
	return value
}

// hasValue reports whether an object has a value that is not an empty object.
func hasValue(value any) bool {
	fields, isObject := value.(object)
	if !isObject {
		return true
	}
	for _, inner := range fields {
		if hasValue(inner) {
			return true
		}
	}
	return false
}

// holds reports whether value already has everything in change.
func holds(value, change any) bool {
	fields, isObject := change.(object)
	if !isObject {
		return reflect.DeepEqual(value, change)
	}
	have, isObject := value.(object)
	for name := range fields {
		if !isObject || !holds(have[name], fields[name]) {
			return false
		}
	}
	return isObject
}
