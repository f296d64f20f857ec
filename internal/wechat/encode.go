package wechat

import "github.com/go-json-experiment/json"

// encode returns v as JSON in UTF-8 without \u escapes, which WeChat refuses (47002,
// some calls 40033). Control characters, which JSON can only write as escapes,
// become spaces. A string that is not UTF-8 is an error.
func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	out := body[:0]
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] != '\\':
			out = append(out, body[i])
		case body[i+1] == 'u':
			out = append(out, ' ')
			i += len("u0000")
		default:
			out = append(out, body[i], body[i+1])
			i++
		}
	}
	return out, nil
}
