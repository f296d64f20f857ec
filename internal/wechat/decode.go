package wechat

import (
	"bytes"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// status is the part that all answers share. An answer without errcode is a success.
type status struct {
	Code errcode        `json:"errcode"`
	Msg  jsontext.Value `json:"errmsg"` // a string; anything else is ignored
}

// errcode is a number; some calls send it as a string, which may be empty.
type errcode int

func (c *errcode) UnmarshalJSON(text []byte) error {
	if string(text) == "null" || string(text) == `""` {
		return nil
	}
	n, err := whole(text)
	*c = errcode(n)
	return err
}

// id is an identifier. It is never read from a number, which may have lost digits.
type id string

// validator is an answer with required fields.
type validator interface {
	// invalidField returns the first field that is missing or unusable, or "".
	invalidField() string
}

func (r reply) isObject() bool {
	return bytes.HasPrefix(bytes.TrimLeft(r.body, " \t\r\n"), []byte("{"))
}

// decode stores the reply in answer, or returns why it cannot be used.
func (r reply) decode(q request, answer any) *Error {
	var s status
	switch {
	case r.status/100 == 3:
		return malformedAnswer(q.path, "redirect refused", r)
	case len(bytes.TrimSpace(r.body)) == 0:
		return malformedAnswer(q.path, "empty answer", r)
	case !r.isObject() || unmarshal(r.body, &s) != nil:
		return malformedAnswer(q.path, "answer is not a JSON object", r)
	case s.Code != 0:
		return refusal(q, s)
	case r.status/100 != 2:
		return malformedAnswer(q.path, "answer is an HTTP error", r)
	case answer == nil:
		return nil
	case unmarshal(r.body, answer) != nil:
		return malformedAnswer(q.path, "answer has a value of the wrong type", r)
	}
	if a, ok := answer.(validator); ok && a.invalidField() != "" {
		return malformedAnswer(q.path, "answer has no usable "+a.invalidField(), r)
	}
	return nil
}

// unmarshal reads mended JSON. It accepts a whole number as 100, 100.00 or "100", and a
// text of digits as a number: WeChat writes one or the other, by call and by time.
func unmarshal(body []byte, into any) error {
	return json.Unmarshal(body, into, tolerant)
}

var tolerant = json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFromFunc(readWhole), json.UnmarshalFromFunc(readText)))

func readWhole(d *jsontext.Decoder, n *int64) error {
	text, err := d.ReadValue()
	if err != nil || text.Kind() == 'n' {
		return err
	}
	*n, err = whole(text)
	return err
}

// whole returns the whole number in a JSON number or string.
func whole(text []byte) (int64, error) {
	digits := strings.TrimSpace(strings.Trim(string(text), `"`))
	if strings.ContainsAny(digits, "eE") {
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || math.Abs(n) > 1<<53 {
			return 0, strconv.ErrSyntax
		}
		digits = strconv.FormatFloat(n, 'f', -1, 64)
	}
	digits, fraction, _ := strings.Cut(digits, ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(digits, 10, 64)
}

// readText drops NULs, which a database refuses.
func readText(d *jsontext.Decoder, s *string) error {
	if d.PeekKind() == '0' {
		text, err := d.ReadValue()
		*s = string(text)
		return err
	}
	token, err := d.ReadToken()
	switch {
	case err != nil:
		return err
	case token.Kind() == 'n':
		return nil
	case token.Kind() != '"':
		return strconv.ErrSyntax
	}
	*s = strings.ReplaceAll(token.String(), "\x00", "")
	return nil
}

func refusal(q request, s status) *Error {
	var text string
	_ = json.Unmarshal(s.Msg, &text) // anything but a string leaves it empty
	msg, trace := splitTrace(q.redact(text))
	return &Error{API: q.path, Code: int(s.Code), Msg: msg, Trace: trace, connected: true}
}

// redact makes a text of WeChat's fit for a log: without the secrets of the request,
// without control characters, and at most 256 bytes long.
func (r request) redact(text string) string {
	for _, secret := range r.secrets {
		if secret != "" {
			text = strings.NewReplacer(secret, "***", url.QueryEscape(secret), "***").Replace(text)
		}
	}
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), 256)], "")
}

// splitTrace splits off the tail by which WeChat's support finds a call. It differs
// for every call, so with it no two messages would be equal.
func splitTrace(text string) (msg, trace string) {
	at := -1
	for _, mark := range []string{" rid:", " hint:", " hints:"} {
		at = max(at, strings.LastIndex(text, mark))
	}
	if at < 0 {
		return strings.TrimSpace(text), ""
	}
	return strings.Trim(text[:at], " ,"), strings.TrimSpace(text[at:])
}
