package wechat

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// status is what every answer may begin with; without errcode it is a success.
type status struct {
	Code errcode `json:"errcode"`
	Msg  any     `json:"errmsg"`
}

// errcode is a number, and here and there the same number in a string.
type errcode int

func (c *errcode) UnmarshalJSON(text []byte) error {
	digits := strings.Trim(string(text), `"`)
	if digits == "null" || digits == "" {
		return nil
	}
	n, err := strconv.Atoi(digits)
	*c = errcode(n)
	return err
}

// usable is an answer that can say of itself what it lacks; "" is nothing.
type usable interface{ lack() string }

func (r reply) isObject() bool {
	return bytes.HasPrefix(bytes.TrimLeft(r.body, " \t\r\n"), []byte("{"))
}

// decode puts the answer into answer, or says why it is none.
func (r reply) decode(q request, answer any) *Error {
	var s status
	switch {
	case r.status/100 == 3:
		return malformed(q.path, "redirect refused", r)
	case len(bytes.TrimSpace(r.body)) == 0:
		return malformed(q.path, "empty answer", r)
	case !r.isObject() || read(r.body, &s) != nil:
		return malformed(q.path, "answer is not a JSON object", r)
	case s.Code != 0:
		return refused(q, s)
	case r.status/100 != 2:
		return malformed(q.path, "answer is an HTTP error", r)
	case answer == nil:
		return nil
	case read(r.body, answer) != nil:
		return malformed(q.path, "answer has a value of the wrong type", r)
	}
	if a, ok := answer.(usable); ok && a.lack() != "" {
		return malformed(q.path, "answer has no usable "+a.lack(), r)
	}
	return nil
}

// read is lenient about bytes that are not UTF-8: people's names hold them.
func read(body []byte, into any) error {
	return json.Unmarshal(body, into, jsontext.AllowInvalidUTF8(true))
}

func refused(q request, s status) *Error {
	text, _ := s.Msg.(string)
	msg, trace := splitTrace(q.redact(text))
	return &Error{API: q.path, Code: int(s.Code), Msg: msg, Trace: trace, reached: true}
}

// redact makes a text of WeChat's fit for a log: without what was sent in
// confidence, without control characters, and not too long.
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

// splitTrace cuts off the tail by which WeChat's support finds a call. It is
// different every time: no two messages would be equal.
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
