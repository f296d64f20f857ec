package push

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/addcard/addcard/internal/wechat/wirejson"
)

// parseJSON reads a message of an account that is set to JSON. Its names are those of
// the XML elements.
func parseJSON(body []byte) (document, error) {
	var members map[string]jsontext.Value
	if json.Unmarshal(wirejson.Mend(body), &members) != nil {
		return nil, &UnusableError{Reason: BrokenJSON}
	}
	doc := document{}
	for name, value := range members {
		doc[name] = jsonText(value)
	}
	return doc, nil
}

// jsonText returns a value as it would be written in XML.
func jsonText(value jsontext.Value) string {
	switch value.Kind() {
	case '"':
		unquoted, _ := jsontext.AppendUnquote(nil, value)
		return text(string(unquoted))
	case '0':
		return string(value)
	case 't':
		return "1"
	case 'f':
		return "0"
	}
	return ""
}
