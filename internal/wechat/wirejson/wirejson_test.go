package wirejson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/addcard/addcard/internal/wechat/wirejson"
)

func TestMend_ReadsWhatWeChatWrites(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"{\"a\":\"x\x00y\x01\x07z\x1f\"}":         "xyz",
		"{\"a\":\"x\x08\x0b\x0cz\"}":              "xz",
		"{\"a\":\"x\ty\r\nz\"}":                   "x\ty\r\nz",
		"{\"a\":\"\x7f\u0085\u2028\"}":            "\x7f\u0085\u2028",
		"\ufeff{\"a\":\"x\"}":                     "x",
		"\ufeff\ufeff \r\n{\"a\":\"\ufeffx\"}":    "\ufeffx",
		"\r\n\ufeff{\"a\":\"\ufeffx\"}":           "\ufeffx",
		"\x00\ufeff\x00{\"a\":\"x\"}\ufeff\x00":   "x",
		"{\"a\":\"x\"}\x00":                       "x",
		"\x00\x01 {\"a\":\x02\"x\"}\r\n\x00\x00 ": "x",
		`{"a":"it\'s"}`:                           "it's",
		`{"a":"¯\_(ツ)_/¯ \x41 \0"}`:               `¯\_(ツ)_/¯ \x41 \0`,
		"{\"a\":\"x\\\x01n\\\n\"}":                "x\\n\\\n",
		`{"a":"\u12 \uzzzz \u00e\u00e9"}`:         `\u12 \uzzzz \u00eé`,
		`{"a":"\u-001 \u@000"}`:                   `\u-001 \u@000`,
		`{"a":"\\'\\x\"\/\b"}`:                    "\\'\\x\"/\b",
		`{"a":"x\ud83d"}`:                         "x\ufffd",
		`{"a":"\ude00\ud83d\ud83d\ude00\ud83dx"}`: "\ufffd\ufffd😀\ufffdx",
		`{"a":"\uD83D\uDE00\uDE00"}`:              "😀\ufffd",
		"{\"a\":\"会\xe5\x91\"}":                   "会\ufffd\ufffd",
		"{\"a\":\"\xff\xfe\xed\xa0\xbd\"}":        "\ufffd\ufffd\ufffd\ufffd\ufffd",
		"{\"a\x01\":\"x\"}":                       "x",
	} {
		mended := wirejson.Mend([]byte(sent))
		var got struct{ A string }
		if err := json.Unmarshal(mended, &got); err != nil || got.A != want || !utf8.Valid(mended) {
			t.Errorf("%q: %q, %v, want %q", sent, mended, err, want)
		}
	}
}

func TestMend_ReturnsGoodTextItself(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "<html>\r\n<a href=\"x\">'", "{ \"a\" :\t[1.0e5, \"会员 \\ud83d\\ude00\\u0000\\n\"]}\r\n"} {
		in := []byte(text)
		if out := wirejson.Mend(in); string(out) != text || len(in) > 0 && &out[0] != &in[0] {
			t.Errorf("%q became %q", text, out)
		}
	}
}

// FuzzMend_ValidJSON: the meaning of valid JSON does not change, and text that was
// mended needs no more mending.
func FuzzMend_ValidJSON(f *testing.F) {
	for _, text := range []string{`{"errcode":40029,"errmsg":"it's\u0000 \ud83d"}`, "[\"\xff\"]", "\ufeff{}\x00", "\xef\n\ufeff\xbb\xbf", "{\"a\":\"\x01\\'\\"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		mended := wirejson.Mend(text)
		if !bytes.Equal(text, before) {
			t.Fatal("Mend changed its argument")
		}
		if again := wirejson.Mend(mended); !bytes.Equal(again, mended) {
			t.Errorf("%q: %q, mended again %q", text, mended, again)
		}
		var want, got any
		if json.Unmarshal(text, &want) != nil {
			return
		}
		if err := json.Unmarshal(mended, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q is %v, %v, want %v", text, mended, got, err, want)
		}
	})
}

// FuzzMend_AnyName: whatever a name contains, the answer can be read, and its number
// and the visible part of the name are what they were.
func FuzzMend_AnyName(f *testing.F) {
	for _, name := range []string{"小明", "\x00\x01\n", "\xe6\x9c", `C:\new`, `it's "me"`, "\ufeff\u2028😀"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		raw := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		var got struct {
			Code int
			Name string
		}
		if err := json.Unmarshal(wirejson.Mend([]byte(`{"name":"`+raw+`","code":40029}`)), &got); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		want := strings.Map(func(c rune) rune {
			if c < ' ' && !strings.ContainsRune("\t\n\r", c) {
				return -1
			}
			return c
		}, name) // it makes U+FFFD of each bad byte
		if got.Code != 40029 || got.Name != want {
			t.Errorf("%q: %+v, want %q", name, got, want)
		}
	})
}
