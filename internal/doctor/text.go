package doctor

import "fmt"

// Text is a text in both languages. Commands, names of variables and errors are the same
// in both.
type Text struct{ English, Chinese string }

// In returns the text in a language: Chinese for "zh", otherwise English.
func (t Text) In(lang string) string {
	if lang == "zh" {
		return t.Chinese
	}
	return t.English
}

// String returns the text in English.
func (t Text) String() string { return t.English }

// MarshalText implements encoding.TextMarshaler: JSON has the text in English.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.English), nil }

// say formats a text in both languages. A value may be a Text.
func say(english, chinese string, values ...any) Text {
	in := func(format, lang string) string {
		args := make([]any, len(values))
		for i, v := range values {
			if t, ok := v.(Text); ok {
				v = t.In(lang)
			}
			args[i] = v
		}
		return fmt.Sprintf(format, args...)
	}
	return Text{in(english, "en"), in(chinese, "zh")}
}

// same is say for what is the same in both languages.
func same(format string, values ...any) Text { return say(format, format, values...) }

// join joins texts, with the separator of each language.
func join(texts []Text, english, chinese string) (all Text) {
	for i, t := range texts {
		if i > 0 {
			all.English, all.Chinese = all.English+english, all.Chinese+chinese
		}
		all.English, all.Chinese = all.English+t.English, all.Chinese+t.Chinese
	}
	return all
}
