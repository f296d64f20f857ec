package push

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// findEncrypt returns the text of the element Encrypt of a push, or "". The other
// elements are not signed, and nothing else is read of them. In compatible mode they
// contain an outer_str as its author wrote it, and may not be well-formed.
func findEncrypt(body []byte) string {
	if doc, err := parse(body); err == nil {
		return doc["Encrypt"]
	}
	body = bytes.Trim(allowed(body), ignored)
	if bytes.HasPrefix(body, []byte("{")) {
		return findInJSON(body)
	}
	return findInXML(string(body))
}

// searchEncrypt returns the first text that may be the element Encrypt, without
// parsing the body: only if msg_signature covers it, the body is worth more work.
func searchEncrypt(body []byte) string {
	if _, rest, found := bytes.Cut(body, []byte("<Encrypt>")); found {
		text, _, _ := bytes.Cut(rest, []byte("</Encrypt>"))
		text = bytes.TrimPrefix(bytes.Trim(text, space), []byte("<![CDATA["))
		return string(bytes.Trim(bytes.TrimSuffix(text, []byte("]]>")), space))
	}
	_, rest, _ := bytes.Cut(body, []byte(`"Encrypt"`))
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	unquoted, _ := jsontext.AppendUnquote(nil, slices.Concat([]byte{'"'}, text, []byte{'"'}))
	return string(unquoted)
}

var declaration = regexp.MustCompile(`^<\?xml [^<>]*\?>[ \t\r\n]*`)

// findInXML finds the one Encrypt in the one root element: between <xml> or the end of
// an element and </xml> or the start of one.
func findInXML(body string) string {
	inner, started := strings.CutPrefix(declaration.ReplaceAllString(body, ""), "<xml>")
	inner, ended := strings.CutSuffix(inner, "</xml>")
	before, rest, opened := strings.Cut(inner, "<Encrypt>")
	encrypt, after, closed := strings.Cut(rest, "</Encrypt>")
	for _, tag := range []string{"<xml>", "</xml>", "<Encrypt>", "</Encrypt>"} {
		if strings.Contains(before, tag) || strings.Contains(after, tag) {
			return ""
		}
	}
	if !started || !ended || !opened || !closed || !endsElement(before) || !startsElement(after) {
		return ""
	}
	encrypt = strings.Trim(encrypt, space)
	if inside, cdata := strings.CutPrefix(encrypt, "<![CDATA["); cdata {
		encrypt = strings.TrimSuffix(inside, "]]>")
	}
	return strings.Trim(encrypt, space)
}

// endsElement reports whether the text ends with the end of an element, or is blank.
func endsElement(text string) bool {
	text = strings.TrimRight(text, ignored)
	last := text[strings.LastIndexByte(text, '<')+1:]
	return text == "" || strings.HasSuffix(last, ">") && (strings.HasPrefix(last, "/") || strings.HasSuffix(last, "/>"))
}

// startsElement reports whether the text begins with a tag, or is blank.
func startsElement(text string) bool {
	text = strings.TrimLeft(text, ignored)
	return text == "" || text[0] == '<'
}

var encryptMember = regexp.MustCompile(`[{,]\s*"Encrypt"\s*:\s*"([^"]*)"\s*[,}]`)

// findInJSON finds the one member Encrypt.
func findInJSON(body []byte) string {
	found := encryptMember.FindAllSubmatch(body, 2)
	if len(found) != 1 || bytes.Count(body, []byte(`"Encrypt"`)) != 1 {
		return ""
	}
	encrypt, _ := jsontext.AppendUnquote(nil, slices.Concat([]byte{'"'}, found[0][1], []byte{'"'}))
	return string(encrypt)
}
